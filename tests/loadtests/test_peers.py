"""The peers' files: what can be said of them without their libraries."""

import ast
import re
from pathlib import Path

import pytest

from builder._peers_script import folder, peers, read_script

ROOT = Path(__file__).parents[2]
NAMES = peers(folder())
SHARED = ("onnxruntime", "tokenizers")


def test_they_are_the_seven() -> None:
    assert NAMES == ["asgi", "bentoml", "fastapi", "litserve", "mosec", "ray", "triton"]


@pytest.mark.parametrize("name", NAMES)
def test_every_package_is_pinned_and_the_model_runs_on_ours(name: str) -> None:
    script = read_script(folder() / f"{name}.py")
    pins = dict(requirement.split("==") for requirement in script.requirements)
    assert all(re.fullmatch(r"\d[\w.]*", version) for version in pins.values())
    ours = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for library in SHARED:
        assert f"{library}=={pins[library]}" in ours
    assert script.summary.endswith((".", ","))
    assert script.settings


@pytest.mark.parametrize("path", sorted(folder().glob("*.py")), ids=lambda path: path.stem)
def test_a_peer_imports_nothing_of_the_toolkit_but_its_neighbours(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    found += [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    ours = {"analysis", "bentofiles", "builder", "deploy", "loadtests", "variants"}
    inside = [name for name in found if name.partition(".")[0] in ours]
    assert all(name.startswith("loadtests.peers") for name in inside)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_that_is_tried_is_one_that_the_peer_reads(name: str) -> None:
    path = folder() / f"{name}.py"
    read = set(re.findall(r'setting\("(\w+)"\)', path.read_text(encoding="utf-8")))
    for settings in read_script(path).settings:
        assert set(settings) == read
