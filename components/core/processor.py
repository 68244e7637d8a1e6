"""What this machine's processor can do. Standard library only."""

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
AUTO, FLOAT32, BFLOAT16 = "auto", "float32", "bfloat16"
# Instruction sets that multiply bfloat16. A step of `nightly` took 1.7 processor seconds in it and 2.7 in float32 with the second of
# them (tests/benchmarks/step_cost.py), a third with the first; without both it is no faster than float32.
MULTIPLY_BFLOAT16 = {"amx_bf16", "avx512_bf16"}


def name(cpuinfo: Path | None = None) -> str:
    """The processor's name; "unknown" where the file is missing or has none."""
    return _value("model name", cpuinfo) or "unknown"


def flags(cpuinfo: Path | None = None) -> frozenset[str]:
    """The processor's instruction sets by Linux's names; none where the file is missing or names none (Arm calls them otherwise)."""
    return frozenset(_value("flags", cpuinfo).split())


def _value(key: str, cpuinfo: Path | None) -> str:
    """The first processor's value of a key; empty where there is none."""
    try:
        lines = (cpuinfo or CPUINFO).read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def precision(asked: str, cpuinfo: Path | None = None) -> str:
    """`auto` as what trains fastest here: bfloat16 where the processor multiplies it, else float32. Others as asked."""
    if asked != AUTO:
        return asked
    return BFLOAT16 if MULTIPLY_BFLOAT16 & flags(cpuinfo) else FLOAT32
