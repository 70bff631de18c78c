"""The report of disruptions from run directories alone."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_disruptions
import pytest

from analysis import disruption_page
from analysis.disruption_compare import contrasts
from analysis.disruption_page import write_disruptions
from analysis.disruption_runs import DisruptedRuns, load_disrupted
from analysis.disruption_terms import STAND_IN
from analysis.disruption_words import impact_rows
from variants._errors import OptbuildError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_disruptions.write(tmp_path_factory.mktemp("eight"), blocks=8)


@pytest.fixture(scope="module")
def runs(folder: Path) -> DisruptedRuns:
    return load_disrupted(folder)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return fake_disruptions.write(tmp_path, blocks=2, experiments=("pod-kill",))


def test_eight_blocks_prove_that_more_replicas_lose_less(runs: DisruptedRuns) -> None:
    found = contrasts(runs, "pod-kill")
    assert [(one.new, one.metric, one.verdict) for one in found if one.metric == "lost"] == [
        ("onnx+replicas=2", "lost", "improved"),
        ("onnx+replicas=3", "lost", "improved"),
    ]
    assert {one.family for one in found} == {6}
    assert {one.n for one in found} == {8}
    assert not any(one.screening for one in found)


def test_the_rows_say_who_lost_what(runs: DisruptedRuns) -> None:
    alone, two, three = impact_rows(runs, "pod-kill")
    assert (alone.goal, alone.goal_met) == ("needs 2 replicas", None)
    assert (two.goal, two.goal_met) == ("8/8", True)
    assert (two.lost, two.back, two.availability) == ("0", "0 s", "100.0%")
    assert alone.how.startswith("unavailable ")
    assert three.ready != "never fewer"
    _, two, _ = impact_rows(runs, "pod-kill:grace=0")
    assert two.others == "0"
    assert two.goal_met is True


def test_the_page_stands_alone_and_says_the_numbers(runs: DisruptedRuns, tmp_path: Path) -> None:
    paths = write_disruptions(runs, tmp_path / "disruptions.html")
    page = paths.html.read_text(encoding="utf-8")
    assert page.count("<svg") == 6
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert "://" not in re.sub(r"http://www\.w3\.org/\S+", "", page)
    assert "onnx+replicas=2 lost no request in 8 blocks and never left its SLO" in page
    assert "Screening" not in page
    for word in ("availability", "at stake", "in flight", "missing goodput", "Holm"):
        assert word in page
    text = paths.markdown.read_text(encoding="utf-8")
    assert len(text) < 65_536
    assert "| onnx+replicas=2 | lost |" in text
    content = json.loads(paths.json.read_text())
    assert len(content["runs"]) == 48
    impact = next(run["impact"] for run in content["runs"] if run["spec"] == "onnx")
    assert impact["lost"] == impact["at_stake"] - impact["ok"]


def test_a_target_that_did_not_get_over_it_is_in_the_headline(small: Path) -> None:
    def fail(told: dict[str, Any]) -> None:
        (ended,) = (event for event in told["events"] if event["what"] == "ended")
        ended |= {"what": "failed", "detail": "not rolled within 180 s"}

    edit(small / "runs" / "b001-pod-kill-onnx+replicas=2" / "timeline.json", fail)
    page = write_disruptions(load_disrupted(small), small / "page.html").html.read_text()
    assert "(not over in 1/2: not rolled within 180 s)" in page


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take seconds, and say nothing about words."""
    monkeypatch.setattr(disruption_page, "_drawings", lambda shown: ())


@pytest.mark.usefixtures("undrawn")
def test_requests_that_were_sent_twice_are_told_of_where_losses_are(small: Path) -> None:
    def repeat(run: dict[str, Any]) -> None:
        run["generator"]["repeats"] = 2

    assert "sent twice, " not in write_disruptions(
        load_disrupted(small), small / "page.html"
    ).markdown.read_text(encoding="utf-8")
    edit(small / "runs" / "b001-pod-kill-onnx+replicas=2" / "run.json", repeat)
    paths = write_disruptions(load_disrupted(small), small / "page.html")
    said = "lost no request in 2 blocks (2 sent twice, which may hide losses)"
    assert said in paths.html.read_text(encoding="utf-8")
    assert said in paths.markdown.read_text(encoding="utf-8")
    assert {run["repeats"] for run in json.loads(paths.json.read_text())["runs"]} == {0, 2}


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("target", ["local", "docker", "k3s"])
def test_the_page_does_not_promise_of_a_cluster_what_a_stand_in_did(
    tmp_path: Path, target: str
) -> None:
    folder = fake_disruptions.write(tmp_path, blocks=1)
    for path in folder.glob("runs/*"):
        edit(path / "run.json", lambda run: run["disruption"].update(target=target))
    paths = write_disruptions(load_disrupted(folder), folder / "page.html")
    for path in (paths.html, paths.markdown):
        text = path.read_text(encoding="utf-8")
        assert ("a front of optbuild&#39;s own" in text or STAND_IN in text) == (target != "k3s")
    page = paths.html.read_text(encoding="utf-8")
    assert "only requests in flight anywhere at the kill are lost" in page
    assert "on any replica when one was killed" in page


def test_few_blocks_are_called_screening(small: Path) -> None:
    page = write_disruptions(load_disrupted(small), small / "page.html").html.read_text()
    assert "2 blocks where a verdict at 5% needs" in page


def test_a_single_variant_has_no_verdicts(small: Path) -> None:
    for path in small.glob("runs/*replicas*"):
        shutil.rmtree(path)
    paths = write_disruptions(load_disrupted(small), small / "page.html")
    assert "Against" not in paths.html.read_text()
    assert json.loads(paths.json.read_text())["comparisons"] == []


def test_names_in_the_ledger_cannot_write_on_the_page(small: Path) -> None:
    evil = "<script>alert(1)</script>"
    for path in small.glob("runs/*"):
        edit(path / "run.json", lambda run: run["plan"].update(command=evil))
        edit(path / "timeline.json", lambda told: told["events"][0].update(replica=evil))
    assert evil not in write_disruptions(load_disrupted(small), small / "p.html").html.read_text()


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: (run / "timeline.json").unlink(), "timeline.json: cannot be read"),
        (lambda run: (run / "timeline.json").write_text("[]"), "holds no object"),
        (lambda run: (run / "timeline.json").write_text('{"format": 2}'), "format"),
        (
            lambda run: edit(run / "timeline.json", lambda told: told.update(events=[])),
            "no fault was injected",
        ),
        (
            lambda run: edit(run / "timeline.json", lambda told: told["events"][0].pop("at_s")),
            "at_s is missing",
        ),
        (lambda run: (run / "run.json").unlink(), "never finished"),
        (lambda run: edit(run / "run.json", lambda c: c.pop("disruption")), "disruption is miss"),
        (lambda run: (run / "records.parquet").write_bytes(b"PAR1"), "cannot read the records"),
        (
            lambda run: edit(run / "run.json", lambda c: c["generator"].update(planned=7)),
            "7 requests were planned",
        ),
        (
            lambda run: edit(run / "run.json", lambda c: c["plan"].update(digest="other")),
            "another plan",
        ),
        (
            lambda run: edit(run / "run.json", lambda c: c.update(schedule_sha256="other")),
            "another schedule",
        ),
        (
            lambda run: edit(run / "run.json", lambda c: c["disruption"].update(experiment="x")),
            "not in its own plan",
        ),
    ],
)
def test_a_damaged_run_is_one_warning_and_the_others_are_reported(
    small: Path, damage: Callable[[Path], object], said: str
) -> None:
    damage(small / "runs" / "b001-pod-kill-onnx")
    found = load_disrupted(small)
    assert len(found.runs) == 5
    (problem,) = found.problems
    assert said in problem
    assert "b001-pod-kill-onnx" in problem


def test_nothing_to_report_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OptbuildError, match="run optbuild disrupt"):
        load_disrupted(tmp_path)


def test_only_invalid_runs_say_why(small: Path) -> None:
    (small / "runs").rename(small / "invalid")
    for path in small.glob("invalid/*"):
        edit(path / "run.json", lambda run: run["gates"][0].update(passed=False, value=0.5))
    with pytest.raises(OptbuildError, match=r"lateness p99 0\.5 s, limit"):
        load_disrupted(small)


def test_an_experiment_that_has_no_valid_run_is_told_of(tmp_path: Path) -> None:
    fake_disruptions.write(tmp_path, blocks=1)
    (tmp_path / "invalid").mkdir()
    for path in tmp_path.glob("runs/*-pod-kill:grace=0-*"):
        edit(path / "run.json", lambda run: run["gates"][0].update(passed=False, value=0.5))
        path.rename(tmp_path / "invalid" / path.name)
    (problem,) = load_disrupted(tmp_path).problems
    assert problem.startswith("pod-kill:grace=0: no valid run of it; e.g. ")
    assert "lateness p99 0.5 s" in problem
