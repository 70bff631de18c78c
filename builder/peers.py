"""Our variants beside other servers, on the same model: `python -m builder.peers --out DIR`."""

from collections.abc import Sequence
from pathlib import Path

import click

from builder._peers_compare import Options, compare
from builder._peers_plan import LOADS
from builder._peers_script import folder, peers
from builder.one_line import OneLine
from builder.options import FILE
from builder.terminal import notes
from builder.within import Within
from variants._errors import OptbuildError

SPECS = (
    "onnx+quantized+lean+microbatch",
    "onnx+quantized+lean",
    "onnx+quantized+threads+batching+workers=2",
    "onnx+quantized",
)


def _names(known: Sequence[str], what: str, asked: str | None) -> tuple[str, ...]:
    names = tuple(known) if asked is None else tuple(dict.fromkeys(asked.split(",")))
    for name in names:
        if name not in known:
            raise OptbuildError(f"unknown {what} '{name}': known are {', '.join(known)}")
    return names


@click.command(
    cls=OneLine, epilog="Example: python -m builder.peers --out runs/peers --peers mosec,asgi"
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Where the runs and the table go.",
)
@click.option("--model", metavar="M", help="As of optbuild ablate; the bundled one if left out.")
@click.option(
    "--spec",
    multiple=True,
    default=SPECS,
    show_default=True,
    help="Ours, repeatable; the first is the one that all others are compared with.",
)
@click.option("--peers", "chosen", metavar="P,P", help="Some of the peers; all if left out.")
@click.option("--loads", metavar="L,L", help=f"Some of {', '.join(LOADS)}; all if left out.")
@click.option("--blocks", type=click.IntRange(1, 1000), default=8, show_default=True)
@click.option(
    "--seconds",
    type=Within(0.5, 600),
    default=10.0,
    show_default=True,
    help="Of a run; an open-loop one lasts longer where its p99 needs that.",
)
@click.option("--seed", type=click.IntRange(0, 2**31), default=1, show_default=True)
@click.option("--texts", type=FILE, help="Texts to send, one a line.")
@click.option(
    "--venvs",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".venv-peers"),
    show_default=True,
    help="Where each peer gets a virtual environment of its own.",
)
@click.option(
    "--settings-of",
    type=click.Path(file_okay=False, path_type=Path),
    multiple=True,
    help="An earlier comparison on this machine: its peers' settings are taken, not found anew. "
    "Repeatable; of several that have a peer the last one counts.",
)
@click.option("--resume", is_flag=True, help="Go on with the comparison in --out.")
def main(
    out: Path,
    model: str | None,
    spec: tuple[str, ...],
    chosen: str | None,
    loads: str | None,
    blocks: int,
    seconds: float,
    seed: int,
    texts: Path | None,
    venvs: Path,
    settings_of: tuple[Path, ...],
    resume: bool,
) -> None:
    """Compare our variants with other servers on the same model, texts and machine.

    Installs each peer, finds its best settings, and loads all of them in randomized blocks beside
    the in-process limit. The table goes to stdout and to OUT/peers.md and OUT/peers.json.
    """
    options = Options(
        specs=spec,
        peers=_names(peers(folder()), "peer", chosen),
        loads=_names(list(LOADS), "load", loads),
        blocks=blocks,
        seconds=seconds,
        seed=seed,
        model=model,
        texts=texts,
        directory=out,
        venvs=venvs,
        resume=resume,
        settings_of=settings_of,
    )
    click.echo(compare(options, notes()), nl=False)


if __name__ == "__main__":
    main()
