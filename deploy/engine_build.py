"""A build in the engine: stages as they come, and the engine's last lines if it fails."""

import os
import re
import textwrap
from collections import deque
from collections.abc import Callable, Mapping
from typing import IO

from docker import DockerClient
from docker.errors import ImageNotFound

from variants._errors import OptbuildError

PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
LAST_LINES = 4  # of the engine's output in an error
COLOUR = re.compile("\x1b\\[[0-9;]*m")  # the engine paints what a step writes to stderr

WHEELS = "give a folder with the missing wheels with --wheels"
# What the engine's last lines say, and what to do about it.
REMEDIES = {
    "CERTIFICATE_VERIFY_FAILED": "give the certificates of your proxy with --ca-bundle",
    "name resolution": "the build has no network: try --network host",
    "Network is unreachable": "the build has no network: try --network host",
    "Connection refused": "the build reaches no package index: try --network host",
    "No matching distribution": WHEELS,
    "ResolutionImpossible": WHEELS,  # what pip says if a pinned version is not to be had
    "ensurepip is not": "the base image lacks Python's venv: install python3-venv in it",
    "python3: not found": "the base image lacks Python: give another --base-image",
    "No space left": "free some space: docker system prune",
    "no space left": "free some space: docker system prune",
}

Say = Callable[[str], None]


def build(
    client: DockerClient,
    archive: IO[bytes],
    reference: str,
    labels: Mapping[str, str],
    network: str | None,
    say: Say,
    unseen: tuple[str, ...] = (),
) -> None:
    """Build the archive of a context; raises OptbuildError unless the image is there afterwards.

    `unseen`: package indexes of this machine that the build cannot see, named if one is missed.
    If the caller is interrupted the connection closes, and the engine gives up the build.
    """
    seen: deque[str] = deque(maxlen=60)
    lines = client.api.build(
        fileobj=archive,
        custom_context=True,
        tag=reference,
        rm=True,
        forcerm=True,
        network_mode=network,
        buildargs={name: os.environ[name] for name in PROXIES if name in os.environ},
        labels=dict(labels),
        decode=True,
    )
    for line in lines:
        if "error" in line:
            raise OptbuildError(_failure([*seen, line["error"]], unseen), exit_code=1)
        for text in COLOUR.sub("", line.get("stream", "")).splitlines():
            if text.strip() and not text.startswith("Removing intermediate container"):
                seen.append(text.strip())
            if text.startswith("Step "):
                say(textwrap.shorten(text, 80, placeholder=" ..."))
    if not exists(client, reference):
        raise OptbuildError(_failure(seen, unseen), exit_code=1)


def exists(client: DockerClient, reference: str) -> bool:
    """Whether the engine has that image."""
    try:
        client.images.get(reference)
    except ImageNotFound:
        return False
    return True


def _failure(seen: deque[str] | list[str], unseen: tuple[str, ...]) -> str:
    said = " | ".join(list(seen)[-LAST_LINES:])
    everything = "\n".join(seen)
    remedy = next((advice for sign, advice in REMEDIES.items() if sign in everything), None)
    if remedy == WHEELS and unseen:
        remedy += f" (pip here also looks in {', '.join(unseen)}, which the build cannot see)"
    return f"the image cannot be built: {said}" + (f"; {remedy}" if remedy else "")
