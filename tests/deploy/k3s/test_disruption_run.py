"""A whole disrupted run: the real load generator against the fake cluster's pods."""

from pathlib import Path

import pytest
from fake_api import FakeCluster
from fake_release import Make
from rich.console import Console

from analysis.disruption_runs import load_disrupted
from builder import disruption_runs
from builder.build import Build
from builder.check import Check
from builder.disruption_plan import Choices, Plan
from builder.disruption_runs import Disruptions
from builder.model import Model
from builder.plan import Slo
from builder.progress import Progress
from deploy.cluster import Cluster
from deploy.k3s_fleet import K3sFleet
from deploy.rollout import Patience
from loadtests._texts import Texts
from variants._spec import compose

pytestmark = pytest.mark.thorough

SPEC = "onnx+replicas=2"


def test_the_ledger_is_joined_with_the_pods_times(
    fake: FakeCluster,
    cluster: Cluster,
    patience: Patience,
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Whether this machine is quiet is another question.
    monkeypatch.setattr(disruption_runs, "check_run", lambda facts, records: ())
    monkeypatch.setattr(disruption_runs, "steady_gates", lambda *arguments: ())
    monkeypatch.setattr(disruption_runs, "WARM_UP_S", 0.05)
    texts = Texts("test", ("a film", "another film"))
    choices = Choices(
        specs=(SPEC,),
        experiments=("rolling-update",),
        scenario="steady",
        target="k3s",
        blocks=1,
        duration_s=4.0,
        rate_rps=20.0,
        slo=Slo("p95", 0.5),
        seed=1,
        timeout_s=10.0,
        margin=0.03,
        model=None,
        model_digest="d",
        texts_sha256=texts.sha256,
    )
    plan = Plan(choices, ("fake:onnx",), 20.0, None, "test", "optbuild disrupt")
    check = Check("test", 2, 0, 0.0, None, None)
    model = Model("fake", "synthetic", "d", None)
    build = Build(compose(SPEC), model, "fake:onnx", Path(), check, {}, True, 0.0)

    def serve(build: Build, log: Path) -> K3sFleet:
        return K3sFleet(cluster, make(SPEC), patience=patience)

    with Progress(Console(quiet=True), 1, 1.0) as progress:
        Disruptions(plan, [build], texts, tmp_path, progress, serve).run()
    (run,) = load_disrupted(tmp_path).of("rolling-update", SPEC)
    assert run.impact.lost == 0
    assert not run.impact.replicas_known  # a Service does not tell
    assert (run.path / "joined.parquet").exists()
    assert run.impact.ready is None  # a rolling update never has fewer than wanted
    assert len({line.replica for line in run.timeline.lifelines(4.0)}) == 4
    terminated = [e.at_s for e in run.timeline.events if e.what == "terminating"]
    assert len(terminated) == 2
    assert min(terminated) > run.impact.injected_s
    assert fake.names() == set()
