"""What a node's process spends: processor seconds and memory, with those that it starts.

Processor seconds are the kernel's count for this process and every one that it started and waited for. Memory is the sum over the
process tree, sampled; pages that a forked node shares with the warm server count as its own. A process that lives shorter than a
sample's interval shows in the processor seconds alone.
"""

import contextlib
import os
import resource
import threading
from collections.abc import Iterator

import psutil

EVERY = 0.5  # seconds between two samples


@contextlib.contextmanager
def measured() -> Iterator[dict[str, float]]:
    """A dict that holds `cpu_seconds` and `peak_mb` (10^6 bytes) once the block has ended."""
    cost: dict[str, float] = {}
    before, ended, peak = _processor_seconds(), threading.Event(), [_tree_bytes()]

    def sample() -> None:
        while not ended.wait(EVERY):
            peak.append(max(peak.pop(), _tree_bytes()))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield cost
    finally:
        ended.set()
        thread.join()
        cost["cpu_seconds"] = round(_processor_seconds() - before, 1)
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in kilobytes
        cost["peak_mb"] = round(max(own, *peak) / 1e6, 1)


def _processor_seconds() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _tree_bytes() -> int:
    """Resident memory of this process and its descendants."""
    total, own = 0, psutil.Process()
    for process in (own, *own.children(recursive=True)):
        with contextlib.suppress(psutil.Error):  # it has just ended
            total += process.memory_info().rss
    return total
