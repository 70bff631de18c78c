"""A virtual environment for each peer, made once and kept."""

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from builder import digests
from builder.files import locked
from deploy.child import Child
from variants._errors import OptbuildError

INSTALL_TIMEOUT_S = 1800.0  # Ray and Triton are some hundred megabytes each


def ensure_venv(folder: Path, requirements: Sequence[str]) -> Path:
    """The Python of a venv that holds exactly these requirements; installs them if need be.

    Raises OptbuildError if there is none to be had, with pip's first line of error if it has one.
    """
    python = folder / "bin" / "python"
    stamp = folder / "installed"
    key = digests.of_json([list(requirements), sys.version])
    with locked(folder.with_name(f"{folder.name}.lock")):
        if stamp.exists() and stamp.read_text(encoding="utf-8") == key:
            return python
        try:
            venv.create(folder, with_pip=bool(requirements), clear=True)
        except subprocess.CalledProcessError as error:
            raise OptbuildError(f"no virtual environment can be made: {error}", 1) from error
        if requirements:
            _install(python, requirements, folder / "install.log")
        stamp.write_text(key, encoding="utf-8")
    return python


def _install(python: Path, requirements: Sequence[str], log: Path) -> None:
    with Child(["-m", "pip", "install", *requirements], log, python=python) as child:
        try:
            code = child.process.wait(INSTALL_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise OptbuildError(f"pip took more than {INSTALL_TIMEOUT_S:g} s", 1) from None
    if code != 0:
        raise OptbuildError(f"does not install: {last_error(log)}", exit_code=1)


def last_error(log: Path) -> str:
    """The first line in which pip says what is wrong, else its last line."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["pip said nothing"])[0 if errors else -1]
