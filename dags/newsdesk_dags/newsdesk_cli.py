"""Runs the command `newsdesk` in the TFX environment for a task: an argument list, never a shell string."""

import tempfile
from collections import deque
from collections.abc import Callable

from airflow.exceptions import AirflowException
from airflow.sdk.exceptions import AirflowFailException

from components.core.states import ExitCode
from pipelines.runner import node_process

_LAST = 5  # lines of standard error that an exception names


def newsdesk(words: list[str], say: Callable[[str], None], partly: bool = False) -> str:
    """The whole standard output of a command that ended well; standard error goes to `say` line by line.

    partly: a stop is good as well, where the command says on standard output what it did before.

    Raises:
        AirflowFailException: bad usage, a stop, or a line that another run holds: trying again would change nothing.
        AirflowException: anything else.
    """
    call = [node_process.tfx_python(), "-m", "pipelines.cli.main", *words]
    log: deque[str] = deque(maxlen=_LAST)

    def hear(line: str) -> None:
        log.append(line)
        say(line)

    with tempfile.TemporaryFile() as output:
        process = node_process.start(call, output)
        try:
            code = node_process.follow(process, hear)
        except BaseException:
            node_process.stop(process.pid)
            process.wait()
            raise
        finally:
            process.stderr.close()
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    if code != ExitCode.DONE and not (partly and code == ExitCode.STOPPED and text.strip()):
        known = code in (ExitCode.USAGE, ExitCode.STOPPED, ExitCode.LOCKED)
        error = AirflowFailException if known else AirflowException
        raise error(f"newsdesk {words[0]} ended with exit code {code}: {' '.join(log) or text[-500:]}")
    return text
