"""The look shared by all figures: palette, text, and SVG that follows light and dark pages.

Matplotlib draws in the light colours; in SVG each becomes a CSS variable with the light colour as
its fallback, so that a page (or the viewer's preference) can set the dark one.
"""

import io
import re
from collections.abc import Mapping
from html import escape
from itertools import pairwise
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# name -> (light, dark); hues after Okabe & Ito (2008), darkened or lightened to 4.5:1 for text.
COLOURS: Mapping[str, tuple[str, str]] = {
    "ink": ("#1f2328", "#e6edf3"),
    "muted": ("#59636e", "#9aa4af"),
    "grid": ("#d8dee4", "#30363d"),
    "surface": ("#fffffe", "#0d1117"),
    "fill": ("#e7ebef", "#262c34"),
    "good": ("#0067a3", "#58a6e8"),
    "bad": ("#bf4b00", "#ff8a3d"),
    "same": ("#6e7781", "#848d97"),
    "v0": ("#57606a", "#a5afba"),
    "v1": ("#c04f01", "#ff8b40"),
    "v2": ("#00669f", "#57b2f0"),
    "v3": ("#007a58", "#2fc897"),
    "v4": ("#a3447f", "#e693c4"),
    "v5": ("#8a6200", "#e3b342"),
    "v6": ("#5b4bc4", "#a79bf5"),
}
VARIANTS = 7
WIDTH_IN = 4.8  # 346 SVG units: legible on a phone without zooming


def file_stem(kind: str, scenario: str = "") -> str:
    """A name for a file and for ids: what a foreign run.json calls a scenario may be anything."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", f"{kind}-{scenario}" if scenario else kind)


def light(name: str) -> str:
    """The light colour of a name in COLOURS, as matplotlib takes it."""
    return COLOURS[name][0]


def variant_style(position: int) -> dict[str, Any]:
    """Line style of the variant at `position` of the ablation; dashes where hues run out."""
    dash = ("-", "--", ":")[position // VARIANTS % 3]
    return {"color": light(f"v{position % VARIANTS}"), "linestyle": dash}


def new_figure(height_in: float) -> Figure:
    """An empty figure in the shared style; no pyplot, so no global state."""
    matplotlib.rcParams.update(_RC)
    return Figure(figsize=(WIDTH_IN, height_in), facecolor=light("surface"))


def quiet(axes: Axes, grid: str = "x") -> None:
    """Leaves only what carries information: a light grid along one axis, no box."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(which="both", length=0, labelsize=8.5, labelcolor=light("muted"))
    axes.grid(visible=True, which="major", axis=grid, color=light("grid"), linewidth=0.7)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.set_facecolor("none")


def spread(positions: list[float], gap: float) -> list[float]:
    """Moves labels apart to at least `gap`, in order, as little as a single pass can."""
    order = sorted(range(len(positions)), key=positions.__getitem__)
    moved = list(positions)
    for below, above in pairwise(order):
        moved[above] = max(moved[above], moved[below] + gap)
    shift = sum(moved) / len(moved) - sum(positions) / len(positions) if positions else 0.0
    return [position - shift for position in moved]


def svg(name: str, title: str, label: str, figure: Figure, standalone: bool = False) -> str:
    """The figure as an SVG element with a title; `standalone` makes it a file of its own.

    The text stays text, ids carry the figure's name so that many fit one page, and nothing in it
    is loaded from anywhere.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"font: ([\d.]+px) [^;\"]+", r"font: \1 system-ui, sans-serif", text)
    text = re.sub(r"font: (\w+ [\d.]+px) [^;\"]+", r"font: \1 system-ui, sans-serif", text)
    for role, (colour, _) in COLOURS.items():
        text = text.replace(colour, f"var(--fig-{role}, {colour})")
    box = re.search(r'viewBox="[^"]+"', text)
    assert box is not None, "matplotlib writes a viewBox"
    space = ' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    head = (
        f'<svg role="img" aria-label="{escape(label)}" {box[0]}'
        f"{space if standalone else ''}><title>{escape(title)}</title>"
    )
    return head + (_dark_style() if standalone else "") + text[text.index(">") + 1 :]


def css_variables(dark: bool) -> str:
    """The palette as CSS declarations."""
    return " ".join(f"--fig-{name}: {pair[dark]};" for name, pair in COLOURS.items())


def _dark_style() -> str:
    rule = f"svg {{ {css_variables(dark=True)} }}"
    return f"<style>@media (prefers-color-scheme: dark) {{ {rule} }}</style>"


# Any: matplotlib types the keys one by one.
_RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.labelsize": 8.5,
    "axes.labelcolor": light("muted"),
    "text.color": light("ink"),
    "savefig.facecolor": light("surface"),
    "lines.solid_capstyle": "round",
    "axes.unicode_minus": False,
    "text.parse_math": False,  # a layer may be called "a$b$"
}
