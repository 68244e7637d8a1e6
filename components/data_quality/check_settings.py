"""The data checks by name with their default outcome where they fail; the configuration may set another one."""

from components.core.states import DataDecision

OUTCOMES = ("off", "warn", "stop")
WARN, STOP = DataDecision.WARN, DataDecision.STOP
DEFAULTS = {
    "records": STOP,
    "quarantine": STOP,
    "foreign-labels": STOP,
    "label-numbers": STOP,
    "rows": STOP,
    "test-rows": STOP,
    "classes-present": STOP,
    "largest-class": STOP,
    "smallest-class": STOP,
    "leakage": STOP,
    "conflicting-labels": WARN,
    "upper-case": STOP,
    "near-duplicates": WARN,
    "near-leakage": WARN,
    "schema": STOP,
    "expect": STOP,
    "label-noise": STOP,
    "swapped-labels": STOP,
    "champion-labels": WARN,
    "shrinking": STOP,
    "repeated": STOP,
    "late-rows": WARN,
    "drift-labels": WARN,
    "drift-lengths": WARN,
    "drift-words": WARN,
    "span-skew": WARN,
}


def softened(checks: dict[str, str]) -> list[str]:
    """Names of the checks that a configuration makes milder than their default, sorted."""
    return sorted(name for name, outcome in checks.items() if OUTCOMES.index(outcome) < OUTCOMES.index(DEFAULTS[name]))
