"""`newsdesk serve`: a line's champion over HTTP, in the request shapes of TensorFlow Serving's REST API.

    settings         addresses and limits
    champion         which versions answer; follows the champion pointer
    batching         joins requests that wait into one call of the graph
    tf_serving_api   request and answer bodies
    metrics          Prometheus
    app              the routes
    server           starts it, ends it on SIGTERM

Beside it, what answers with reasons, for `newsdesk explain` and the page *Try it*:

    explanations     one version's answer with the words that decided it
    answers          the warm process that the stack supervises; answers_socket is how to ask it

A room of its own beside `client.py`, which it builds on: the client stays one file that needs numpy and TensorFlow alone.
"""
