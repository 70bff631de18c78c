"""Images handed over by the local container engine: saved, or pushed to a registry."""

from collections.abc import Iterator

from docker import DockerClient
from docker.errors import ImageNotFound
from docker.models.images import Image

from variants._errors import OptbuildError


def save(client: DockerClient, reference: str) -> Iterator[bytes]:
    """The image as the chunks of a tar archive."""
    yield from _found(client, reference).save(named=True)


def name_in(registry: str, reference: str) -> str:
    """What the image is called in a registry."""
    return f"{registry.rstrip('/')}/{reference}"


def push(client: DockerClient, reference: str, registry: str) -> str:
    """Push the image to a registry, as in `host:5000/team`; returns its name there.

    Raises OptbuildError with the registry's own words if it is refused.
    """
    target = name_in(registry, reference)
    name, _, tag = target.rpartition(":")
    _found(client, reference).tag(name, tag)
    try:
        for line in client.api.push(name, tag, stream=True, decode=True):
            if "error" in line:
                raise OptbuildError(
                    f"{registry} does not take the image ({line['error']}): "
                    f"check the name, and docker login {registry.partition('/')[0]}",
                    exit_code=1,
                )
    finally:  # the name there is of no use here
        client.images.remove(target, noprune=True)
    return target


def _found(client: DockerClient, reference: str) -> Image:
    try:
        return client.images.get(reference)
    except ImageNotFound as error:
        raise OptbuildError(
            f"the local container engine has no image {reference}: "
            "make it with optbuild image, or give another --image"
        ) from error
