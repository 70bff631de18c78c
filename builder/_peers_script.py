"""What a peer's file says at its top: the packages it needs and the settings to try.

The block is inline script metadata (packaging.python.org, "Inline script metadata", PEP 723), so
that whoever reads a peer's file sees everything that it is measured with.
"""

import ast
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import loadtests
from variants._errors import OptbuildError

Settings = Mapping[str, int | str]

# The expression of the specification.
_BLOCK = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


@dataclass(frozen=True)
class Best:
    """A peer's best settings: for a server with much to do, and for one that is nearly idle.

    A large model wants a thread for each request in the first, and all threads for the only one in
    the second. Our variants have one setting for both.
    """

    busy: Settings
    idle: Settings


@dataclass(frozen=True)
class Script:
    """A peer's file: `name` is its stem, `summary` the first line of its docstring."""

    name: str
    summary: str
    requirements: tuple[str, ...]
    settings: tuple[Settings, ...]  # at least one; the best of them are measured


def folder() -> Path:
    """Where the peers are."""
    return Path(next(iter(loadtests.__path__))) / "peers"


def peers(scripts: Path) -> list[str]:
    """Names of the peers: every file in their folder."""
    return sorted(path.stem for path in scripts.glob("[!_]*.py"))


def read_script(path: Path) -> Script:
    """Read a peer's file; raises OptbuildError if it has no complete block."""
    text = path.read_text(encoding="utf-8")
    found = _BLOCK.search(text)
    try:
        if found is None:
            raise KeyError("# /// script")
        lines = found["content"].splitlines()
        content = tomllib.loads(
            "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines)
        )
        settings = tuple(content["tool"]["optbuild"]["settings"])
        summary = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
        return Script(path.stem, summary, tuple(content["dependencies"]), settings)
    except (KeyError, tomllib.TOMLDecodeError) as error:
        raise OptbuildError(f"{path}: its script block lacks {error}", exit_code=1) from error


def words(settings: Settings) -> str:
    """ "batch=8 workers=cpus"."""
    return " ".join(f"{name}={value}" for name, value in settings.items())
