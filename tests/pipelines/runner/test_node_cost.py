"""What a node spends: processor seconds of itself and of what it starts, and the memory of both."""

import subprocess
import sys
import time

import pytest

from pipelines.runner import node_cost

SPIN = "import time\nwhile time.process_time() < 0.5: pass"


def spin():
    until = time.process_time() + 0.5
    while time.process_time() < until:
        pass


@pytest.mark.parametrize("work", [spin, lambda: subprocess.run([sys.executable, "-c", SPIN], check=True)])
def test_processor_seconds_count_this_process_and_those_it_starts(work):
    with node_cost.measured() as cost:
        work()
    assert cost["cpu_seconds"] >= 0.5


def test_memory_is_that_of_the_whole_tree():
    hold = "import sys; held = bytearray(300_000_000); print(flush=True); sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.readline()
    with node_cost.measured() as cost:
        pass
    child.communicate()
    with node_cost.measured() as alone:
        pass
    assert cost["peak_mb"] > 300 and alone["peak_mb"] > 0


def test_a_block_that_fails_has_a_cost_too():
    with pytest.raises(ValueError), node_cost.measured() as cost:
        raise ValueError
    assert set(cost) == {"cpu_seconds", "peak_mb"}
