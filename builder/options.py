"""Options that several commands share."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from builder.within import Within

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def model_options(command: Command) -> Command:
    """What to build from, and how much of its answers a variant may change.

    The command gets the latter as `limits`, what `builder.check.Limits` takes.
    """

    @functools.wraps(command)
    def gathered(
        *args: Any,
        max_accuracy_drop: float,
        max_flips: float,
        max_batch_flips: float,
        max_batch_drift: float,
        **kwargs: Any,
    ) -> Any:
        from builder.check import Limits

        limits = Limits(
            accuracy_drop=max_accuracy_drop / 100,
            flip_rate=max_flips / 100,
            batch_flip_rate=max_batch_flips / 100,
            batch_drift=max_batch_drift / 100,
        )
        return command(*args, limits=limits, **kwargs)

    options = [
        click.option(
            "--model",
            metavar="M",
            help="A folder in Hugging Face layout, a hub id, or synthetic:roberta-base "
            "(random weights); the bundled sentiment model if left out.",
        ),
        click.option(
            "--golden",
            type=FILE,
            help="CSV file with the columns text,label on which variants are checked.",
        ),
        click.option(
            "--calibration",
            type=FILE,
            help="One text a line, like those to be served and none of them in --golden: "
            "quantized=static fixes its ranges on them, and where int8 flips too many labels they "
            "tell which operators to keep in fp32. Movie reviews if left out.",
        ),
        _percent(
            "--max-accuracy-drop", 1.0, "Percentage points of accuracy that a variant may lose."
        ),
        _percent(
            "--max-flips", 2.0, "Percent of texts whose label may differ from the baseline's."
        ),
        _percent(
            "--max-batch-flips",
            2.0,
            "Percent of texts whose label may depend on the texts they are batched with.",
        ),
        _percent(
            "--max-batch-drift",
            25.0,
            "Percentage points by which those may move a probability, its label or not.",
        ),
    ]
    decorated: Any = gathered
    for option in reversed(options):
        decorated = option(decorated)
    result: Command = decorated
    return result


def _percent(name: str, default: float, help: str) -> Callable[[Command], Command]:
    return click.option(name, type=Within(0, 100), default=default, show_default=True, help=help)


def target_option(*targets: str) -> Callable[[Command], Command]:
    """`--target`, one of these."""
    return click.option(
        "--target",
        type=click.Choice(targets),
        default="local",
        show_default=True,
        help="Where the servers run: processes, containers of a local engine, pods of a cluster.",
    )
