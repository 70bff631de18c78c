"""The two ways to make an image of a Bento: ours, and BentoML's own to compare it with."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import jinja2

from deploy import context
from deploy.pipconf import PipConf

Name = Literal["optbuild", "bentoml"]

FOLDER = Path(__file__).parent / "recipes"
SOURCES: Mapping[Name, tuple[str, ...]] = {
    "optbuild": ("Dockerfile.j2", "prune.py"),
    "bentoml": ("bentoml-base.j2",),
}


@dataclass(frozen=True)
class Bento:
    """A Bento to make an image of: its tag `name:version` and its folder."""

    tag: str
    path: Path

    @property
    def requirements(self) -> list[str]:
        """Its direct requirements."""
        content: dict[str, Any] = json.loads((self.path / "src" / "variant.json").read_text())
        return list(content["requirements"])


@dataclass(frozen=True)
class Installation:
    """What the build installs and from where; none of it but the libraries ends in our image."""

    pins: Mapping[str, str]  # version by canonical name
    pip: PipConf
    wheels: tuple[Path, ...]  # folders
    ca_bundle: Path | None


def digest(recipe: Name) -> str:
    """Hex sha256 of what the recipe consists of."""
    return hashlib.sha256(b"".join((FOLDER / n).read_bytes() for n in SOURCES[recipe])).hexdigest()


def write_context(
    file: IO[bytes], recipe: Name, bento: Bento, base: str, what: Installation
) -> None:
    """Write the archive that the engine builds."""
    ca_bundle = what.ca_bundle or what.pip.ca_bundle
    wheels = context.wheels([*what.wheels, *what.pip.folders], what.pins)
    texts = {
        "build/requirements.txt": "".join(f"{line}\n" for line in bento.requirements),
        "build/constraints.txt": "".join(f"{name}=={what.pins[name]}\n" for name in what.pins),
        "build/pip.conf": what.pip.text,
        "build/wheels/.keep": "",  # pip wants the folder to be there
    }
    files = {f"build/wheels/{name}": path for name, path in wheels.items()}
    if ca_bundle is not None:
        files["build/ca-bundle.pem"] = ca_bundle
    values = {"base": base, "ca_bundle": ca_bundle is not None}
    if recipe == "optbuild":
        texts["Dockerfile"] = _render("Dockerfile.j2", values)
        files["build/prune.py"] = FOLDER / "prune.py"
        context.write(file, texts, files, bento.path, "bento/")
    else:
        # The Bento brings it along; its first instruction names BentoML's default base image.
        own = (bento.path / "env" / "docker" / "Dockerfile").read_text(encoding="utf-8")
        before, _, after = own.partition("\nFROM ")
        rest = after.partition("\n")[2]
        texts["Dockerfile"] = f"{before}\n{_render('bentoml-base.j2', values)}\n{rest}"
        context.write(file, texts, files, bento.path, "")


def _render(template: str, values: Mapping[str, object]) -> str:
    text = (FOLDER / template).read_text(encoding="utf-8")
    return jinja2.Environment(trim_blocks=True, autoescape=False).from_string(text).render(values)
