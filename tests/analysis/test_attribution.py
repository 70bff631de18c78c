"""Attributions of run directories and of planted games, with their intervals and verdicts."""

import json
import math
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import fake_runs
import independent
import numpy as np
import pytest
from fake_runs import Experiment, edit_json, planted

from analysis._game import Game
from analysis.answer import answer
from analysis.attribution import Attribution, Share, attribute_game
from analysis.context import context
from analysis.findings import Findings, find
from analysis.interactions import pairs_note
from analysis.material import gather
from analysis.report import write_report
from analysis.report_json import report_json
from analysis.worth import sentences, worth_rows
from variants._errors import OptbuildError
from variants._spec import layers_of

CHAIN = ("baseline", "onnx", "onnx+quantized", "onnx+quantized+batching=8")
SPECS = (*CHAIN, "batching=8", "onnx+batching=8")
# Gains as logs: batching costs on a slow runtime and pays on onnx; quantized is worth 0.3 always.
WORTH = {"onnx": 0.7, "quantized": 0.3, "batching=8": -0.2, "onnx+batching=8": 0.5}


def gain(spec: str) -> float:
    layers = layers_of(spec)
    both = WORTH["onnx+batching=8"] if {"onnx", "batching=8"} <= layers else 0.0
    return sum(WORTH[layer] for layer in layers) + both


def runs(out: Path, blocks: int = 8, **changes: Any) -> Path:
    """A shapley ablation of three layers on the disk."""
    factors = {spec: math.exp(-gain(spec)) for spec in SPECS}
    latency_s = planted(factors, noise=0.004)
    fake_runs.write(
        out, Experiment(latency_s, SPECS, ("steady",), blocks, duration_s=10, **changes)
    )
    design(out, "shapley", CHAIN)
    return out


def design(out: Path, name: str, chain: tuple[str, ...]) -> None:
    """What builder.experiment writes of a design."""

    def mark(facts: dict[str, Any]) -> None:
        facts["plan"] |= {"design": name, "chain": list(chain)}
        if facts["variant"]["spec"] not in chain:
            facts["variant"]["added"] = None

    for folder in (out / "runs").iterdir():
        edit_json(folder, mark)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs(tmp_path_factory.mktemp("shapley"))


@pytest.fixture(scope="module")
def findings(directory: Path) -> Findings:
    return find(directory)


def of(findings: Findings, metric: str) -> Attribution:
    (one,) = [one for one in findings.attributions if one.metric == metric]
    return one


def shares(one: Attribution) -> dict[str, Share]:
    return {share.layer: share for share in one.shares}


@pytest.mark.parametrize("metric", ["p50", "p95"])
def test_planted_worth_is_found(findings: Findings, metric: str) -> None:
    one = of(findings, metric)
    assert (one.scenario, one.method) == ("steady", "shapley")
    found = shares(one)
    assert list(found) == ["onnx", "quantized", "batching=8"]  # as the chain adds them
    # The 0.5 that onnx and batching bring together goes to whichever comes second. quantized needs
    # onnx, so that onnx comes before batching in two of the three feasible orders.
    expected = {"onnx": 0.7 + 0.5 / 3, "quantized": 0.3, "batching=8": -0.2 + 0.5 * 2 / 3}
    for layer, worth in expected.items():
        share = found[layer]
        assert share.gain == pytest.approx(worth, abs=0.01)
        assert share.interval is not None and share.n == 8
        assert share.interval.low <= worth <= share.interval.high
        assert (share.verdict, share.p_holm) == ("improved", pytest.approx(3 * 2 / 2**8))
    orders = [(share.low_order, share.high_order) for share in one.shares]
    ranges = [(0.7, 1.2), (0.3, 0.3), (-0.2, 0.3)]
    for (low, high), (planted_low, planted_high) in zip(orders, ranges, strict=True):
        assert low == pytest.approx(planted_low, abs=0.01)
        assert high == pytest.approx(planted_high, abs=0.01)


def test_shares_add_up_to_the_total_and_nothing_is_left(findings: Findings) -> None:
    one = of(findings, "p95")
    assert one.total == pytest.approx(1.3, abs=0.01)
    assert sum(share.gain or 0 for share in one.shares) == pytest.approx(one.total, abs=0.005)
    assert (one.residual, one.residual_interval, one.residual_p) == (0.0, None, None)
    assert one.total_interval is not None
    assert one.total_interval.low <= 1.3 <= one.total_interval.high


def test_a_planted_interaction_is_found_and_comes_first(findings: Findings) -> None:
    one = of(findings, "p95")
    # quantized and onnx have none: the one needs the other.
    assert [pair.layers for pair in one.interactions] == [
        ("onnx", "batching=8"),
        ("quantized", "batching=8"),
    ]
    both, none = one.interactions
    assert both.gain == pytest.approx(0.5, abs=0.02)
    assert both.interval is not None and both.interval.low > 0.4
    assert both.p_holm == pytest.approx(2 * 2 / 2**8)
    assert none.gain == pytest.approx(0, abs=0.01)
    assert one.additivity_p == pytest.approx(2 / 2**8)  # they do not simply add up


def test_the_cumulative_table_still_walks_the_chain(findings: Findings) -> None:
    steps = [(step.name, step.old, step.new) for step in findings.ablation.steps]
    assert steps == [
        ("onnx", "baseline", "onnx"),
        ("quantized", "onnx", "onnx+quantized"),
        ("batching=8", "onnx+quantized", "onnx+quantized+batching=8"),
        ("all layers", "baseline", "onnx+quantized+batching=8"),
    ]
    assert findings.names["batching=8"] == "batching=8"  # adds nothing to the one before
    assert findings.names["onnx+quantized"] == "+quantized"
    family = findings.ablation.family("steady", "p95")
    assert family is not None
    assert [one.verdict for one in family.comparisons] == ["improved"] * 4


def test_a_block_that_lacks_a_variant_counts_for_none(tmp_path: Path) -> None:
    runs(tmp_path, blocks=3)
    for file in (tmp_path / "runs" / "b002-steady-batching=8").iterdir():
        file.unlink()
    (tmp_path / "runs" / "b002-steady-batching=8").rmdir()
    found = find(tmp_path)
    assert {share.n for one in found.attributions for share in one.shares} == {2}
    family = found.ablation.family("steady", "p95")
    assert family is not None and {one.n for one in family.comparisons} == {3}


def test_a_variant_without_any_run_leaves_no_worth_but_a_report(tmp_path: Path) -> None:
    runs(tmp_path, blocks=2)
    for folder in (tmp_path / "runs").glob("*-onnx+batching=8"):
        (folder / "run.json").unlink()
    found = find(tmp_path)
    for one in found.attributions:
        assert one.total is one.total_interval is one.residual is one.additivity_p is None
        for share in one.shares:
            assert (share.gain, share.interval, share.low_order, share.p_holm) == (None,) * 4
            assert (share.verdict, share.n) == ("inconclusive", 0)
    assert {row.worth for row in worth_rows(found.attributions)} == {"no data"}
    assert write_report(tmp_path).html.stat().st_size > 10_000


def test_p99_is_attributed_where_there_are_enough_requests(tmp_path: Path) -> None:
    runs(tmp_path, blocks=2, rates={"steady": 130.0})
    assert [one.metric for one in find(tmp_path).attributions] == ["p50", "p95", "p99", "goodput"]


def test_a_plan_of_before_there_were_designs_has_no_attribution(tmp_path: Path) -> None:
    factors = dict.fromkeys(CHAIN, 1.0)
    fake_runs.write(tmp_path, Experiment(planted(factors), CHAIN, ("steady",), 1, duration_s=5))
    found = find(tmp_path)
    assert found.attributions == ()
    assert (found.runs.plan.design, found.runs.plan.chain) == ("cumulative", CHAIN)


@pytest.mark.parametrize(
    "chain",
    [
        (),
        ("onnx", "onnx+quantized"),
        ("baseline", "onnx"),
        ("baseline", "batching=8", "onnx+quantized", "onnx+quantized+batching=8"),
        ("baseline", "onnx", "onnx+workers=2", "onnx+quantized+batching=8"),
    ],
)
def test_a_chain_that_is_none_is_one_line_with_the_file(
    tmp_path: Path, chain: tuple[str, ...]
) -> None:
    runs(tmp_path, blocks=1)
    design(tmp_path, "shapley", chain)
    with pytest.raises(OptbuildError, match=r"run\.json: the field plan\.chain is not"):
        find(tmp_path)


def test_the_report_of_a_design_can_be_written(directory: Path) -> None:
    paths = write_report(directory, directory / "page" / "report.html")
    report = json.loads(paths.json.read_text())
    assert (report["plan"]["design"], tuple(report["plan"]["chain"])) == ("shapley", CHAIN)
    assert len(report["runs"]) == 8 * len(SPECS)
    comment = paths.markdown.read_text()
    found = find(directory).attributions
    for sentence in sentences(found, margin=0.03):
        assert f"- {sentence}\n" in comment
    for row in worth_rows(found):
        assert f"| {row.worth} | {row.orders} | {row.level} |" in comment


def report_of(directory: Path) -> Any:
    """report.json without the drawing of the page."""
    material, found = gather(directory), find(directory)
    content = report_json(material, found, answer(found), context(material, found))
    return json.loads(json.dumps(content))


def test_shares_equal_an_independent_computation(directory: Path) -> None:
    report = report_of(directory)
    found, numbers = independent.check(directory, report)
    assert found == [] and numbers > 800
    # ... and it would see one wrong digit
    report["attributions"][1]["shares"][2]["gain_low"] *= 1 + 1e-9
    report["attributions"][0]["interactions"][1]["p_holm"] *= 1 + 1e-9
    found, _ = independent.check(directory, report)
    assert len(found) == 2 and "p_holm" in found[0] and "gain_low" in found[1]


def test_first_and_last_shares_equal_an_independent_computation(tmp_path: Path) -> None:
    chain = ("baseline", "a", "a+b", "a+b+c", "a+b+c+d", "a+b+c+d+e")
    ends = ("b", "c", "d", "e", "b+c+d+e", "a+c+d+e", "a+b+d+e", "a+b+c+e")
    factors = {spec: 0.9 ** len(layers_of(spec)) for spec in (*chain, *ends)}
    experiment = Experiment(planted(factors), tuple(factors), ("steady",), 3, duration_s=5)
    fake_runs.write(tmp_path, experiment)
    design(tmp_path, "shapley", chain)
    report = report_of(tmp_path)
    assert {one["method"] for one in report["attributions"]} == {"first-in/last-in"}
    assert report["attributions"][0]["residual"]["p"] is not None
    assert independent.check(tmp_path, report)[0] == []


def game(
    layers: str,
    value: Callable[[frozenset[str]], float],
    sizes: set[int],
    noise: float = 0.01,
    seed: int = 5,
) -> Attribution:
    """Eight blocks of noisy runs, one of each set of these sizes, without prerequisites."""
    rng = np.random.default_rng(seed)
    sets = [frozenset(one) for size in sizes for one in combinations(layers, size)]
    logs = {one: value(one) + rng.normal(0, noise, 8) for one in sets}
    values = {one: logs[one] - logs[frozenset()] for one in sets}
    return attribute_game("steady", "p95", Game(values), list(layers), 0.03)


def test_above_four_layers_what_three_do_together_is_the_residual() -> None:
    one = game("abcde", lambda s: 0.2 * len(s) + 0.3 * (set("abc") <= s), {0, 1, 4, 5})
    assert one.method == "first-in/last-in"
    assert [share.gain for share in one.shares] == pytest.approx(
        [0.35, 0.35, 0.35, 0.2, 0.2], abs=0.02
    )
    assert one.total == pytest.approx(1.3, abs=0.02)
    assert one.residual == pytest.approx(-0.15, abs=0.03)
    assert one.residual_interval is not None and one.residual_interval.high < 0
    assert one.residual_p == pytest.approx(2 / 2**8)
    assert one.additivity_p is not None and one.additivity_p <= 0.01
    assert one.interactions == ()  # no pair was measured with all its corners
    assert one.pairs_possible == 10
    assert pairs_note([one]).startswith("0 of 10 pairs measured")


def test_what_two_layers_do_together_is_an_interaction_and_leaves_nothing_over() -> None:
    """Each layer's last gain differs from its first one, and the shares explain it all."""
    one = game("abcde", lambda s: 0.2 * len(s) + 0.5 * (set("ab") <= s), {0, 1, 4, 5}, seed=6)
    assert one.additivity_p == pytest.approx(2 / 2**8)
    assert one.residual == pytest.approx(0, abs=0.03)
    assert one.residual_p is not None and one.residual_p > 0.05


def test_a_pair_of_which_one_needs_the_other_cannot_be_measured() -> None:
    sets = ["", "a", "ab", "c", "d", "e", "abcd", "abce", "abde", "acde", "abcde"]
    values = {frozenset(one): np.linspace(0.1, 0.2, 8) * len(one) for one in sets}
    one = attribute_game("steady", "p95", Game(values), "abcde", 0.03)
    assert one.method == "first-in/last-in"
    assert one.pairs_possible == 9  # of 10: b needs a
    assert len(one.interactions) < 9 and "of 9 pairs measured" in pairs_note([one])


def test_above_four_layers_that_add_up_nothing_is_left() -> None:
    one = game("abcde", lambda s: 0.2 * len(s), {0, 1, 4, 5})
    assert one.residual_interval is not None
    assert one.residual_interval.low < 0 < one.residual_interval.high
    assert one.residual_p is not None and one.residual_p > 0.05
    assert one.additivity_p is not None and one.additivity_p > 0.05


def test_additive_effects_are_not_called_interactions() -> None:
    one = game("abc", lambda s: 0.3 * ("a" in s) - 0.1 * ("b" in s), {0, 1, 2, 3})
    assert [share.verdict for share in one.shares] == ["improved", "regressed", "equivalent"]
    assert one.additivity_p is not None and one.additivity_p > 0.05
    assert pairs_note([one]) == ""  # all were
    assert all(pair.p_holm is not None and pair.p_holm > 0.05 for pair in one.interactions)
    assert sentences([one], margin=0.03) == (
        f"a buys p95 ({math.exp(one.shares[0].gain or 0):.2f}x faster) under steady load.",
        f"b costs p95 ({math.exp(-(one.shares[1].gain or 0)):.2f}x slower) under steady load.",
        "Nothing beyond the margin changes with c.",
    )


def test_layers_that_all_fail_are_not_worth_the_same() -> None:
    """Nothing helps p95 out of the failures but all layers together: who is to be praised?"""
    sets = [frozenset(one) for size in range(4) for one in combinations("abc", size)]
    rng = np.random.default_rng(5)
    values = {one: rng.normal(2.0, 0.01, 8) if len(one) == 3 else np.zeros(8) for one in sets}
    fails = frozenset(one for one in sets if len(one) < 3)
    one = attribute_game("steady", "p95", Game(values, fails), "abc", 0.03)
    assert {(share.bound, share.verdict) for share in one.shares} == {("unknown", "inconclusive")}
    assert one.total_bound == "at least" and one.additivity_p is None
    assert sentences([one], 0.03) == ("Undecided so far, more blocks may decide: a, b and c.",)
    told = {row.layer: row.worth for row in worth_rows([one])}
    assert told["a"] == "p95 lies among failures; see goodput"
    assert told["all layers"].startswith("at least 7.")
    # Where only the baseline fails, each layer is worth at least what it shows.
    one = attribute_game("s", "p95", Game(dict(values), frozenset([frozenset()])), "abc", 0.03)
    assert {(share.bound, share.verdict) for share in one.shares} == {("at least", "improved")}
    assert sentences([one], 0.03)[0].startswith("a buys p95 (at least 1.9")
    assert {pair.bound for pair in one.interactions} == {"at most"}


@pytest.mark.parametrize(("layers", "sizes"), [("abc", {0, 1, 2, 3}), ("abcde", {0, 1, 4, 5})])
def test_where_nothing_is_planted_errors_are_as_rare_as_announced(
    layers: str, sizes: set[int]
) -> None:
    count = 300
    found = [game(layers, lambda s: 0.0, sizes, noise=0.2, seed=seed) for seed in range(count)]

    def rejected(p_values: list[float | None]) -> bool:
        return any(p is not None and p <= 0.05 for p in p_values)

    wrong = {
        "verdict": [any(s.verdict in ("improved", "regressed") for s in a.shares) for a in found],
        "share": [rejected([share.p_holm for share in a.shares]) for a in found],
        "pair": [rejected([pair.p_holm for pair in a.interactions]) for a in found],
        "additive": [rejected([a.additivity_p]) for a in found],
        "residual": [rejected([a.residual_p]) for a in found],
    }
    for name, errors in wrong.items():
        assert sum(errors) <= 27, name  # 99.9% of Binomial(300, 5%)
    for at in range(len(layers)):
        intervals = [a.shares[at].interval for a in found]
        covered = sum(i is not None and i.low <= 0 <= i.high for i in intervals)
        assert covered >= 275  # 99.9% of Binomial(300, 96.1%)
