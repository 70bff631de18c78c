"""What an install that is not editable brings along."""

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PACKAGES = ("analysis", "bentofiles", "builder", "deploy", "loadtests", "variants")
SOURCES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")


def test_a_wheel_holds_every_module_and_all_data(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in SOURCES:
        shutil.copy(ROOT / name, source)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"),
            *("--quiet", "--wheel-dir", str(tmp_path / "wheels"), str(source)),
        ],
        check=True,
    )
    (wheel,) = (tmp_path / "wheels").glob("optbuild-*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    for name in PACKAGES:
        modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / name).rglob("*.py")}
        assert modules <= inside
    assert "analysis/templates/report.html.j2" in inside
    assert "builder/bundled/model.safetensors" in inside
    assert not [name for name in inside if name.startswith("tests/")]


def needs(name: str, extras: tuple[str, ...] = ()) -> list[Requirement]:
    """What an installed distribution requires here, with some of its extras."""
    found = [Requirement(line) for line in importlib.metadata.requires(name) or []]
    return [
        one
        for one in found
        if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in (*extras, ""))
    ]


def test_every_dependency_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {canonicalize_name(line.partition("==")[0]) for line in lines if "==" in line}
    to_see = needs("optbuild", ("demo", "train", "test"))
    seen: set[str] = set()
    while to_see:
        requirement = to_see.pop()
        name = canonicalize_name(requirement.name)
        if name in seen or "==" in str(requirement.specifier):  # pinned by who requires it
            continue
        if name.startswith(("cuda-", "nvidia-")):  # which of them come along is torch's choice
            continue
        seen.add(name)
        to_see += needs(name, tuple(requirement.extras))
    assert len(seen) > 50
    assert seen <= pinned
