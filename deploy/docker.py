"""A Bento's image as containers of a local engine: replicas and limits without a cluster."""

import contextlib
import os
import time
from pathlib import Path
from typing import Self

from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from deploy.container_processes import first_process, with_descendants
from deploy.local import POLL_S, START_TIMEOUT_S, answers_ready
from deploy.owner import is_gone, owner
from deploy.threads import environment
from variants._errors import OptbuildError
from variants._layer import Variant

SERVER_PORT = "3000/tcp"  # in the container
OWNER_LABEL = "optbuild.owner"
LAST_LINES = 3
WATCH_S = 0.5
# The least that Linux takes, of 1024 for others: the generator on the same machine goes first,
# because a late send is an error of measurement, and a late answer is a result.
BACKGROUND_SHARES = 2


class Containers:
    """One container for each replica of a variant, each at a loopback port of its own.

    A context manager: all are ready on entering, all are gone on leaving. What a killed process
    left in the engine is removed first.
    """

    def __init__(
        self,
        client: DockerClient,
        image: str,
        variant: Variant,
        log: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        background: bool = False,
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        """`port` is that of the first replica, the next has the next one; 0: any free ones."""
        self.client = client
        self.image = image
        self.variant = variant
        self.log = log
        self.host = host
        self.port = port
        self.background = background
        self.start_timeout_s = start_timeout_s
        # Entered several times at once by one process, each sees its own.
        self.label = f"{owner()}/{id(self):x}"
        self.ports: list[int] = []
        self._first: list[int] = []  # processes

    @property
    def url(self) -> str:
        """Base URLs of the replicas, separated by commas."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return ",".join(f"http://{host}:{port}" for port in self.ports)

    @property
    def containers(self) -> list[Container]:
        """Those that exist, running or not, in the order of their ports."""
        mine = self.client.containers.list(
            all=True, filters={"label": f"{OWNER_LABEL}={self.label}"}
        )
        return sorted(mine, key=lambda container: str(container.name))

    def __enter__(self) -> Self:
        """Start all, and wait until every worker of every replica has warmed up."""
        remove_leftovers(self.client)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            started = [self._start(number) for number in range(self.variant.replicas)]
            self.ports = [self._published(container) for container in started]
            self._wait_until_ready(started)
            self._first = [pid for pid in map(first_process, started) if pid is not None]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        """Keep the last words of all in the log file, and remove them."""
        # By label, not by what `_start` returned: an interrupt may come before it returns.
        found = self.containers
        with self.log.open("ab") as file:
            for container in found:
                with contextlib.suppress(APIError):
                    file.write(f"== {container.name}\n".encode() + container.logs())
        for container in found:
            remove(container)

    def processes(self) -> list[int]:
        """Ids of all processes in the containers; none where they are not seen from here."""
        return with_descendants(self._first)

    def wait(self) -> None:
        """Block until one ends by itself, which none should do: raises OptbuildError."""
        while True:
            for container in self.containers:
                if container.status != "running":
                    container.reload()
                    raise OptbuildError(self._why(container), exit_code=1)
            time.sleep(WATCH_S)

    def _start(self, number: int) -> Container:
        return start(
            self.client,
            self.image,
            self.variant,
            name=f"optbuild-{os.getpid()}-{id(self):x}-{number:02d}",
            label=self.label,
            address=(self.host, self.port + number if self.port else None),
            background=self.background,
        )

    def _published(self, container: Container) -> int:
        container.reload()
        bindings = container.ports.get(SERVER_PORT)
        if not bindings:  # it ended before it could be asked
            raise OptbuildError(self._why(container), exit_code=1)
        return int(bindings[0]["HostPort"])

    def _wait_until_ready(self, containers: list[Container]) -> None:
        deadline_s = time.monotonic() + self.start_timeout_s
        for container, port in zip(containers, self.ports, strict=True):
            while not answers_ready(self.host, port):
                container.reload()
                if container.status != "running" or container.attrs["State"].get("OOMKilled"):
                    raise OptbuildError(self._why(container), exit_code=1)
                if time.monotonic() > deadline_s:
                    raise OptbuildError(
                        f"{container.name} was not ready within {self.start_timeout_s:g} s; "
                        f"its log will be {self.log}: {last_words(container)}",
                        exit_code=1,
                    )
                time.sleep(POLL_S)

    def _why(self, container: Container) -> str:
        state = container.attrs["State"]
        if state.get("OOMKilled"):
            return (
                f"{container.name} used more memory than its limit and was killed: "
                "give the layer limits a larger memory"
            )
        return (
            f"{container.name} ended with code {state.get('ExitCode')}; "
            f"its log will be {self.log}: {last_words(container)}"
        )


def start(
    client: DockerClient,
    image: str,
    variant: Variant,
    *,
    name: str,
    label: str,
    address: tuple[str, int | None],
    background: bool,
) -> Container:
    """One replica of a variant with its limits, not ready yet; without a port, at any free one."""
    limits: dict[str, int] = {}
    if variant.cpu_limit is not None:
        limits["nano_cpus"] = round(variant.cpu_limit * 1e9)
    if variant.memory_limit_bytes is not None:
        limits["mem_limit"] = limits["memswap_limit"] = variant.memory_limit_bytes
    if background:
        limits["cpu_shares"] = BACKGROUND_SHARES
    return client.containers.run(
        image,
        detach=True,
        name=name,
        labels={OWNER_LABEL: label},
        ports={SERVER_PORT: address},
        # BENTOML_DO_NOT_TRACK: usage statistics would be sent during the measurement.
        environment={"BENTOML_DO_NOT_TRACK": "True", **environment(variant, variant.replicas > 1)},
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        **limits,
    )


def remove_leftovers(client: DockerClient) -> None:
    """Remove the containers of processes that were killed before they could."""
    for container in client.containers.list(all=True, filters={"label": OWNER_LABEL}):
        process, _, _ = container.labels[OWNER_LABEL].rpartition("/")
        if is_gone(process):
            remove(container)


def remove(container: Container) -> None:
    """Kill and remove a container, also if that is going on already."""
    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != 409:  # somebody else's removal is in progress
            raise


def last_words(container: Container) -> str:
    """The end of its log, on one line."""
    text: bytes = container.logs(tail=LAST_LINES)
    return " | ".join(text.decode(errors="replace").strip().splitlines())
