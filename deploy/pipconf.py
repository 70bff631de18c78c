"""This machine's pip configuration, as far as it means something inside an image's build."""

import ast
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

PLACES = ("index-url", "extra-index-url", "find-links")  # addresses, or folders of this machine
COPIED = (*PLACES, "trusted-host", "no-index", "timeout", "default-timeout", "retries", "proxy")


@dataclass(frozen=True)
class PipConf:
    """What pip is told in a build.

    `folders` are local folders of wheels, which can travel in the build's context; `unseen` are
    local indexes, which the build cannot see.
    """

    text: str
    folders: tuple[Path, ...] = ()
    unseen: tuple[str, ...] = ()
    ca_bundle: Path | None = None


def of_host() -> PipConf:
    """From what `pip config list` says here: files and environment."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return translate(parse(listed.stdout) if listed.returncode == 0 else {})


def parse(listing: str) -> dict[str, str]:
    """Values by option of `pip config list`; the environment beats files, as it does in pip."""
    ranks = {"global": 0, "install": 1, ":env:": 2}
    found: dict[str, tuple[int, str]] = {}
    for line in listing.splitlines():
        where, equals, value = line.partition("=")
        section, _, option = where.rpartition(".")
        if not equals or section not in ranks:
            continue
        if option not in found or ranks[section] >= found[option][0]:
            found[option] = ranks[section], str(ast.literal_eval(value))
    return {option: value for option, (_, value) in found.items()}


def translate(options: Mapping[str, str]) -> PipConf:
    """A pip.conf of what holds inside a build, and what must come along or stays behind."""
    lines, folders, unseen = ["[global]"], [], []
    for option in COPIED:
        kept = []
        for value in options.get(option, "").split():
            local = _local(value) if option in PLACES else None
            if local is None:
                kept.append(value)
            elif option == "find-links" and local.is_dir():
                folders.append(local)
            else:
                unseen.append(value)
        if kept:
            lines.append(f"{option} =")
            lines += [f"    {value}" for value in kept]
    certificate = Path(options["cert"]) if "cert" in options else None
    return PipConf(
        text="\n".join(lines) + "\n",
        folders=tuple(folders),
        unseen=tuple(unseen),
        ca_bundle=certificate if certificate and certificate.is_file() else None,
    )


def _local(value: str) -> Path | None:
    """The folder that a location of pip's names; None for an address."""
    parts = urlsplit(value)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if parts.scheme else Path(value)
