"""The assets that Airflow's DAGs agree on: a line's labelled data and its champion. Names and addresses, nothing else.

`news_retrain` waits for the data and emits the champion; whoever brings labelled rows into a line's source, or wants to act on
a new champion, names the same two.
"""

from components.core import paths

GROUP = "newsdesk"


def data_name(line: str) -> str:
    """Name of the asset "labelled rows for this line": its events mean that there is something new to train on."""
    return f"{paths.safe_name(line, 'line')}.data"


def champion_name(line: str) -> str:
    """Name of the asset "the model that serves on this line": its events carry version, accuracy, digest and run."""
    return f"{paths.safe_name(line, 'line')}.champion"


def uri(name: str) -> str:
    """The address of an asset; the `x-` marks a scheme that is no protocol."""
    line, _, what = name.rpartition(".")
    return f"x-newsdesk://{line}/{what}"
