"""Options of the commands that talk to a cluster."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

LoadFrom = Literal["local", "job"]

NAME = "classifier"
RUN_NAME = "optbuild-run"  # of an experiment's objects: what is deployed for users is not touched


@dataclass(frozen=True)
class Reach:
    """Which cluster, where in it, and how clients reach it; None: what the kubeconfig says.

    Images are pushed to `registry`, without one imported into the K3s of this machine.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    name: str = RUN_NAME
    registry: str | None = None
    url: str | None = None


def cluster_options(command: Command) -> Command:
    """Which cluster, where in it, and under which name."""
    return _named(NAME, "Of all the objects; another release of the same name takes its place.")(
        command
    )


def reach_options(command: Command) -> Command:
    """The same for an experiment, and how images and clients get there: `reach`, a Reach."""

    @functools.wraps(command)
    def gathered(
        *args: Any,
        kubeconfig: Path | None,
        context: str | None,
        namespace: str | None,
        name: str,
        registry: str | None,
        url: str | None,
        **kwargs: Any,
    ) -> Any:
        reach = Reach(kubeconfig, context, namespace, name, registry, url)
        return command(*args, reach=reach, **kwargs)

    decorated: Any = gathered
    for option in (
        click.option("--url", help="For k3s: where clients reach it, if not at a NodePort."),
        click.option(
            "--registry",
            help="For k3s: push the images there, as in registry.example:5000/team.",
        ),
        _named(RUN_NAME, "For k3s: of all the objects, which go when a run is over."),
    ):
        decorated = option(decorated)
    result: Command = decorated
    return result


def _named(name: str, meaning: str) -> Callable[[Command], Command]:
    options = [
        click.option(
            "--kubeconfig",
            type=click.Path(path_type=Path),
            help="KUBECONFIG, ~/.kube/config or K3s's own if left out.",
        ),
        click.option("--context", help="Context of the kubeconfig; its current one if left out."),
        click.option("--namespace", "-n", help="The context's own if left out."),
        click.option("--name", default=name, show_default=True, help=meaning),
    ]

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
