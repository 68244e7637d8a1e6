"""The data checks by name, with what each says where it does not hold, unless the configuration says otherwise."""

OUTCOMES = ("off", "warn", "stop")
DEFAULTS = {
    "records": "stop",
    "quarantine": "stop",
    "foreign-labels": "stop",
    "label-numbers": "stop",
    "rows": "stop",
    "test-rows": "stop",
    "classes-present": "stop",
    "largest-class": "stop",
    "smallest-class": "stop",
    "leakage": "stop",
    "conflicting-labels": "warn",
    "upper-case": "stop",
    "near-duplicates": "warn",
    "near-leakage": "warn",
    "schema": "stop",
    "expect": "stop",
    "label-noise": "stop",
    "swapped-labels": "stop",
    "shrinking": "stop",
    "repeated": "stop",
    "late-rows": "warn",
    "drift-labels": "warn",
    "drift-lengths": "warn",
    "drift-words": "warn",
    "span-skew": "warn",
}


def softened(checks: dict[str, str]) -> list[str]:
    """Names of the checks that a configuration makes milder than they are, sorted."""
    return sorted(name for name, said in checks.items() if OUTCOMES.index(said) < OUTCOMES.index(DEFAULTS[name]))
