import json
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.noise import Noise
from builder import aa_store
from builder.aa_store import Aa, keep, last
from variants._errors import OptbuildError

NOISE = (
    Noise("steady", "p50", 8, 0.02, 0.001),
    Noise("steady", "p95", 8, 0.08, 0.02),
    Noise("bursty", "p95", 8, 0.2, 0.07),
)
AA = Aa("2026-11-22", "baseline", 8, 20.0, {"steady": 30.0, "bursty": 30.0}, NOISE)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPTBUILD_CACHE", str(tmp_path))
    return tmp_path


def test_the_last_of_each_model_is_kept() -> None:
    assert last("m") is None
    assert keep(AA, "m")
    assert last("m") == AA
    assert last("other") is None
    newer = replace(AA, date="2026-12-01")
    assert keep(newer, "m") and last("m") == newer


def test_an_aa_of_before_targets_were_kept_ran_on_this_machine(cache: Path) -> None:
    keep(AA, "m")
    (path,) = (cache / "aa").iterdir()
    content = json.loads(path.read_text())
    del content["target"]
    path.write_text(json.dumps(content))
    kept = last("m")
    assert kept is not None and kept.target == "local"


def test_another_machine_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    keep(AA, "m")
    facts = aa_store.machine_facts()
    monkeypatch.setattr(aa_store, "machine_facts", lambda: facts | {"cores": 999})
    assert last("m") is None


def test_too_few_blocks_are_not_planned_by() -> None:
    few = replace(AA, noise=(*NOISE, replace(NOISE[0], n=5)))
    assert not keep(few, "m")
    assert not keep(replace(AA, noise=()), "m")
    assert last("m") is None


def test_the_margin_is_the_largest_p95_that_it_showed() -> None:
    assert AA.margin(("steady", "bursty")) == 0.07
    assert AA.margin(("steady",)) == 0.02
    assert AA.margin(("trace",)) == 0.0


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', '{"format": 1, "noise": [1]}'])
def test_a_broken_file_is_one_line_with_the_remedy(cache: Path, content: str) -> None:
    keep(AA, "m")
    (path,) = (cache / "aa").iterdir()
    path.write_text(content)
    with pytest.raises(OptbuildError, match="delete it"):
        last("m")


def test_another_format_is_as_if_there_were_none(cache: Path) -> None:
    keep(AA, "m")
    (path,) = (cache / "aa").iterdir()
    path.write_text('{"format": 2}')
    assert last("m") is None
