"""The certificate as a tab of Locust's web UI.

Locust shows any table whose columns stand in the page's `extended_tables` and whose rows come with
the answers to /stats/requests; the page asks for those while a test runs and when it has ended.
"""

from collections.abc import Callable
from typing import Any

from flask import Response, request

from loadtests._certificate import Certificate

KEY = "certificate"
# A row must not have the key "name": the page would sort the rows by it.
_COLUMNS = {"figure": "Figure", "value": "Value", "limit": "Limit", "verdict": "Verdict"}


def add_tab(web_ui: Any, certificate: Callable[[], Certificate | None]) -> None:
    """Add the tab; `certificate` gives that of the last test, None while there is none."""
    structure = [{"key": key, "title": title} for key, title in _COLUMNS.items()]
    web_ui.template_args["extended_tabs"] = [{"title": "Certificate", "key": KEY}]
    web_ui.template_args["extended_tables"] = [{"key": KEY, "structure": structure}]

    def add_rows(response: Response) -> Response:
        if request.path.endswith("/stats/requests") and response.is_json:
            answer = dict(response.get_json())
            answer["extended_stats"] = [{"key": KEY, "data": table(certificate())}]
            response.set_data(web_ui.app.json.dumps(answer))
        return response

    web_ui.app.after_request(add_rows)


def table(certificate: Certificate | None) -> list[dict[str, str]]:
    """Rows for people; a single one as long as no test has ended."""
    if certificate is None:
        return [_row("certificate", "-", "", "comes with the end of the test")]
    return [
        _row("certificate", "", "", "passed" if certificate["passed"] else "FAILED"),
        *(_row("reason", reason) for reason in certificate["reasons"]),
        *(
            _row(
                gate["name"],
                _figure(gate["value"], gate["unit"]),
                _figure(gate["limit"], gate["unit"]),
                "passed" if gate["passed"] else "FAILED",
            )
            for gate in certificate["gates"]
        ),
        _row("rate declared", _figure(certificate["target_rate"], "/s")),
        _row("rate realised", _figure(certificate["realised_rate"], "/s")),
        _row("CV of the gaps declared", _number(certificate["target_cv"])),
        _row("CV of the gaps realised", _number(certificate["realised_cv"])),
        _row("share of arrivals sent", _figure(certificate["sent_fraction"])),
        *(
            _row(f"lateness {name}", _figure(value, "s"))
            for name, value in certificate["lateness_s"].items()
        ),
    ]


def _row(figure: str, value: str, limit: str = "", verdict: str = "") -> dict[str, str]:
    return dict(zip(_COLUMNS, (figure, value, limit, verdict), strict=True))


def _figure(value: float | None, unit: str = "") -> str:
    if value is None:
        return "-"
    if unit == "s":
        return f"{value * 1e3:.2f} ms"
    if unit in ("", "of a core"):
        return f"{value:.2%} {unit}".rstrip()
    return f"{value:.4g} {unit}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
