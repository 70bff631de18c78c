"""Containers of a real engine that are killed, stressed and starved of memory."""

import io
import os
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from docker import DockerClient
from docker.errors import ImageNotFound
from fleets import ask

import deploy.fake_server
from builder.injection import Injection
from deploy.disruptions._disruption import parse
from deploy.docker_fleet import DockerFleet
from deploy.engine import connect
from deploy.image import DEFAULT_BASE
from variants._errors import OptbuildError
from variants._spec import compose

pytestmark = [pytest.mark.slow, pytest.mark.docker]

BASE = os.environ.get("OPTBUILD_BASE_IMAGE", DEFAULT_BASE)
IMAGE = "optbuild/fake-server:test"
RECIPE = f"""FROM {BASE}
COPY server.py /server.py
USER 1034:1034
ENTRYPOINT ["python3", "/server.py", "3000", "--host", "0.0.0.0", "--service-s", "0.2"]
"""


@pytest.fixture(scope="module")
def client() -> Iterator[DockerClient]:
    try:
        with connect() as found:
            yield found
    except OptbuildError as error:
        pytest.skip(f"these tests need a container engine: {error}")


@pytest.fixture(scope="module")
def image(client: DockerClient) -> Iterator[str]:
    """The small server without a model, in a container."""
    try:
        client.images.get(BASE)
    except ImageNotFound:
        pytest.skip(f"the engine has no image {BASE}: set OPTBUILD_BASE_IMAGE")
    server = Path(deploy.fake_server.__file__).read_bytes()
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, content in {"Dockerfile": RECIPE.encode(), "server.py": server}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    context.seek(0)
    client.images.build(fileobj=context, custom_context=True, tag=IMAGE, rm=True)
    yield IMAGE
    client.images.remove(IMAGE, force=True)


@pytest.fixture(scope="module")
def fleet(
    client: DockerClient, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DockerFleet]:
    variant = compose("onnx+replicas=2+limits:cpu=1,memory=128Mi")
    log = tmp_path_factory.mktemp("fleet") / "fleet.log"
    one = DockerFleet(client, image, variant, log)
    with one:
        yield one
    label = {"label": f"optbuild.owner={one._label}"}
    assert client.containers.list(all=True, filters=label) == []


def eventually(condition: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def disturb(fleet: DockerFleet, text: str) -> str:
    """The victim's name; everybody is ready again."""
    eventually(lambda: len(fleet.replicas()) == 2)
    one = Injection(parse(text), fleet, 0.0, np.random.default_rng(1))
    one.inject()
    return one.events[0].replica


def told(fleet: DockerFleet, replica: str) -> list[str]:
    return [event.what for event in fleet.timeline() if event.replica == replica]


def test_a_container_that_is_killed_is_started_again(fleet: DockerFleet) -> None:
    victim = disturb(fleet, "container-kill")
    eventually(lambda: told(fleet, victim)[-3:] == ["killed", "restarted", "ready"])


def test_a_deleted_replica_answers_what_it_began(fleet: DockerFleet) -> None:
    answers: list[int] = []
    over = threading.Event()

    def load() -> None:
        while not over.is_set():
            answers.append(ask(fleet.url)[0])

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    victim = disturb(fleet, "pod-kill")
    over.set()
    for thread in threads:
        thread.join()
    assert told(fleet, victim)[-2:] == ["terminating", "gone"]
    assert set(answers) == {200}


def test_memory_runs_out_and_the_kernel_kills(fleet: DockerFleet) -> None:
    victim = disturb(fleet, "memory-limit")
    eventually(lambda: told(fleet, victim)[-3:] == ["killed", "restarted", "ready"])


def test_busy_loops_use_the_containers_share_and_end(
    fleet: DockerFleet, client: DockerClient
) -> None:
    eventually(lambda: len(fleet.replicas()) == 2)
    victim = fleet.replicas()[0]
    replica = fleet.find(victim).replica

    def processes() -> int:
        (name,) = [
            c.name
            for c in client.containers.list(filters={"label": f"optbuild.owner={fleet._label}"})
            if f"-{victim}-" in str(c.name)
        ]
        return len(client.containers.get(name).top()["Processes"])

    before = processes()
    fleet.stress(victim)
    eventually(lambda: processes() == before + 1)  # its limit is one core
    fleet.unstress()
    eventually(lambda: processes() == before)
    assert replica.alive()


def test_scaling_down_and_up(fleet: DockerFleet) -> None:
    disturb(fleet, "scale-down-up:down=0.1")
    assert len(fleet.replicas()) == 2
