"""Load from a Job beside the release, against the fake cluster."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate.utils
import pytest
from fake_api import FakeCluster
from fake_release import Make

from analysis.records import read_records
from builder.load import Load
from builder.measure import measure
from deploy.cluster import Cluster
from deploy.k3s_load import K3sLoaded
from deploy.manifests.load import load_objects
from deploy.manifests.release import INSTANCE
from deploy.parcel import wrap
from deploy.rollout import Patience
from deploy.undo import remove
from variants._errors import OptbuildError

IMAGE = "optbuild/load:1"


@pytest.fixture
def target(cluster: Cluster, patience: Patience, make: Make) -> K3sLoaded:
    return K3sLoaded(cluster, make("onnx+replicas=2"), IMAGE, patience=patience)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    (tmp_path / "texts.txt").write_text("a film\nanother film\n")
    return Load("steady", 30.0, 1.0, seed=1, timeout_s=5.0, texts=tmp_path / "texts.txt")


def test_results_come_back_from_a_job_that_is_told_where_the_release_is(
    fake: FakeCluster, target: K3sLoaded, load: Load, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def work(container: Any, config: Any) -> tuple[int, str]:
        asked.extend([container["image"], container["args"], config["data"]])
        result = tmp_path / "load.json"
        result.write_text("{}")
        return 0, "\n".join(["a warning", *wrap([result])])

    fake.controllers.jobs.work = work
    folder = tmp_path / "run"
    folder.mkdir()
    with target:
        for _ in range(2):  # a Job cannot be changed: the second is another
            target.generate("steady", ["--rate", "3"], load.texts, folder, 60.0)
        assert {"jobs/classifier-load", "configmaps/classifier-load"}.isdisjoint(fake.names())
        assert len(target.pods()) == 2  # the generator's is no replica
    words = ["steady", "--host", "http://10.43.0.7:80", "--rate", "3"]
    once = [IMAGE, [*words, "--texts", "/texts/texts.txt"], {"texts.txt": "a film\nanother film\n"}]
    assert asked == once * 2
    assert (folder / "load.json").read_text() == "{}"
    assert (folder / "locust.log").read_text() == "a warning"
    assert fake.names() == set()


@pytest.mark.thorough
def test_the_load_is_generated_in_a_job(
    fake: FakeCluster, target: K3sLoaded, load: Load, tmp_path: Path
) -> None:
    """The image's own entry point, in a process instead of a pod."""

    def work(container: Any, config: Any) -> tuple[int, str]:
        (tmp_path / "mounted").mkdir()
        for name, text in config["data"].items():
            (tmp_path / "mounted" / name).write_text(text)
        here = {
            "/texts/texts.txt": str(tmp_path / "mounted" / "texts.txt"),
            "http://10.43.0.7:80": f"http://127.0.0.1:{fake.front.port}",
        }
        words = [here.get(word, word) for word in container["args"]]
        done = subprocess.run(
            [sys.executable, "-P", "-m", "deploy.generate", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )
        return done.returncode, done.stdout

    fake.controllers.jobs.work = work
    folder = tmp_path / "run"
    folder.mkdir()
    with target:
        measured = measure(load, target, folder)
    assert measured.facts["planned"] == len(read_records(folder / "records.parquet").index) > 10
    assert (measured.records.status == 200).all()
    assert "optbuild-parcel" not in (folder / "locust.log").read_text()


@pytest.mark.parametrize(
    ("code", "log", "why"),
    [
        (1, "no such scenario", "Job failed .BackoffLimitExceeded.: no such scenario"),
        (0, "nothing of it", "not complete: raise the kubelet"),
    ],
)
def test_a_generator_that_fails_says_why_and_leaves_nothing(
    fake: FakeCluster, target: K3sLoaded, load: Load, tmp_path: Path, code: int, log: str, why: str
) -> None:
    fake.controllers.jobs.work = lambda container, config: (code, log)
    with target:
        with pytest.raises(OptbuildError, match=why):
            measure(load, target, tmp_path)
        assert "jobs/classifier-load" not in fake.names()
    assert fake.names() == set()


def test_an_image_that_no_node_has_is_said_at_once(
    fake: FakeCluster, target: K3sLoaded, load: Load, tmp_path: Path
) -> None:
    fake.controllers.jobs.waiting = {"reason": "ImagePullBackOff", "message": "not found"}
    with target, pytest.raises(OptbuildError, match=r"no load: .*ImagePullBackOff.*--registry"):
        measure(load, target, tmp_path)


def test_what_does_not_fit_is_said_before_the_load(
    fake: FakeCluster, target: K3sLoaded, load: Load, tmp_path: Path
) -> None:
    long = Load("steady", 1000.0, 3600.0, 1, 5.0, load.texts)
    with pytest.raises(OptbuildError, match=r"126.0 MB do not fit .* --load local"):
        measure(long, target, tmp_path)
    load.texts.write_text("a long film\n" * 100_000)
    with pytest.raises(OptbuildError, match=r"more than a ConfigMap holds .* --load local"):
        measure(load, target, tmp_path)
    assert ("PATCH", "jobs") not in fake.requests


def test_whatever_removes_the_release_takes_its_load_along(
    fake: FakeCluster, cluster: Cluster, target: K3sLoaded, make: Make
) -> None:
    with target:
        deployment = cluster.get("Deployment", "classifier")
        assert deployment is not None
        uid = deployment["metadata"]["uid"]
        for item in load_objects(make(), uid, IMAGE, ["steady"], "a film\n", 60):
            cluster.apply(item)
        remove(cluster, "classifier")
    with fake.store.changed:
        assert fake.store.changed.wait_for(lambda: fake.names() == set(), 30)


@pytest.mark.parametrize("version", kubernetes_validate.utils.all_versions())
def test_its_objects_are_valid_and_no_replicas(make: Make, version: str) -> None:
    config, job = load_objects(make(), "uid", IMAGE, ["steady", "--rate", "3"], "a film\n", 60)
    for item in (config, job):
        kubernetes_validate.utils.validate(item, version, strict=True)
    assert job["spec"]["template"]["metadata"]["labels"][INSTANCE] == "classifier-load"
    assert re.fullmatch("[a-z-]+", job["metadata"]["name"])
