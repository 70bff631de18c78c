import shutil
from pathlib import Path
from types import SimpleNamespace

import fake_runs
import numpy as np
import pytest
from fake_runs import Experiment, planted

from analysis.ablation import Ablation, Family, steps_of
from analysis.answer import JUDGED, Answer, answer
from analysis.compare import Contrast, Pairs, compare_family
from analysis.findings import Findings, find
from analysis.trials import binomial_limit

SPECS = ("baseline", "a", "a+b", "a+b+c", "a+b+c+d", "a+b+c+d+e")


def told(tmp_path: Path, blocks: int) -> Answer:
    factors = {
        "baseline": 1.0,
        "a": 0.5,
        "a+b": {"steady": 0.75, "bursty": 0.25},
        "a+b+c": {"steady": 1.1, "bursty": 0.4},
        "a+b+c+d": {"steady": 1.1, "bursty": 0.4},
        "a+b+c+d+e": {"steady": 1.133, "bursty": 0.4},
    }
    latency_s = planted(factors, noise=0.003)
    scenarios = ("steady", "bursty")
    fake_runs.write(
        tmp_path, Experiment(latency_s, SPECS, scenarios, blocks, duration_s=8, limit_s=5.0)
    )
    return answer(find(tmp_path))


def test_each_layer_gets_the_word_it_earned(tmp_path: Path) -> None:
    result = told(tmp_path, blocks=11)
    layers = result.layers
    assert result.note == ""
    assert [(one.step.name, one.label) for one in layers] == [
        ("a", "worth it"),
        ("b", "trade-off"),
        ("c", "costs"),
        ("d", "no difference"),
        ("e", "undecided"),
        ("all layers", "trade-off"),
    ]
    assert layers[0].sentence == "Gains p50 under every load; p95 under every load."
    assert layers[1].sentence == (
        "Gains p50 under bursty; p95 under bursty, but costs p50 under steady; p95 under steady."
    )


def test_the_blocks_of_a_cell_s_verdict_are_enough_for_a_badge(tmp_path: Path) -> None:
    result = told(tmp_path / "eight", blocks=8)
    assert (result.layers[0].label, result.note) == ("worth it", "")
    result = told(tmp_path / "seven", blocks=7)
    assert result.layers[0].label == "looks worth it"
    assert result.note == (
        "The badges pick from 36 cells (steps, loads and p50, p95 and goodput), which takes 8 "
        "blocks to be more than a look; here are 7."
    )


def equal_variants(rng: np.random.Generator, blocks: int) -> Findings:
    """Five variants that are the same, under three loads, as far as an answer needs them."""
    variants = ("a", "b", "c", "d", "e")
    steps = steps_of(variants, {})
    families = []
    for scenario in fake_runs.SCENARIOS:
        for metric in JUDGED:
            logs = dict(zip(variants, rng.normal(0, 0.1, (5, blocks)), strict=True))
            contrasts = {
                Contrast(s.old, s.new): Pairs(
                    tuple(range(blocks)), tuple(logs[s.old] - logs[s.new]), ()
                )
                for s in steps
            }
            compared = compare_family(scenario, metric, contrasts, 0.03)
            families.append(Family(scenario, metric, compared))
    runs = SimpleNamespace(scenarios=fake_runs.SCENARIOS)
    return Findings(runs, (), Ablation(steps, tuple(families)))  # type: ignore[arg-type]


def test_badges_of_equal_variants_are_wrong_as_rarely_as_one_test() -> None:
    rng = np.random.default_rng(7)
    experiments = 120
    wrong = cells = 0
    for _ in range(experiments):
        findings = equal_variants(rng, blocks=8)
        told = answer(findings)
        decided = ("worth it", "costs", "trade-off")
        wrong += any(one.status in decided and not one.looks for one in told.layers)
        cells += any(one.verdict in ("improved", "regressed") for one in findings.comparisons)
    most = binomial_limit(experiments) * experiments
    assert wrong <= most
    assert cells > 1.5 * most  # so often a badge that is made of cells alone would be wrong


def test_few_blocks_only_look_like_something(tmp_path: Path) -> None:
    result = told(tmp_path / "five", blocks=5)
    labels = [one.label for one in result.layers]
    assert labels[:3] == ["looks worth it", "looks like a trade-off", "looks costly"]
    assert labels[3] == "undecided"
    result = told(tmp_path / "three", blocks=3)
    # Three blocks of one load agree by luck 1 time in 4: only what every load agrees on is told.
    labels = [one.label for one in result.layers]
    assert labels[:4] == ["looks worth it", "undecided", "looks costly", "undecided"]
    assert "in 3 of 3 blocks" in result.headline and "75.0% intervals" in result.headline


def test_the_headline_is_about_all_layers(tmp_path: Path) -> None:
    text = told(tmp_path, blocks=8).headline
    assert text.startswith("All layers together: p95 latency 1.1")
    assert "slower" in text and "2.5" in text and text.endswith("(96.1% intervals over blocks).")


def test_one_variant_has_no_answer(tmp_path: Path) -> None:
    fake_runs.write(
        tmp_path,
        Experiment(planted({"baseline": 1.0}), ("baseline",), ("steady",), 1, duration_s=3),
    )
    assert answer(find(tmp_path)) == pytest.approx(
        Answer("One variant only: there is nothing to compare it with.", "", ())
    )


def test_one_block_claims_no_interval(tmp_path: Path) -> None:
    factors = {"baseline": 1.0, "onnx": 1.0, "onnx+quantized": 0.5}
    fake_runs.write(
        tmp_path, Experiment(planted(factors), tuple(factors), ("steady",), 1, duration_s=3)
    )
    told = answer(find(tmp_path))
    assert {layer.sentence for layer in told.layers} == {
        "One block gives no interval: more blocks may decide."
    }
    assert told.gist == "Undecided: onnx and quantized."


def test_the_gist_names_what_is_worth_it_first(tmp_path: Path) -> None:
    factors = {"baseline": 1.0, "onnx": 2.0, "onnx+quantized": 0.5, "onnx+quantized+batching": 0.5}
    fake_runs.write(
        tmp_path,
        Experiment(planted(factors), tuple(factors), ("steady",), 9, duration_s=4),
    )
    assert answer(find(tmp_path)).gist.startswith("Worth it: quantized. Costs: onnx.")
    for folder in (tmp_path / "runs").glob("b00[89]-*"):
        shutil.rmtree(folder)
    gist = answer(find(tmp_path)).gist
    assert gist.startswith("Looks worth it: quantized. Looks costly: onnx.")
