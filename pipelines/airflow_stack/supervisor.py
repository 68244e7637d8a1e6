"""Keeps the processes of the stack running: a process that ends is restarted, with back-off and a line in the log.

It writes the state that `stack_state` reads. The parts outlive it: the next supervisor takes over those still running.
Standard library only.
"""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from components.core import clock, fileio, paths, processes
from pipelines.airflow_stack import stack_state

POLL = 1.0  # seconds between two checks
LONGEST = 20.0  # seconds between two attempts, at most: a part that can run is back within 30 s
STEADY = 120.0  # seconds a part must run before its back-off starts from zero again
PORT_GRACE = 3.0  # seconds for leftover processes of a server: its successor needs the port
GRACE = 20.0  # seconds for leftover processes of any other part, such as a task that saves its work


@dataclass(frozen=True)
class Program:
    """How a part is started. server: it listens on a port that its successor needs."""

    call: list[str]
    env: Mapping[str, str]
    log: Path
    server: bool = False


@dataclass
class Supervisor:
    """programs: by name. clock: monotonic seconds. file: where the state is kept, by default that of the whole stack."""

    programs: Mapping[str, Program]
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    file: Path | None = None
    _children: dict[str, subprocess.Popen] = field(default_factory=dict)
    _state: dict[str, dict] = field(default_factory=dict)
    _due: dict[str, float] = field(default_factory=dict)
    _began: dict[str, float] = field(default_factory=dict)
    _leaving: list[tuple[dict, float]] = field(default_factory=list)

    def begin(self) -> None:
        """Takes over the parts of an earlier supervisor that still run; all others are due at once."""
        self.file = self.file or stack_state.file()
        self._state = fileio.read_json(self.file) or {}
        me = {**processes.entry_of(os.getpid()), "host": socket.gethostname()}
        self._state[stack_state.SUPERVISOR] = {**me, "state": "up", "since": clock.now(), "restarts": 0}
        for entry in self._state.pop("leaving", None) or []:
            self._leave(entry, GRACE)
        for name in self.programs:
            entry = self._state.get(name)
            if processes.alive(entry):
                self._began[name] = self.clock()
                self.say(f"{name}: already running as process {entry['pid']}")
            else:
                if entry:
                    self._leave(entry, PORT_GRACE if self.programs[name].server else GRACE)
                self._due[name] = self.clock()
        self._write()

    def look(self) -> None:
        """Detects parts that ended, and starts those that are due."""
        now = self.clock()
        for child in self._children.values():
            child.poll()  # reaps a process that ended
        for name in self.programs:
            if name not in self._due and not processes.alive(self._state[name]):
                self._ended(name, now)
        self._end_leftovers(now)
        for name, due in list(self._due.items()):
            if due <= now and not (self.programs[name].server and self._still_leaving(name)):
                self._start(name, now)
        self.file.touch()

    def run(self, ended: Callable[[], bool]) -> None:
        """Checks every POLL seconds until `ended`."""
        self.begin()
        while not ended():
            self.look()
            time.sleep(POLL)

    def _ended(self, name: str, now: float) -> None:
        entry, child = self._state[name], self._children.get(name)
        code = child.returncode if child and child.pid == entry["pid"] else None
        tries = 0 if now - self._began[name] >= STEADY else entry.get("tries", 0)
        wait = min(LONGEST, 2.0**tries - 1)
        how = "" if code is None else f" by signal {-code}" if code < 0 else f" with exit code {code}"
        self.say(
            f"{name}: process {entry['pid']} ended{how}; restarting it in {wait:.0f} s, see {self.programs[name].log}"
        )
        self._leave(entry, PORT_GRACE if self.programs[name].server else GRACE)
        self._state[name] = {**entry, "state": "down", "since": clock.now(), "tries": tries + 1}
        self._due[name] = now + wait
        self._write()

    def _start(self, name: str, now: float) -> None:
        before, program = self._state.get(name), self.programs[name]
        try:
            child = processes.spawn(program.call, program.env, paths.REPOSITORY, program.log)
        except OSError as error:  # no process, no memory, no room for the log
            self._due[name] = now + LONGEST
            self.say(f"{name}: cannot be started ({error}); the next attempt is in {LONGEST:.0f} s")
            return
        restarts = (before.get("restarts") or 0) + 1 if before else 0
        self._children[name] = child
        self._state[name] = {
            **processes.entry(child),
            "state": "up",
            "since": clock.now(),
            "restarts": restarts,
            "tries": (before or {}).get("tries", 0),
        }
        self._began[name] = now
        del self._due[name]
        self._write()
        self.say(f"{name}: started as process {child.pid}")

    def _leave(self, entry: dict, grace: float) -> None:
        """Sends SIGTERM to the leftover processes of a part's session; `_end_leftovers` kills them after `grace` seconds."""
        kept = {"pid": entry["pid"], "started": entry["started"]}
        if processes.members(kept):
            processes.ask([kept])
            self._leaving.append((kept, self.clock() + grace))

    def _end_leftovers(self, now: float) -> None:
        for entry, limit in list(self._leaving):
            if now >= limit:
                processes.end([entry], 0)
            if not processes.members(entry):
                self._leaving.remove((entry, limit))

    def _still_leaving(self, name: str) -> bool:
        pid = (self._state.get(name) or {}).get("pid")
        return any(entry["pid"] == pid for entry, _ in self._leaving)

    def _write(self) -> None:
        """On a full disk the parts keep running and the state stays in memory."""
        try:
            fileio.write_json(self.file, {**self._state, "leaving": [entry for entry, _ in self._leaving]})
        except OSError as error:
            self.say(f"cannot write the state: {error}")
