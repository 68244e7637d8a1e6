"""What the pages show: plain values read from `NEWSDESK_HOME`, drawn by templates that escape everything.

Standard library, jinja2 and the plain modules of `pipelines/`; the web application is `newsdesk_pages.py`.
"""
