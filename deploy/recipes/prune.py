"""Takes out of a venv what a server never runs: `python3 prune.py VENV`, within a build.

Bytecode stays: a container's file system is read-only to its server, which would compile every
module anew at each start.
"""

import shutil
import sys
from pathlib import Path

# Needed to install, not to run. (BentoML asks importlib.metadata, not pkg_resources.)
INSTALLERS = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "wheel", "uv")
FOLDERS = ("tests", "test")
# What compilers, type checkers and debuggers read.
SUFFIXES = (".pyi", ".pxd", ".pyx", ".h", ".hpp", ".c", ".a")


def prune(venv: Path) -> int:
    """Remove it; returns the bytes that are gone."""
    before = size(venv)
    (packages,) = venv.glob("lib/python*/site-packages")
    for name in INSTALLERS:
        for found in (packages / name, *packages.glob(f"{name}-*.dist-info")):
            shutil.rmtree(found, ignore_errors=True)
        for script in venv.glob(f"bin/{name}*"):
            if not script.name.removeprefix(name).strip("0123456789."):  # pip3.11, not pipeline
                script.unlink()
    (packages / "distutils-precedence.pth").unlink(missing_ok=True)
    for folder in [path for path in packages.rglob("*") if path.name in FOLDERS]:
        # Only below a package: a top-level `tests` may be what somebody imports by mistake,
        # but a folder of data called so need not be tests.
        if (folder / "__init__.py").exists():
            shutil.rmtree(folder)
    for path in packages.rglob("*"):
        if path.suffix in SUFFIXES and path.is_file():
            path.unlink()
    return before - size(venv)


def size(folder: Path) -> int:
    """Bytes of all files below a folder, links not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


if __name__ == "__main__":
    print(f"removed {prune(Path(sys.argv[1])) / 1e6:.0f} MB")
