"""A cluster as the place where an ablation's servers run."""

import urllib.request
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from fake_api import FakeCluster

from builder import disruption_places, k3s_place, places
from builder.cli import cli
from builder.cluster_options import Reach
from deploy.cluster import Cluster
from deploy.image import Image, Options
from deploy.target import OwnGenerator
from variants._errors import OptbuildError
from variants._spec import compose

IMAGE = Image("optbuild/sentiment:1", "sha256:0", 10**8, "s:1", "base", "optbuild", True, 0.0)


def test_a_run_has_a_deployment_of_its_own_that_goes_with_it(
    fake: FakeCluster, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def image_of(client: object, build: Any, options: object) -> Image:
        made.append(build.tag)
        return IMAGE

    monkeypatch.setattr(k3s_place, "image_of", image_of)
    monkeypatch.setenv("PATH", str(tmp_path))  # without a k3s to import into
    # Without an engine: for image_of only.
    place: Any = k3s_place.K3s(cluster, None, None, Reach())  # type: ignore[arg-type]
    builds = [SimpleNamespace(tag="s:1", variant=compose(f"onnx+replicas={n}")) for n in (1, 2)]
    place.require([build.variant for build in builds])
    place.prepare(builds)
    assert made == ["s:1"]  # replicas do not change the image
    with place.serve(builds[1], tmp_path / "log") as target:
        assert urllib.request.urlopen(f"{target.url}/readyz", timeout=30).status == 200
        assert len(fake.store.all("pods")) == 2
    assert fake.names() == set()
    facts = place.facts(builds[0])
    assert (facts["name"], facts["kubernetes"]) == ("k3s", "v1.33.4+k3s1")
    assert facts["image"] == "optbuild/sentiment:1"


@pytest.mark.parametrize("registry", [None, "host:5000"])
def test_the_engine_that_made_an_image_hands_it_over(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, registry: str | None
) -> None:
    monkeypatch.setattr(k3s_place, "image_of", lambda *_: IMAGE)
    monkeypatch.setattr(k3s_place, "bring", lambda image, cluster, save, say: save(image))
    given: list[object] = []

    def hand_over(client: object, image: str, *registry: str) -> str:
        given.extend([client, image, *registry])
        return "/".join([*registry, image])

    for name in ("push", "save"):
        monkeypatch.setattr(k3s_place, name, hand_over)
    place: Any = k3s_place.K3s(cluster, "engine", None, Reach(registry=registry))  # type: ignore[arg-type]
    place.prepare([SimpleNamespace(tag="s:1")])
    asked = [] if registry is None else [registry]
    assert given == ["engine", IMAGE.reference, *asked]
    assert place.references == {"s:1": "/".join([*asked, IMAGE.reference])}


@pytest.mark.parametrize("module", [places, disruption_places])
def test_a_place_is_in_the_cluster_and_namespace_that_were_asked_for(
    module: Any, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(k3s_place, "connect", lambda engine: nullcontext())
    reach = Reach(kubeconfig, "fake", "tests", "mine", None, "http://elsewhere")
    with module.place("k3s", Options(), reach) as found:
        found.references["s:1"] = "sentiment:1"
        build = SimpleNamespace(tag="s:1", variant=compose("onnx"))
        target = found.serve(build, Path())
    assert (target.cluster.namespace, target.release.name) == ("tests", "mine")
    assert target.url == "http://elsewhere"


@pytest.mark.parametrize(
    ("module", "command"),
    [("builder.places", ["ablate"]), ("builder.disrupt", ["disrupt", "--experiment", "pod-kill"])],
)
def test_an_experiment_takes_the_options_of_a_cluster(
    module: str, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Reach] = []

    def place(target: str, options: Options, reach: Reach, load: str = "") -> None:
        given.append(reach)
        raise OptbuildError("enough")

    monkeypatch.setattr(f"{module}.place", place)
    words = [*command, "onnx", "--target", "k3s", "--out", str(tmp_path / "out")]
    where = ["--kubeconfig", "k", "--context", "c", "-n", "n", "--registry", "r", "--url", "u"]
    for arguments in ([], [*where, "--name", "mine"]):
        assert "enough" in CliRunner().invoke(cli, [*words, *arguments]).stderr
    assert given == [Reach(), Reach(Path("k"), "c", "n", "mine", "r", "u")]


def test_the_load_comes_from_a_job_if_asked_for(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(k3s_place, "image_of", lambda *_: IMAGE)
    monkeypatch.setattr(k3s_place, "load_image", lambda *_: "optbuild/load:1")
    monkeypatch.setattr(k3s_place, "push", lambda client, image, registry: f"{registry}/{image}")
    build: Any = SimpleNamespace(tag="s:1", variant=compose("onnx"))
    place: Any = k3s_place.K3s(cluster, None, None, Reach(registry="r"), "job")  # type: ignore[arg-type]
    place.prepare([build])
    target = place.serve(build, tmp_path)
    assert isinstance(target, OwnGenerator)
    assert target.generator == "r/optbuild/load:1"
    assert place.facts(build)["load"] == "job"
    here: Any = k3s_place.K3s(cluster, None, None, Reach(registry="r"))  # type: ignore[arg-type]
    assert here.name != place.name  # a run of one is not resumed as one of the other
    here.prepare([build])
    assert not isinstance(here.serve(build, tmp_path), OwnGenerator)
    words = ["ablate", "onnx", "--load", "job", "--out", str(tmp_path / "out")]
    assert "give --target k3s" in CliRunner().invoke(cli, words).stderr
