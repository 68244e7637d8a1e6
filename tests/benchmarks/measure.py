"""Running a command and saying what it took: wall seconds, processor seconds of all its processes, and what others took.

Standard library only. Nothing here knows what is measured.
"""

import contextlib
import ctypes
import json
import os
import platform
import resource
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")  # units of /proc's times a second
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class Failed(Exception):
    """A command did not end with 0; the message holds the end of what it said."""


def adopt_orphans() -> None:
    """Makes this process the parent of what its children leave behind (the warm node server), so that it is counted too."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def command(
    call: Sequence[str], environ: Mapping[str, str], folder: Path, log: Path, timeout: float = 3600
) -> tuple[dict, str]:
    """Runs a command to its end; returns what it took and its standard output. Standard error is added to `log`.

    What it took: `wall`, `cpu` (processor seconds of the command and everything it started, the living included) and
    `others` (processor seconds that the rest of the machine used meanwhile: above a few percent the machine was not free).

    Raises:
        Failed: an exit code other than 0, or no end within `timeout` seconds.
    """
    started, used, busy = time.monotonic(), descendants(), machine_busy()
    with open(log, "ab") as errors:
        errors.write(f"\n$ {' '.join(call)}\n".encode())
        errors.flush()
        process = subprocess.Popen(
            call, env=dict(environ), cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            start_new_session=True,
        )  # fmt: skip
        try:
            output = process.communicate(timeout=timeout)[0].decode("utf-8", "replace")
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise Failed(f"no end within {timeout:.0f} s") from None
            raise
    wall, cpu = time.monotonic() - started, descendants() - used
    with open(log, "a") as file:
        file.write(output)
    if process.returncode:
        said = (output.strip().splitlines() or log.read_text(errors="replace").strip().splitlines())[-8:]
        raise Failed(f"exit code {process.returncode}: " + " | ".join(said)[-600:])
    others = max(0.0, machine_busy() - busy - cpu)
    return {"wall": round(wall, 2), "cpu": round(cpu, 2), "others": round(others, 2)}, output


def last_json(output: str) -> dict:
    """The JSON object on the last line of a command's output."""
    return json.loads(output.strip().splitlines()[-1])


def descendants() -> float:
    """Processor seconds of all processes that descend from this one: the ended and waited for, and the living."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            pid = int(path.parent.name)
            # Fields 4 and 14 to 17 of proc(5): parent; own user and system time; the same of children waited for.
            parents[pid], used[pid] = int(fields[1]), sum(map(int, fields[11:15])) / TICK
    total = ended.ru_utime + ended.ru_stime
    for pid in used:
        above = parents[pid]
        while above in parents and above != os.getpid():
            above = parents[above]
        total += used[pid] if above == os.getpid() else 0
    return total


def anonymous(pid: int | str = "self") -> int:
    """KiB of memory that a process holds itself: pages of files, such as libraries, are not counted, because the system can drop them."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return next((int(line.split()[1]) for line in file if line.startswith("RssAnon")), 0)


def reap() -> None:
    """Takes note of orphans that ended. Only between commands, else it would take their exit codes from `subprocess`."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def machine_busy() -> float:
    """Processor seconds that all processes of this machine, and its host's other guests, have used since the start."""
    fields = list(map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]))
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / TICK


def machine() -> dict:
    """What was measured on: processor, cores, memory, load before, versions."""
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = int(Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0]) / 2**20
    return {
        "processor": cpu[0].partition(":")[2].strip() if cpu else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory, 1),
        "load_before": [round(value, 2) for value in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
