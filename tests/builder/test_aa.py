"""The same Bento against itself, through the machinery of every experiment."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from analysis.noise import Noise
from builder import aa, experiment, places
from builder.aa import aa_as_json, aa_lines, arm, measure_aa
from builder.aa_store import Aa, last
from builder.ablate import Options
from builder.build import Build, Request
from builder.check import Check
from builder.model import resolve
from builder.plan import Slo
from deploy.fake import FakeTarget
from variants._layer import Variant
from variants._spec import compose

CHECK = Check("test", 2, 0, 0.0, None, None)
MODEL = resolve("synthetic:roberta-tiny")
NOISE = (
    Noise("steady", "p95", 8, 0.08, 0.02),
    Noise("steady", "goodput", 8, 0.0, 0.0),
)
AA = Aa("2026-11-22", "onnx", 8, 20.0, {"steady": 30.0}, NOISE)


def built(variants: Sequence[Variant], request: Request) -> Iterator[Build]:
    for variant in variants:
        yield Build(variant, MODEL, "fake:1", Path(), CHECK, {}, True, 0.0)


def test_arms_are_one_bento_with_two_names() -> None:
    (build,) = built([compose("onnx+batching")], Request())
    one, two = arm(build, "a"), arm(build, "b")
    assert (one.variant.spec, two.variant.spec) == ("a", "b")
    assert one.variant.digest == two.variant.digest == build.variant.digest
    assert one.tag == two.tag == build.tag


@pytest.mark.slow
def test_an_aa_runs_both_arms_and_tells_their_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTBUILD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(aa, "build_all", built)
    monkeypatch.setattr(experiment, "WARM_UP_S", 0.05)
    monkeypatch.setattr(experiment, "check_run", lambda facts, records, screening: ())
    monkeypatch.setattr(places, "serve_locally", lambda build, log: FakeTarget())
    options = Options(
        spec="onnx",
        request=Request("synthetic:roberta-tiny"),
        scenarios=("steady",),
        blocks=1,
        duration_s=1.0,
        rate_rps=60.0,
        slo=Slo("p95", 0.25),
        seed=1,
        timeout_s=5.0,
        margin=0.03,
        texts=None,
        directory=tmp_path / "out",
        resume=False,
        command="optbuild doctor --aa onnx",
    )
    found, kept = measure_aa(options)
    names = {path.name for path in (tmp_path / "out" / "runs").iterdir()}
    assert names == {"b001-steady-a", "b001-steady-b"}
    runs: list[dict[str, Any]] = [
        json.loads(path.read_text()) for path in (tmp_path / "out").glob("runs/*/run.json")
    ]
    assert len({run["variant"]["digest"] for run in runs}) == 1
    assert {run["variant"]["spec"] for run in runs} == {"a", "b"}
    assert (found.spec, found.blocks, found.rates_rps) == ("onnx", 1, {"steady": 60.0})
    assert found.target == "local"
    p95 = found.p95("steady")
    assert p95 is not None and p95.n == 1 and 0 < p95.sd < 10
    assert not kept and last(MODEL.digest) is None  # one block is too little to plan by


def test_the_table_says_what_cannot_be_found() -> None:
    lines = aa_lines(AA, kept=True)
    assert "A/A of onnx: 8 blocks of 20 s, 2026-11-22" in lines[0]
    p95 = next(line for line in lines if "p95" in line).split()
    assert p95[:3] == ["steady", "p95", "8.0%"]
    assert p95[5] == "–"  # four blocks
    assert p95[6:] == ["17%", "12%", "10%", "9%"]
    assert "at about these rates (steady 30/s) plan by it" in lines[-1]
    assert "--blocks" in aa_lines(AA, kept=False)[-1]


def test_as_json_an_impossible_effect_is_null() -> None:
    content = json.loads(json.dumps(aa_as_json(AA)))
    (p95, _) = content["detectable"]
    assert p95["effects"]["4"] is None
    assert 0.03 < p95["effects"]["20"] < p95["effects"]["8"] < 0.5
    assert content["noise"][0]["sd"] == 0.08
