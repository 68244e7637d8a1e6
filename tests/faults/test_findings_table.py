"""The table of faults names tests that exist."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def test_each_row_names_a_test_that_exists():
    named = re.findall(r"`(\S+\.py)::(\w+)`", (TESTS / "faults" / "FINDINGS.md").read_text(encoding="utf-8"))
    assert len(named) > 40
    missing = [
        f"{path}::{name}" for path, name in named if f"def {name}(" not in (TESTS / path).read_text(encoding="utf-8")
    ]
    assert missing == []
