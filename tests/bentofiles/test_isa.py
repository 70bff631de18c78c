from pathlib import Path

import pytest

from bentofiles.isa import bf16_warning, cpu_flags, warning

X86 = frozenset({"sse2", "avx2"})


@pytest.mark.parametrize(
    ("built_for", "flags"),
    [
        (None, X86),
        ("avx2", X86),
        ("avx512_vnni", X86 | {"avx512_vnni"}),
        ("avx512_vnni", X86 | {"avx_vnni"}),
        ("avx_vnni", X86 | {"avx512_vnni", "amx_int8"}),
        ("sse2", X86),
        ("neon", frozenset({"asimd"})),
        ("avx512_vnni", frozenset()),
    ],
)
def test_a_cpu_that_will_do_is_not_worth_a_word(
    built_for: str | None, flags: frozenset[str]
) -> None:
    assert warning(built_for, flags) is None


@pytest.mark.parametrize(
    ("built_for", "flags", "overflows"),
    [
        ("avx512_vnni", X86, True),
        ("avx512bw", X86, False),
        ("avx512_vnni", frozenset({"asimd", "asimddp"}), False),
        ("asimddp", frozenset({"asimd"}), False),
    ],
)
def test_another_cpu_is(built_for: str, flags: frozenset[str], overflows: bool) -> None:
    said = warning(built_for, flags)
    assert said is not None and f"checked for {built_for}, which this CPU lacks" in said
    assert ("overflow" in said) is overflows
    assert "\n" not in said


def test_bfloat16_on_a_cpu_without_it_is_worth_a_word() -> None:
    assert "this one lacks" in (bf16_warning(X86) or "")
    assert bf16_warning(X86 | {"amx_bf16"}) is bf16_warning(frozenset()) is None


def test_flags_are_read_wherever_there_are_any(tmp_path: Path) -> None:
    assert cpu_flags(tmp_path / "none") == frozenset()
    file = tmp_path / "cpuinfo"
    file.write_text("processor : 0\n")
    assert cpu_flags(file) == frozenset()
    file.write_text("processor : 0\nFeatures : fp asimd\n")
    assert cpu_flags(file) == {"fp", "asimd"}
