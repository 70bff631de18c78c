"""The two ways to make an image of a Bento: ours, and BentoML's own to compare it with."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import jinja2

from deploy import context
from deploy.pipconf import PipConf

Name = Literal["optbuild", "bentoml"]

FOLDER = Path(__file__).parent / "recipes"
SOURCES: Mapping[Name, tuple[str, ...]] = {
    "optbuild": ("Dockerfile.j2", "venv.j2", "prune.py"),
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

    def files(self, requirements: Sequence[str]) -> tuple[dict[str, str], dict[str, Path]]:
        """What installing these takes, in the context's folder `build`: texts, and files."""
        ca_bundle = self.ca_bundle or self.pip.ca_bundle
        wheels = context.wheels([*self.wheels, *self.pip.folders], self.pins)
        texts = {
            "build/requirements.txt": "".join(f"{line}\n" for line in requirements),
            "build/constraints.txt": "".join(f"{name}=={self.pins[name]}\n" for name in self.pins),
            "build/pip.conf": self.pip.text,
            "build/wheels/.keep": "",  # pip wants the folder to be there
        }
        files = {f"build/wheels/{name}": path for name, path in wheels.items()}
        files["build/prune.py"] = FOLDER / "prune.py"
        if ca_bundle is not None:
            files["build/ca-bundle.pem"] = ca_bundle
        return texts, files


def digest(recipe: Name) -> str:
    """Hex sha256 of what the recipe consists of."""
    return hashlib.sha256(b"".join((FOLDER / n).read_bytes() for n in SOURCES[recipe])).hexdigest()


def write_context(
    file: IO[bytes], recipe: Name, bento: Bento, base: str, what: Installation
) -> None:
    """Write the archive that the engine builds."""
    texts, files = what.files(bento.requirements)
    values = {"base": base, "ca_bundle": "build/ca-bundle.pem" in files}
    if recipe == "optbuild":
        texts["Dockerfile"] = render("Dockerfile.j2", values)
        context.write(file, texts, files, bento.path, "bento/")
    else:
        # The Bento brings it along; its first instruction names BentoML's default base image.
        own = (bento.path / "env" / "docker" / "Dockerfile").read_text(encoding="utf-8")
        before, _, after = own.partition("\nFROM ")
        rest = after.partition("\n")[2]
        texts["Dockerfile"] = f"{before}\n{render('bentoml-base.j2', values)}\n{rest}"
        context.write(file, texts, files, bento.path, "")


def render(template: str, values: Mapping[str, object]) -> str:
    """A file of the recipes with these values."""
    files = jinja2.FileSystemLoader(FOLDER)
    environment = jinja2.Environment(loader=files, trim_blocks=True, autoescape=False)
    return environment.get_template(template).render(values)
