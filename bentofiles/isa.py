"""A word of warning where a model meets a CPU that it was not made for."""

from pathlib import Path

VNNI = frozenset({"amx_int8", "avx512_vnni", "avx_vnni", "avx_vnni_int8"})
BF16 = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
EVERYWHERE = frozenset({"sse2", "neon"})  # on any CPU that the wheels run on
CPU_FACTS = Path("/proc/cpuinfo")


def warning(built_for: str | None, flags: frozenset[str]) -> str | None:
    """What to log on a CPU with these flags; None if all is well or nothing is known.

    Any of the VNNI kinds does for another: none of them saturates.
    """
    if built_for is None or not flags or built_for in flags | EVERYWHERE:
        return None
    if built_for in VNNI and VNNI & flags:
        return None
    exact = "its sums can overflow: " if built_for in VNNI and "sse2" in flags else ""
    return (
        f"this Bento's int8 graph was built and checked for {built_for}, which this CPU lacks: "
        f"{exact}answers may differ from its check, and be slower; "
        "build it on a CPU like the one that serves"
    )


def bf16_warning(flags: frozenset[str]) -> str | None:
    """What to log for a model in bfloat16 on a CPU with these flags; None if all is well."""
    if not flags or BF16 & flags:
        return None
    return (
        "this Bento is for CPUs with bfloat16 instructions, which this one lacks: "
        "each number is converted there and back"
    )


def cpu_flags(path: Path = CPU_FACTS) -> frozenset[str]:
    """Instruction-set flags of this CPU as Linux names them; empty if it does not say."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        name, _, flags = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(flags.split())
    return frozenset()
