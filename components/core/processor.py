"""What this machine's processor can do. Standard library only."""

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
AUTO, FLOAT32, BFLOAT16 = "auto", "float32", "bfloat16"


def flags(cpuinfo: Path | None = None) -> frozenset[str]:
    """The processor's instruction sets by Linux's names; none where the file is missing or names none (Arm calls them otherwise)."""
    try:
        lines = (cpuinfo or CPUINFO).read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), ()))


def precision(asked: str, cpuinfo: Path | None = None) -> str:
    """`auto` as what trains fastest here: bfloat16 where the processor multiplies it in AMX tiles, else float32. Others as asked."""
    if asked != AUTO:
        return asked
    return BFLOAT16 if "amx_bf16" in flags(cpuinfo) else FLOAT32
