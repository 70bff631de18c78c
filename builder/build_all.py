"""Builds one after the other, with a line on stderr that says what is going on."""

from collections.abc import Iterator, Sequence
from functools import partial

from rich.console import Console
from rich.status import Status

from builder.build import Build, Request, build
from builder.terminal import notes
from variants._layer import Variant


def build_all(variants: Sequence[Variant], request: Request) -> Iterator[Build]:
    """The Bento of each variant, in order, as soon as it is there."""
    console = notes()
    for variant in variants:
        if not console.is_terminal:
            yield build(variant, request, partial(_print_stage, console, variant))
            continue
        with console.status(f"{variant.spec}: looking it up") as status:
            done = build(variant, request, partial(_show_stage, status, variant))
        yield done


def _print_stage(console: Console, variant: Variant, stage: str) -> None:
    console.print(f"{variant.spec}: {stage}")


def _show_stage(status: Status, variant: Variant, stage: str) -> None:
    status.update(f"{variant.spec}: {stage}")
