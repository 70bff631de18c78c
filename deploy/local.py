"""A Bento served by `bentoml serve` on this machine."""

import http.client
import ipaddress
import re
import socket
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from deploy.child import Child
from deploy.scratch import scratch
from variants._errors import OptbuildError
from variants._layer import Variant
from variants._spec import bento_variant

# One worker of a large model on a busy machine takes about half a minute.
START_TIMEOUT_S = 180.0
POLL_S = 0.05
# A server that looks for free ports binds them a second later: now and then another process is
# faster, where many connections come and go. It is started anew then.
TRIES = 3
PORT_TAKEN = re.compile("(already|is) in use", re.IGNORECASE)
LAST_LINES = 30  # other processes of a server may have the last word


class PortTaken(OptbuildError):
    """A server has ended because another process was faster to take a port."""


class Server:
    """The processes of one `bentoml serve`, with a BENTOML_HOME of their own.

    Their own, because every start of a server empties a folder in its BENTOML_HOME that another
    running server writes its metrics to. A context manager: ready on entering, gone on leaving.
    """

    def __init__(
        self,
        bento: Path,
        log: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        background: bool = False,
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        self.bento = bento
        self.log = log
        self.host = host
        self.port = port
        self.background = background
        self.start_timeout_s = start_timeout_s

    @property
    def url(self) -> str:
        """Base URL, valid once the server has started."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def __enter__(self) -> Self:
        """Start it and wait until every worker has loaded and warmed up."""
        wanted = self.port

        def attempt() -> None:
            self.port = free_port(self.host, wanted)
            self._start()
            try:
                self._wait_until_ready()
                self.child.yield_sessions()
            except BaseException:
                self.__exit__()
                raise

        start(attempt)
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop every process of it."""
        self.cleanup.close()

    def processes(self) -> list[int]:
        """Ids of the supervisor and of all that it started, while it runs."""
        return [self.child.process.pid, *(found.pid for found in self.child.descendants())]

    def wait(self) -> None:
        """Block until it ends by itself, which a server should not do: raises OptbuildError."""
        code = self.child.process.wait()
        said = f"its log is {self.log}: {self.child.last_words()}"
        raise ended(self.child, f"the server ended with code {code}; {said}")

    def _start(self) -> None:
        self.cleanup = ExitStack()
        home = self.cleanup.enter_context(scratch(Path(tempfile.gettempdir()), "optbuild-home-"))
        options = ["--host", self.host, "--port", str(self.port)]
        self.child = Child(
            ["-m", "bentoml", "serve", str(self.bento), *options],
            self.log,
            # BENTOML_DO_NOT_TRACK: usage statistics would be sent during the measurement.
            env={"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"},
            background=self.background,
        )
        self.cleanup.callback(self.child.stop)

    def _wait_until_ready(self) -> None:
        deadline_s = time.monotonic() + self.start_timeout_s
        while not answers_ready(self.host, self.port):
            if self.child.process.poll() is not None:
                self.wait()
            if time.monotonic() > deadline_s:
                raise OptbuildError(
                    f"the server was not ready within {self.start_timeout_s:g} s; "
                    f"its log is {self.log}: {self.child.last_words()}",
                    exit_code=1,
                )
            time.sleep(POLL_S)


def start(attempt: Callable[[], None]) -> None:
    """Start a server by `attempt`, and anew if it lost a port, TRIES times in all.

    An attempt leaves nothing behind where it raises.
    """
    for left in reversed(range(TRIES)):
        try:
            attempt()
            return
        except PortTaken:
            if not left:
                raise


def ended(child: Child, said: str) -> OptbuildError:
    """The error, in the words of `said`, of a server that has ended; PortTaken if it was that."""
    kind = PortTaken if PORT_TAKEN.search(child.last_words(LAST_LINES)) else OptbuildError
    return kind(said, exit_code=1)


def require_no_deployment(
    variants: Iterable[Variant], remedy: str = "choose --target docker, or drop them"
) -> None:
    """Raise OptbuildError if a variant asks for what a plain process cannot give it."""
    for variant in variants:
        if variant.settings() != bento_variant(variant).settings():
            raise OptbuildError(
                f"'{variant.spec}' has deployment layers, which a local process cannot have: "
                f"{remedy}"
            )


def answers_ready(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Whether `/readyz` says 200.

    The socket listens before any worker has loaded, so a probe hangs rather than being refused:
    hence the short timeout.
    """
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port(host: str, port: int) -> int:
    """The port if it can be bound, any free one for 0; raises OptbuildError if it is taken."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise OptbuildError(
            f"'{host}' is no IP address, and BentoML takes no name: give 127.0.0.1 or 0.0.0.0"
        ) from error
    with socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        # A port beyond the last one: the replicas take those that follow the first.
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no such port"
            raise OptbuildError(
                f"cannot listen on {host}:{port} ({reason}): choose another --port or --host"
            ) from error
        bound: int = probe.getsockname()[1]
        return bound
