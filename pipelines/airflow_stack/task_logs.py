"""What a node wrote, out of Airflow's logs. Standard library only."""

import json
import re
from pathlib import Path

_LOGGER = "airflow.task.operators"
OPERATOR = (
    f"{_LOGGER}.newsdesk_dags.node_operator.NodeOperator"  # that of `node_operator.py`, which the door's log goes to
)
_PREFIX = re.compile(r"^\S+ \[\w+ *\] ")


def last_messages(log: Path, node: str, lines: int = 25) -> list[str]:
    """The last log lines of a node, without Airflow's own; the end of the whole log where the node is not in it.

    log: the output of `airflow dags test`, or one task attempt's log, which is JSON a line.
    """
    try:
        text = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    messages, inside = [], False
    for line in text:
        if f"starting task_id={node} " in line:
            messages, inside = [], True
        elif f"end task task_id={node} " in line:
            inside = False
        elif inside and OPERATOR in line:
            messages.append(_PREFIX.sub("", line).partition(f"[{_LOGGER}")[0].rstrip())
        elif line.startswith("{") and line.endswith("}") and OPERATOR in line:
            messages.append(str(json.loads(line).get("event")))
    return (messages or text)[-lines:]
