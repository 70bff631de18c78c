"""A finished figure with everything that stands around it."""

from dataclasses import dataclass

from matplotlib.figure import Figure

from analysis._chart import Chart, Table
from analysis._figstyle import svg


@dataclass(frozen=True)
class Drawing:
    """`name` is its file stem, `label` what a screen reader says.

    `table` holds the same numbers for whoever does not look at pictures; `chart` is there where
    hovering and hiding variants help.
    """

    name: str
    title: str
    label: str
    figure: Figure
    table: Table | None = None
    chart: Chart | None = None

    def svg(self, standalone: bool = False) -> str:
        """As an element of a page, or as a file of its own."""
        return svg(self.name, self.title, self.label, self.figure, standalone)
