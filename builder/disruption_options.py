"""What `optbuild disrupt` was given."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from builder.build import Request
from builder.cluster_options import Reach
from builder.plan import Slo, parse_rate, parse_slo
from deploy.image import Options as ImageOptions

BLOCKS, DURATION_S = 8, 60.0
QUICK_BLOCKS, QUICK_DURATION_S = 2, 30.0


@dataclass(frozen=True)
class Options:
    """What `optbuild disrupt` was given."""

    specs: tuple[str, ...]
    experiments: tuple[str, ...]
    scenario: str
    target: str
    request: Request
    image: ImageOptions
    reach: Reach
    blocks: int
    duration_s: float
    rate_rps: float | None
    slo: Slo
    seed: int
    timeout_s: float
    margin: float
    texts: Path | None
    directory: Path
    resume: bool
    command: str

    @classmethod
    def from_options(
        cls, specs: tuple[str, ...], directory: Path, command: str, given: Mapping[str, Any]
    ) -> Self:
        """From the options of the command."""
        quick: bool = given["quick"]
        return cls(
            specs=specs,
            experiments=given["experiment"],
            scenario=given["scenario"],
            target=given["target"],
            request=Request(
                given["model"], given["golden"], given["limits"], calibration=given["calibration"]
            ),
            image=given["image"],
            reach=given["reach"],
            blocks=given["blocks"] or (QUICK_BLOCKS if quick else BLOCKS),
            duration_s=given["duration"] or (QUICK_DURATION_S if quick else DURATION_S),
            rate_rps=parse_rate(given["rate"]),
            slo=parse_slo(given["slo"]),
            seed=given["seed"],
            timeout_s=given["timeout"],
            margin=given["margin"] / 100,
            texts=given["texts"],
            directory=directory,
            resume=given["resume"],
            command=command,
        )
