"""A real engine: the image, replicas with limits, one killed under load, and what is left.

Runs where an engine answers. OPTBUILD_BASE_IMAGE and OPTBUILD_NETWORK say what to build on, as
they do for `optbuild image`.
"""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import numpy as np
import pytest
from docker import DockerClient

from analysis.records import OUTCOMES, read_records
from builder.build import Build, Request, build
from builder.imaging import image_of, record
from builder.load import Load, run_load
from deploy.coldstart import cold_starts
from deploy.docker import OWNER_LABEL, Containers
from deploy.engine import connect
from deploy.image import DEFAULT_BASE, Image, Options, find_base
from deploy.inside import KILL, detached
from deploy.load_image import load_image
from deploy.manifests.load import load_objects
from deploy.manifests.release import Release
from deploy.parcel import unwrap
from deploy.sampler import Sampler
from variants._errors import OptbuildError
from variants._spec import compose

pytestmark = [pytest.mark.slow, pytest.mark.docker]

OPTBUILD = [sys.executable, "-c", "from builder.cli import cli; cli()"]
LARGEST_BYTES = 450_000_000
OPTIONS = Options(
    base=os.environ.get("OPTBUILD_BASE_IMAGE", DEFAULT_BASE),
    network=os.environ.get("OPTBUILD_NETWORK"),
)
REPLICATED = "onnx+limits:cpu=500m,memory=512Mi+replicas=2"


@pytest.fixture(scope="module")
def client() -> Iterator[DockerClient]:
    try:
        with connect() as client:
            find_base(client, OPTIONS.base, lambda stage: None)
    except OptbuildError as error:
        pytest.skip(f"these tests need a container engine: {error}")
    with connect() as client:
        yield client


@pytest.fixture(scope="module")
def bento(home: Path, client: DockerClient) -> Build:
    return build(compose("onnx"), Request(), lambda stage: None)


@pytest.fixture(scope="module")
def image(client: DockerClient, bento: Build) -> Image:
    return image_of(client, bento, OPTIONS)


def left(client: DockerClient, process: int | None = None) -> list[str]:
    """Containers that a process, or this one, has started; others may use the engine too."""
    found = client.containers.list(all=True, filters={"label": OWNER_LABEL})
    owners = {str(one.name): one.labels[OWNER_LABEL].split("/")[2:3] for one in found}
    return [name for name, owner in owners.items() if owner == [str(process or os.getpid())]]


def inside(client: DockerClient, image: Image, command: str) -> str:
    said: bytes = client.containers.run(image.reference, ["sh", "-c", command], remove=True)
    return said.decode()


def answers(url: str) -> list[dict[str, Any]]:
    body = json.dumps({"texts": ["a wonderful film", "a dull film"]}).encode()
    headers = {"Content-Type": "application/json"}
    with urlopen(HttpRequest(f"{url}/predict", body, headers), timeout=30) as answer:
        content: list[dict[str, Any]] = json.loads(answer.read())
    return content


def test_the_image_is_small_and_holds_what_serving_needs(
    client: DockerClient, image: Image
) -> None:
    assert image.size_bytes <= LARGEST_BYTES
    modules = inside(client, image, "ls /app/.venv/lib/python3*/site-packages").split()
    assert {"bentoml", "onnxruntime", "tokenizers"} <= set(modules)
    assert not {"torch", "transformers", "pip", "setuptools"} & set(modules)
    assert inside(client, image, "command -v gcc cc make || true") == ""
    assert inside(client, image, "ls /build 2>/dev/null || true") == ""
    assert inside(client, image, "id -un; id -u").split() == ["bentoml", "1034"]
    assert inside(client, image, "touch /app/x /home/bentoml/bento/x 2>&1 || true").count("denied")


def test_the_second_call_finds_it_and_the_record_names_it(
    client: DockerClient, bento: Build, image: Image
) -> None:
    again = image_of(client, bento, OPTIONS)
    assert (again.cached, again.reference, again.id) == (True, image.reference, image.id)
    assert json.loads(record(bento).read_text())["reference"] == image.reference


def test_replicas_have_their_limits_answer_alike_and_are_gone(
    client: DockerClient, image: Image, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with Containers(client, image.reference, compose(REPLICATED), log) as running:
        urls = running.url.split(",")
        hosts = [container.attrs["HostConfig"] for container in running.containers]
        environments = [container.attrs["Config"]["Env"] for container in running.containers]
        assert [answers(url)[0]["label"] for url in urls] == ["positive"] * 2
    assert [host["NanoCpus"] for host in hosts] == [500_000_000] * 2
    assert [host["Memory"] for host in hosts] == [512 * 2**20] * 2
    assert all("BENTO_THREADS=1" in environment for environment in environments)
    assert left(client) == []
    assert log.read_text().count("Service Classifier initialized") == 2


def test_every_request_is_accounted_for_when_a_replica_is_killed_under_load(
    client: DockerClient, image: Image, tmp_path: Path
) -> None:
    (tmp_path / "texts").write_text("a film\nanother film\n")
    load = Load("steady", 20.0, 6.0, seed=1, timeout_s=3.0, texts=tmp_path / "texts")
    killed: list[float] = []

    def kill(running: Containers) -> None:
        # Not before the load is there: its first request appears in the access log.
        while b"/predict" not in running.containers[0].logs(tail=20):
            time.sleep(0.1)
        time.sleep(1.5)
        running.containers[0].kill()
        killed.append(time.monotonic())

    with Containers(client, image.reference, compose(REPLICATED), tmp_path / "log") as running:
        killer = threading.Thread(target=kill, args=(running,))
        killer.start()
        facts = run_load(load, running.url, tmp_path)
        killer.join(30)
    assert killed
    records = read_records(tmp_path / "records.parquet")
    count = int(facts["planned"])
    assert np.array_equal(np.sort(records.index), np.arange(count))
    ok = records.outcome == OUTCOMES.index("ok")
    lost = np.isin(records.outcome, [OUTCOMES.index(name) for name in ("reset", "timeout")])
    assert np.all(ok | lost)
    assert lost.any() and ok.any()
    # Arrival i goes to server i mod 2: only those of the one that was killed are lost.
    assert set(records.index[lost] % 2) == {0}
    assert left(client) == []


def test_the_processes_of_every_replica_are_watched_and_its_throttling_seen(
    client: DockerClient, image: Image, tmp_path: Path
) -> None:
    def throttled_s(running: Containers) -> float:
        """As the engine has it."""
        stats = [one.stats(stream=False, one_shot=True) for one in running.containers]
        return sum(s["cpu_stats"]["throttling_data"]["throttled_time"] for s in stats) / 1e9

    with Containers(client, image.reference, compose(REPLICATED), tmp_path / "log") as running:
        before_s = throttled_s(running)
        with Sampler(running, period_s=0.2) as watched:
            for url in running.url.split(","):
                answers(url)
        after_s = throttled_s(running)
        mains = [container.attrs["State"]["Pid"] for container in running.containers]
        assert set(mains) < {look.pid for look in watched.looks}
    by_pid = {look.pid: look for look in watched.looks}
    assert sum(look.rss_bytes for look in by_pid.values()) > 50_000_000
    last_s = watched.looks[-1].throttled_s
    assert last_s is not None
    assert before_s <= last_s + 1e-6 and last_s <= after_s + 1e-6


def test_cold_starts_are_told_with_and_without_the_making_of_the_container(
    client: DockerClient, image: Image, tmp_path: Path
) -> None:
    found = cold_starts(client, image.reference, compose("onnx+replicas=2"), tmp_path / "log")
    assert len(found) == 3
    assert all(0 < one.ready_s < one.created_s for one in found)


def test_the_load_image_measures_with_the_rights_that_its_pod_has(
    client: DockerClient, image: Image, tmp_path: Path
) -> None:
    reference = load_image(client, OPTIONS, lambda stage: None)
    texts = "a film\nanother film\n"
    options = ["--rate", "20", "--duration", "2", "--texts", "/texts/texts.txt"]
    with Containers(client, image.reference, compose("onnx"), tmp_path / "log") as running:
        words = ["steady", "--host", running.url, *options]
        release = Release("x", image.reference, compose("onnx"))
        _, job = load_objects(release, "uid", reference, words, texts, 60)
        pod = job["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        user = pod["securityContext"]["runAsUser"]
        loading = client.containers.create(
            container["image"],
            container["args"],
            environment={one["name"]: one["value"] for one in container["env"]},
            user=f"{user}:{user}",
            cap_drop=container["securityContext"]["capabilities"]["drop"],
            security_opt=["no-new-privileges"],
            read_only=container["securityContext"]["readOnlyRootFilesystem"],
            tmpfs={"/tmp": ""},
            volumes=["/texts"],
            network_mode="host",
            labels={OWNER_LABEL: running.label},  # it goes with the server
        )
        with io.BytesIO() as archive:
            with tarfile.open(fileobj=archive, mode="w") as file:
                entry = tarfile.TarInfo("texts.txt")
                entry.size = len(texts)
                file.addfile(entry, io.BytesIO(texts.encode()))
            loading.put_archive("/texts", archive.getvalue())
        loading.start()
        code, log = loading.wait()["StatusCode"], loading.logs().decode()
    assert code == 0, log
    unwrap(log, tmp_path)
    records = read_records(tmp_path / "records.parquet")
    facts = json.loads((tmp_path / "load.json").read_text())
    assert facts["planned"] == len(records.index) > 20
    assert (records.outcome == OUTCOMES.index("ok")).all()


def test_all_of_a_server_dies_of_the_script_that_kills_it_from_inside(
    client: DockerClient, image: Image
) -> None:
    # With an init as its first process, as in a pod whose process namespace is shared.
    container = client.containers.run(image.reference, init=True, detach=True)
    try:
        deadline_s = time.monotonic() + 90
        while b"Service Classifier initialized" not in container.logs():
            assert time.monotonic() < deadline_s, container.logs()
            time.sleep(0.2)
        assert container.exec_run(["/bin/sh", "-c", detached(KILL)]).exit_code == 0
        assert container.wait(timeout=30)["StatusCode"] == 128 + signal.SIGKILL
    finally:
        container.remove(force=True)


def test_too_little_memory_is_named(client: DockerClient, image: Image, tmp_path: Path) -> None:
    starved = compose("onnx+limits:memory=128Mi")
    starved = replace(starved, memory_limit_bytes=48 * 2**20)
    with (
        pytest.raises(OptbuildError, match="give the layer limits a larger memory"),
        Containers(client, image.reference, starved, tmp_path / "log"),
    ):
        pass
    assert left(client) == []


def test_a_taken_port_is_a_line_and_leaves_nothing(
    client: DockerClient, image: Image, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OptbuildError, match="choose another --port"), connect() as own:
            Containers(
                own, image.reference, compose("onnx"), tmp_path / "log", port=port
            ).__enter__()
    assert left(client) == []


def test_an_image_that_cannot_serve_says_why(client: DockerClient, tmp_path: Path) -> None:
    with (
        pytest.raises(OptbuildError, match=r"(ended with code|refuses)"),
        connect() as own,
        Containers(own, OPTIONS.base, compose("onnx"), tmp_path / "log"),
    ):
        pass
    assert left(client) == []


def test_a_build_that_fails_says_why_and_leaves_no_container(
    client: DockerClient, bento: Build, tmp_path: Path
) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nno-index = true\n")
    other = replace(bento, tag=f"{bento.tag}-other")
    with pytest.raises(
        OptbuildError, match="non-zero code: 1; give a folder with the missing wheels"
    ):
        image_of(client, other, replace(OPTIONS, pip_conf=tmp_path / "pip.conf"))
    assert "pip install" not in json.dumps(client.api.containers(all=True))


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_serve_leaves_no_container_when_it_is_told_to_end(
    client: DockerClient, image: Image, signal_number: int
) -> None:
    serving = serve()
    serving.send_signal(signal_number)
    errors = serving.communicate(timeout=60)[1]
    assert serving.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[signal_number]
    assert "Traceback" not in errors
    assert left(client, serving.pid) == []


def test_what_a_killed_process_left_is_removed_by_the_next(
    client: DockerClient, image: Image, tmp_path: Path
) -> None:
    serving = serve()
    serving.kill()
    serving.communicate(timeout=60)
    assert len(left(client, serving.pid)) == 2
    with Containers(client, image.reference, compose("onnx"), tmp_path / "log"):
        assert left(client, serving.pid) == []


def serve() -> subprocess.Popen[str]:
    """`optbuild serve` of two containers, once they are ready."""
    words = ["serve", REPLICATED, "--target", "docker", "--port", "0", "--base-image", OPTIONS.base]
    serving = subprocess.Popen(
        [*OPTBUILD, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert serving.stdout is not None
    assert serving.stdout.readline().count("http://127.0.0.1:") == 2
    return serving
