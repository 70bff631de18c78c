"""Options of the commands that talk to a cluster."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

NAME = "classifier"


def cluster_options(command: Command) -> Command:
    """Which cluster, where in it, and under which name."""
    options = [
        click.option(
            "--kubeconfig",
            type=click.Path(path_type=Path),
            help="KUBECONFIG, ~/.kube/config or K3s's own if left out.",
        ),
        click.option("--context", help="Context of the kubeconfig; its current one if left out."),
        click.option("--namespace", "-n", help="The context's own if left out."),
        click.option(
            "--name",
            default=NAME,
            show_default=True,
            help="Of all the objects; another release of the same name takes its place.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command
