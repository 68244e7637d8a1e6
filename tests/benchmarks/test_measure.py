import os
import sys

import measure
import pytest

BUSY = "import time\nwhile time.process_time() < 0.2: pass\nprint('{}')"


def test_a_command_s_processor_time_includes_what_it_started(tmp_path):
    call = [
        sys.executable,
        "-c",
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}], check=True)",
    ]
    took, output = measure.command(call, os.environ, tmp_path, tmp_path / "log")
    assert took["cpu"] >= 0.2
    assert measure.last_json(output) == {}


def test_a_command_that_fails_says_what_it_said_last(tmp_path):
    call = [sys.executable, "-c", "import sys; print('the reason'); sys.exit(3)"]
    with pytest.raises(measure.Failed, match="exit code 3: the reason"):
        measure.command(call, os.environ, tmp_path, tmp_path / "log")
    assert "the reason" in (tmp_path / "log").read_text()


def test_a_command_that_does_not_end_is_ended(tmp_path):
    with pytest.raises(measure.Failed, match="no end within"):
        call = [sys.executable, "-c", "import signal; signal.pause()"]
        measure.command(call, os.environ, tmp_path, tmp_path / "log", timeout=0.1)
