"""What is handed over by a container engine, and what a pod's container may do: for real."""

import http.client
import io
import json
import os
import tarfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from docker import DockerClient

from deploy.engine import connect
from deploy.handover import push, save
from deploy.manifests.release import Release
from deploy.manifests.render import objects
from variants._errors import OptbuildError
from variants._spec import compose

pytestmark = [pytest.mark.docker, pytest.mark.slow]

START_S = 180.0


@pytest.fixture
def engine() -> Iterator[DockerClient]:
    try:
        with connect() as client:
            client.ping()
    except OptbuildError as error:
        pytest.skip(str(error))
    with connect() as client:
        yield client


@pytest.fixture
def image(engine: DockerClient) -> Iterator[str]:
    """An image with hardly anything in it, under a name of its own."""
    reference = f"optbuild-test/small:{uuid.uuid4().hex[:12]}"
    engine.images.build(
        fileobj=io.BytesIO(b"FROM scratch\nWORKDIR /folder\n"), tag=reference, rm=True
    )
    yield reference
    engine.images.remove(reference, force=True)


def test_a_saved_image_keeps_its_name(engine: DockerClient, image: str) -> None:
    with tarfile.open(fileobj=io.BytesIO(b"".join(save(engine, image)))) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        assert json.load(manifest)[0]["RepoTags"] == [image]


def test_a_registry_that_is_not_there_leaves_no_name_behind(
    engine: DockerClient, image: str
) -> None:
    with pytest.raises(OptbuildError, match=r"does not take the image .*docker login 127.0.0.1:1"):
        push(engine, image, "127.0.0.1:1/team")
    assert [
        tag for found in engine.images.list() for tag in found.tags if "127.0.0.1:1" in tag
    ] == []


def test_an_image_that_is_not_there(engine: DockerClient) -> None:
    with pytest.raises(OptbuildError, match="make it with optbuild image"):
        list(save(engine, "nowhere:1"))
    with pytest.raises(OptbuildError, match="make it with optbuild image"):
        push(engine, "nowhere:1", "127.0.0.1:1")


def as_container(pod: dict[str, Any]) -> dict[str, Any]:
    """A pod's only container as the engine's options: rights, volumes, environment, limits."""
    (container,) = pod["containers"]
    rights, limits = container["securityContext"], container["resources"]["limits"]
    sizes = {one["name"]: one["emptyDir"]["sizeLimit"] for one in pod["volumes"]}
    return {
        "image": container["image"],
        "user": f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}",
        "read_only": rights["readOnlyRootFilesystem"],
        "cap_drop": rights["capabilities"]["drop"],
        "security_opt": [] if rights["allowPrivilegeEscalation"] else ["no-new-privileges"],
        "tmpfs": {
            mount["mountPath"]: f"mode=1777,size={sizes[mount['name']].replace('Mi', 'm')}"
            for mount in container["volumeMounts"]
        },
        "environment": {one["name"]: one["value"] for one in container["env"]},
        "nano_cpus": int(limits["cpu"]) * 10**9,
        "mem_limit": limits["memory"].replace("Mi", "m"),
        "ports": {f"{port['containerPort']}/tcp": ("127.0.0.1", 0) for port in container["ports"]},
    }


def test_the_server_works_with_the_rights_that_a_pod_has(engine: DockerClient) -> None:
    if not (reference := os.environ.get("OPTBUILD_TEST_IMAGE")):
        pytest.skip("OPTBUILD_TEST_IMAGE names no image of a Bento")
    release = Release("classifier", reference, compose("onnx+limits:cpu=1,memory=512Mi"))
    (deployment,) = [item for item in objects(release) if item["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    container = engine.containers.run(detach=True, **as_container(pod))
    try:
        url = base_url(container)
        wait_until_ready(url)
        body = json.dumps({"texts": ["a fine film"]}).encode()
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)

        def ask() -> http.client.HTTPResponse:
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert json.load(answer)[0]["label"]
            return answer

        assert not ask().will_close
        before_stop = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
        assert container.exec_run(before_stop).exit_code == 0
        connection.close()  # the server has, after so long a silence
        assert ask().will_close
        assert container.exec_run("touch /home/bentoml/x").exit_code != 0
        began_s = time.monotonic()
        container.stop(timeout=pod["terminationGracePeriodSeconds"])
        assert time.monotonic() - began_s < pod["terminationGracePeriodSeconds"]
        assert container.wait()["StatusCode"] == 0
    finally:
        container.remove(force=True)


def base_url(container: Any) -> str:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        container.reload()
        if bound := next(iter(container.ports.values()), None):
            return f"http://127.0.0.1:{bound[0]['HostPort']}"
        time.sleep(0.1)
    raise TimeoutError("the container has no port")


def wait_until_ready(url: str) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError("the server is not ready")
