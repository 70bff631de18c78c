"""Pages from templates: what the templates may call, and the script that the page carries."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from analysis import words
from analysis._chart import Chart, chart_json
from analysis._drawing import Drawing
from analysis._figstyle import css_variables
from analysis._forest import forest, scale_of
from analysis.compare import Comparison

TEMPLATES = Path(__file__).parent / "templates"


def render(
    template: str, page: Mapping[str, Any], escape: bool, shown: Iterable[Comparison] = ()
) -> str:
    """Fill a template; `shown` are the comparisons that share one scale of small intervals."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=escape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scale = scale_of(shown)
    environment.filters |= {
        "better_in": words.better_in,
        "cell": lambda text: str(text).replace("|", "\\|").replace("<", "&lt;"),
        "chart": lambda drawing: _data(drawing.chart),
        "forest": lambda one: Markup(forest(one, scale)),  # numbers only
        "headline": words.headline,
        "rate": lambda rps: f"{words.factor(rps)}/s",
        "span": words.span,
        "svg": _inline,
        "verdict": words.verdict,
    }
    script = _script()
    environment.globals |= {
        "light": css_variables(dark=False),
        "dark": css_variables(dark=True),
        "script": Markup(script),  # ours and uPlot's
        "script_digest": f"sha256-{_digest(script)}",
    }
    return environment.get_template(template).render(page)


def _script() -> str:
    """uPlot under its licence, then what draws with it."""
    names = ("uplot.LICENSE", "uplot.min.js", "report.js")
    licence, library, own = ((TEMPLATES / name).read_text(encoding="utf-8") for name in names)
    return f"/*\n{licence.strip()}\n*/\n{library}\n{own}"


def _digest(script: str) -> str:
    """What the page's own policy lets run: this script and no other."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _inline(drawing: Drawing) -> Markup:
    return Markup(drawing.svg())  # drawn here, labels escaped


def _data(chart: Chart) -> Markup:
    text = json.dumps(chart_json(chart), separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # no name of a variant ends the element
