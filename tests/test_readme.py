"""The README names what there is, and nothing that is not there."""

import re
from pathlib import Path

import pytest

from builder.cli import cli
from builder.load import scenarios
from variants._spec import compose, layers

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = set(cli.list_commands(None))  # type: ignore[arg-type]  # needs no context


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_shown(command: str) -> None:
    assert f"optbuild {command}" in README


def test_no_command_is_made_up() -> None:
    assert set(re.findall(r"[$`] ?optbuild (\w+)", README)) <= COMMANDS


@pytest.mark.parametrize("name", [*layers(), *scenarios()])
def test_every_layer_and_scenario_is_in_a_table(name: str) -> None:
    assert re.search(rf"^\| `{name}\b", README, re.MULTILINE)


def test_the_specs_of_the_examples_are_specs() -> None:
    found = re.findall(r"optbuild (?:variant|serve|ablate) ([\w+=:,]+)", README)
    assert len(found) > 3
    for spec in found:
        compose(spec)


def test_files_that_are_linked_exist() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_top_level_is_as_agreed() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."}
    agreed = {"analysis", "bentofiles", "builder", "deploy", "loadtests", "tests", "variants"}
    assert agreed <= folders
    # What may stand beside them is made here, and ignored by git.
    made = {"build", "dist", "runs", "__pycache__", "optbuild.egg-info"}
    assert folders - agreed <= made
