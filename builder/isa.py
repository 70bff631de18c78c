"""Which instructions the CPU has, and what that means for quantization and bfloat16."""

import platform
from dataclasses import dataclass

from bentofiles.isa import BF16, cpu_flags
from variants._errors import OptbuildError
from variants._layer import Variant

# The flags that decide between int8 kernels, best first.
INT8_FLAGS = ("amx_int8", "avx512_vnni", "avx_vnni", "avx512bw", "avx2")
OTHER_FLAGS = ("avx512f", "avx512_bf16", "amx_bf16", "fma", "asimddp", "i8mm", "bf16")
RECORDED_FLAGS = (*INT8_FLAGS, *OTHER_FLAGS)


@dataclass(frozen=True)
class Int8Target:
    """The ISA that a graph is quantized for.

    `reduce_range`: 7-bit weights. Without VNNI the CPU multiplies u8 by s8 into saturating 16-bit
    sums (`vpmaddubsw`), which two 8-bit products can overflow; with 7-bit weights they cannot.
    """

    isa: str
    reduce_range: bool


def recorded_flags() -> list[str]:
    """Those of RECORDED_FLAGS that this CPU has."""
    flags = cpu_flags()
    return [flag for flag in RECORDED_FLAGS if flag in flags]


def int8_target(flags: frozenset[str], machine: str = platform.machine()) -> Int8Target:
    """The best int8 target for a CPU with these flags."""
    if machine in ("aarch64", "arm64"):
        return Int8Target("asimddp" if "asimddp" in flags else "neon", reduce_range=False)
    isa = next((flag for flag in INT8_FLAGS if flag in flags), "sse2")
    return Int8Target(isa, reduce_range=isa not in ("amx_int8", "avx512_vnni", "avx_vnni"))


def require_bf16(variant: Variant, flags: frozenset[str]) -> None:
    """Raise OptbuildError if a variant in bfloat16 is to be built on a CPU without it."""
    if variant.precision == "bf16" and not BF16 & flags:
        raise OptbuildError(
            f"'{variant.spec}' needs a CPU with {' or '.join(sorted(BF16))}, which this one lacks: "
            "leave bf16 out, or build it on a CPU like the one that is to serve"
        )
