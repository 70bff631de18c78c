"""The certificate as a tab of Locust's web UI.

Locust shows any table whose columns stand in the page's `extended_tables` and whose rows come with
the answers to /stats/requests; the page asks for those while a test runs and when it has ended.
"""

from collections.abc import Callable
from typing import Any

from flask import Response, request

from loadtests._certificate import Certificate
from loadtests._rows import COLUMNS, row, rows

KEY = "certificate"


def add_tab(web_ui: Any, certificate: Callable[[], Certificate | None]) -> None:
    """Add the tab; `certificate` gives that of the last test, None while there is none."""
    structure = [{"key": key, "title": title} for key, title in COLUMNS.items()]
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
    """The verdict and the rows; a single one as long as no test has ended."""
    if certificate is None:
        return [row("certificate", "-", "", "comes with the end of the test")]
    return [
        row("certificate", "", "", "passed" if certificate["passed"] else "FAILED"),
        *(row("reason", reason) for reason in certificate["reasons"]),
        *rows(certificate),
    ]
