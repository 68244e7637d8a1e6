"""The states of nodes, runs and gates, and the exit codes of processes. Standard library only.

Files keep the plain strings: a member of these enums is a `str`, equal to its value, and JSON writes it as that.
"""

from enum import Enum, IntEnum


class _Word(str, Enum):
    """A string out of a closed list. `str()` and f-strings give the value, on every Python."""

    def __str__(self) -> str:
        return self.value


class ExitCode(IntEnum):
    """Exit codes of a node's process, and of `newsdesk` (which never ends with SKIPPED)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    STOPPED = 3
    LOCKED = 4
    SKIPPED = 99
    INTERRUPTED = 130  # 128 + SIGINT, as a shell counts it


class NodeState(_Word):
    """State of a node in a run: `state` of an event in `events.jsonl`, and of a node's JSON result."""

    RUNNING = "running"
    DONE = "done"
    CACHED = "cached"  # an earlier result was reused
    SKIPPED = "skipped"  # nothing to do in this run
    STOPPED = "stopped"  # the data verdict is stop
    LOCKED = "locked"  # another run holds the line
    SUPERSEDED = "superseded"  # a later attempt at the node has started
    USAGE = "usage"  # the run's parameters cannot be used
    FAILED = "failed"
    CLOSED = "closed"  # of the last task alone, which closes the run

    @property
    def exit_code(self) -> ExitCode:
        """What the node's process exits with. A running node has none: it counts as failed."""
        return _EXIT_CODES.get(self, ExitCode.FAILED)


_EXIT_CODES = {
    NodeState.DONE: ExitCode.DONE,
    NodeState.CACHED: ExitCode.DONE,
    NodeState.CLOSED: ExitCode.DONE,
    NodeState.SKIPPED: ExitCode.SKIPPED,
    NodeState.STOPPED: ExitCode.STOPPED,
    NodeState.LOCKED: ExitCode.LOCKED,
    NodeState.SUPERSEDED: ExitCode.LOCKED,
    NodeState.USAGE: ExitCode.USAGE,
}


class RunState(_Word):
    """How a run ended: `state` in `outcome.json`; `running` where it has not."""

    RUNNING = "running"
    RELEASED = "released"  # the candidate is the champion now
    HELD = "held"  # published, and waits for a person's approval
    BLESSED = "blessed"  # passed the gate; the run's `release` is `never`
    UNCHANGED = "unchanged"  # the candidate is the champion, byte for byte
    REFUSED = "refused"  # by the model gate, the canary, the Pusher or the Registrar
    STOPPED = "stopped"  # the data verdict is stop
    LOCKED = "locked"
    SUPERSEDED = "superseded"
    USAGE = "usage"
    FAILED = "failed"

    @property
    def is_bad(self) -> bool:
        """Whether the run did not do its work. A refused model is no such case: the run has judged it."""
        return self in (RunState.FAILED, RunState.STOPPED, RunState.LOCKED, RunState.SUPERSEDED, RunState.USAGE)

    @property
    def exit_code(self) -> ExitCode:
        """What `newsdesk retrain` exits with after such a run."""
        return NodeState(self.value).exit_code if self.is_bad else ExitCode.DONE


class Decision(_Word):
    """The model gate's decision: `decision` in the run's `verdict.json`."""

    BLESSED = "blessed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class DataDecision(_Word):
    """The data gate's decision, and the outcome of each of its checks, mildest first."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    STOP = "stop"


class RuleOutcome(_Word):
    """The outcome of one rule of the model gate; one REFUSE refuses the candidate."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    REFUSE = "refuse"


class Release(_Word):
    """What happens to a blessed candidate: `release` of a run."""

    AUTO = "auto"  # it becomes the champion
    HOLD = "hold"  # it is published, and waits for a person's approval
    NEVER = "never"


class Move(_Word):
    """Why the champion pointer moved: `kind` in `promotions.jsonl`."""

    RELEASE = "release"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    LOST = "lost"  # the version is damaged for good; the pointer stays, and the next run is judged without it
    UNKNOWN = "unknown"  # of a time for which the history lacks moves


def is_bad(state: str | None) -> bool:
    """`RunState.is_bad` for a word out of a file, which another version may have written; an unknown one is bad."""
    try:
        return RunState(state).is_bad
    except ValueError:
        return True
