"""What is rolled out: one variant's image under a name."""

import re
from dataclasses import dataclass

from variants._errors import OptbuildError
from variants._layer import Variant

MOST_NAME = 50  # of the 63 characters of a label; Kubernetes adds two hashes to a pod's name

# The labels that all objects of a release carry, and by which they are found again.
INSTANCE = "app.kubernetes.io/instance"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "optbuild"
VARIANT = "optbuild/variant"
IMAGE = "optbuild/image"
SPEC = "optbuild/spec"
OWNER = "optbuild/owner"


@dataclass(frozen=True)
class Release:
    """Everything that decides the manifests.

    A second release of the same name replaces the first one in a rolling update. With `hpa_max`
    an autoscaler keeps between the variant's replicas and that many. With `node_port` every node
    answers on a port of its own; without, the Service is reachable inside the cluster only.
    `owner` is the process that is going to remove it (deploy/owner.py), if one is.
    """

    name: str
    image: str
    variant: Variant
    hpa_max: int | None = None
    node_port: bool = True
    owner: str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", self.name) or len(self.name) > MOST_NAME:
            raise OptbuildError(
                f"'{self.name}' is no name for Kubernetes: use up to {MOST_NAME} small letters, "
                "digits and dashes, with a letter first and no dash last"
            )
        if not self.image or any(character.isspace() for character in self.image):
            raise OptbuildError(f"'{self.image}' is no image: give --image NAME:TAG")
        if self.hpa_max is not None and self.hpa_max < self.variant.replicas:
            raise OptbuildError(
                f"--hpa {self.hpa_max} is below the {self.variant.replicas} replicas of "
                f"'{self.variant.spec}': give at least {self.variant.replicas}"
            )


def selector(name: str) -> str:
    """The label selector of all that belongs to the release of that name."""
    return f"{INSTANCE}={name},{MANAGED_BY}={MANAGER}"
