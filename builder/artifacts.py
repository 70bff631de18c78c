"""A cache of folders named by the digest of what they were made from.

A folder is filled under another name and renamed when it is finished, so a crash leaves nothing
that a later call takes for finished. A lock per artifact lets a second build wait for the first
one's result instead of making its own.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder import digests
from builder.files import locked, write_json
from builder.paths import cache_dir

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Artifact:
    """A finished folder: what was made, from what, with which facts worth recording."""

    path: Path
    facts: Facts
    content_digest: str


def make(kind: str, recipe: Facts, fill: Callable[[Path], Facts]) -> Artifact:
    """The artifact of a recipe, from the cache or made by `fill(folder)`, which returns facts.

    `recipe` is JSON: everything that decides the content. Two calls with one recipe, in whatever
    processes, run `fill` once.
    """
    key = f"{kind}-{digests.of_json(recipe)[:20]}"
    target = cache_dir() / "artifacts" / key
    with locked(cache_dir() / "locks" / f"{key}.lock"):
        if not target.exists():
            partial = target.with_name(f".partial-{key}")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            try:
                facts = fill(partial)
                digest = digests.of_folder(partial)
                write_json(
                    partial / "artifact.json",
                    {"recipe": recipe, "facts": facts, "content_digest": digest},
                )
                os.sync()  # the content is on disk before the name says that it is finished
                partial.rename(target)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
    return read(target)


def read(path: Path) -> Artifact:
    """An artifact that `make` finished."""
    content = json.loads((path / "artifact.json").read_text(encoding="utf-8"))
    return Artifact(path, content["facts"], content["content_digest"])
