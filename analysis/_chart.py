"""The numbers behind a figure: for the interactive chart of the page, and as a table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis._figstyle import VARIANTS

DIGITS = 5  # significant digits in the page; report.json has all


@dataclass(frozen=True)
class Line:
    """One variant: `position` in the ablation gives its colour; None where it has no value."""

    name: str
    position: int
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class View:
    """What one button shows: `lines` in `unit`, a dashed `mark` across where there is a limit."""

    name: str
    unit: str
    lines: tuple[Line, ...]
    log: bool = False
    mark: float | None = None


@dataclass(frozen=True)
class Band:
    """Along x, in the colour of a variant: an interval, and a point of interest."""

    position: int
    low: float | None
    high: float | None
    point: float | None


@dataclass(frozen=True)
class Chart:
    """Views over one x axis; `ticks` name places of it, `stepped` holds a value for its bin.

    `first` is whether the page begins with the chart; else with the still picture.
    """

    x_name: str
    x: tuple[float, ...]
    views: tuple[View, ...]
    x_log: bool = False
    ticks: tuple[tuple[float, str], ...] = ()
    stepped: bool = False
    bands: tuple[Band, ...] = ()
    first: bool = True


@dataclass(frozen=True)
class Table:
    """A figure's figures: the first column names the row."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def chart_json(chart: Chart) -> dict[str, Any]:
    """The object that report.js draws."""
    return {
        "xName": chart.x_name,
        "x": _rounded(chart.x),
        "xLog": chart.x_log,
        "ticks": [[_round(at), text] for at, text in chart.ticks],
        "stepped": chart.stepped,
        "first": chart.first,
        "bands": [
            {"colour": f"v{band.position % VARIANTS}", "low": band.low, "high": band.high}
            | {"point": band.point}
            for band in chart.bands
        ],
        "views": [
            {
                "name": view.name,
                "unit": view.unit,
                "log": view.log,
                "mark": None if view.mark is None else _round(view.mark),
                "lines": [
                    {
                        "name": line.name,
                        "colour": f"v{line.position % VARIANTS}",
                        "dash": line.position // VARIANTS % 3,
                        "values": _rounded(line.values),
                    }
                    for line in view.lines
                ],
            }
            for view in chart.views
        ],
    }


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None or math.isnan(value) else _round(value) for value in values]


def _round(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
