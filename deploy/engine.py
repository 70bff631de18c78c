"""A container engine behind the docker SDK: reached, or one line that says what to do."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import docker
import requests
import urllib3
from docker import DockerClient
from docker.errors import APIError, DockerException

from variants._errors import OptbuildError

LOCAL = "docker"  # the engine that DOCKER_HOST names, else the one at its usual socket
TIMEOUT_S = 600.0  # of one answer; a step of a build may be silent for minutes
REMEDY = "start it (as root: dockerd, or systemctl start docker), or give --engine its address"


@contextmanager
def connect(engine: str = LOCAL) -> Iterator[DockerClient]:
    """A client of the engine, `docker` or an address such as `unix:///run/podman/podman.sock`.

    Inside the context too, an engine that cannot be reached is an OptbuildError.
    """
    where = os.environ.get("DOCKER_HOST", "its usual socket") if engine == LOCAL else engine
    with explained(where):
        if engine == LOCAL:
            client = docker.from_env(timeout=TIMEOUT_S)
        else:
            client = DockerClient(base_url=engine, timeout=TIMEOUT_S)
        try:
            client.ping()
            yield client
        finally:
            client.close()


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what the SDK raises for an engine that fails into an OptbuildError."""
    try:
        yield
    except APIError as error:
        reason = str(error.explanation or error)
        raise OptbuildError(f"the container engine refuses: {reason}{_remedy(reason)}") from error
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise OptbuildError(
            f"no container engine answers at {where} ({_reason(error)}): {REMEDY}"
        ) from error


def _remedy(reason: str) -> str:
    """What to do about a refusal that has a well-known cause."""
    known = {
        "no space left": "free some space: docker system prune",
        "port is already allocated": "choose another --port",
        "address already in use": "choose another --port",
    }
    return "".join(f"; {remedy}" for cause, remedy in known.items() if cause in reason)


def _reason(error: BaseException) -> str:
    """The innermost cause, which the SDK wraps several times."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    for one in reversed(chain):
        for inner in (one, *one.args):
            if isinstance(inner, OSError) and inner.strerror:
                return inner.strerror
    if any(isinstance(one, urllib3.exceptions.ProtocolError) for one in chain):
        # What is left is what a parser could not make of half an answer.
        return "it broke off in the middle of an answer"
    return str(chain[-1]).strip() or type(chain[-1]).__name__
