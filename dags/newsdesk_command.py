"""Runs the command `newsdesk` in the TFX environment for a task: an argument list, never a shell string."""

import tempfile
from collections.abc import Callable

from airflow.exceptions import AirflowException
from airflow.sdk.exceptions import AirflowFailException

from pipelines import door

_LIMIT = 1 << 20  # bytes of standard output that are kept, from its end


def newsdesk(words: list[str], say: Callable[[str], None]) -> str:
    """Standard output of a command that ended well; standard error goes to `say` line by line.

    Raises:
        AirflowFailException: bad usage, a stop, or a line that another run holds: trying again would change nothing.
        AirflowException: anything else.
    """
    call = [door.tfx_python(), "-m", "pipelines.cli", *words]
    said: list[str] = []

    def hear(line: str) -> None:
        said.append(line)
        say(line)

    with tempfile.TemporaryFile() as output:
        process = door.start(call, output)
        try:
            code = door.follow(process, hear)
        except BaseException:
            door.stop(process.pid)
            process.wait()
            raise
        finally:
            process.stderr.close()
        output.seek(max(0, output.seek(0, 2) - _LIMIT))
        text = output.read().decode("utf-8", "replace")
    if code != door.DONE:
        known = code in (door.USAGE, door.STOPPED, door.LOCKED)
        error = AirflowFailException if known else AirflowException
        raise error(f"newsdesk {words[0]} ended with exit code {code}: {' '.join(said[-5:]) or text[-500:]}")
    return text
