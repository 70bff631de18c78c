"""The exact versions of everything that a Bento's requirements pull in, as installed here.

An image holds the libraries with which its Bento was checked and measured, not those that happen
to be newest on the day the image is built.
"""

import importlib.metadata
from collections.abc import Sequence

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def pinned(requirements: Sequence[str]) -> dict[str, str]:
    """Version of each distribution that the requirements need, by canonical name.

    Those that are not installed here are left out: the installer chooses them.
    """
    to_see = [Requirement(line) for line in requirements]
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    while to_see:
        requirement = to_see.pop()
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            distribution = importlib.metadata.distribution(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[name] = distribution.version
        to_see += _needs(distribution, tuple(requirement.extras))
    return dict(sorted(found.items()))


def _needs(
    distribution: importlib.metadata.Distribution, extras: tuple[str, ...]
) -> list[Requirement]:
    needs = [Requirement(line) for line in distribution.requires or []]
    return [
        need
        for need in needs
        if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in ("", *extras))
    ]
