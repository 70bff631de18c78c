"""A cluster as the place where an ablation's servers run."""

import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_api import FakeCluster

from builder import k3s_place
from deploy.cluster import Cluster
from deploy.image import Image
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
    place: Any = k3s_place.K3s(cluster, None, None)  # type: ignore[arg-type]  # for image_of only
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
