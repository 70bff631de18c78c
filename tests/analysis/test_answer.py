from pathlib import Path

import fake_runs
import pytest
from fake_runs import Experiment, planted

from analysis.answer import Answer, answer
from analysis.findings import find

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
    layers = told(tmp_path, blocks=8).layers
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
        Experiment(planted(factors), tuple(factors), ("steady",), 8, duration_s=4),
    )
    assert answer(find(tmp_path)).gist.startswith("Worth it: quantized. Costs: onnx.")
