"""The certificate for people: the rows of the web UI's tab and of a headless run's end."""

from loadtests._certificate import Certificate

COLUMNS = {"figure": "Figure", "value": "Value", "limit": "Limit", "verdict": "Verdict"}


def ending(certificate: Certificate) -> str:
    """The lines that end a headless run: an aligned table, then passed, or FAILED and why."""
    table = [COLUMNS, *rows(certificate)]
    widths = {key: max(len(one[key]) for one in table) for key in COLUMNS}
    lines = ["  ".join(one[key].ljust(widths[key]) for key in COLUMNS).rstrip() for one in table]
    if certificate["passed"]:
        return "\n".join([*lines, "certificate: passed, the load was sent as declared"])
    reasons = (f"  {reason}" for reason in certificate["reasons"])
    return "\n".join([*lines, "certificate: FAILED", *reasons])


def rows(certificate: Certificate) -> list[dict[str, str]]:
    """The gates with their limits, then what was declared and what was done."""
    return [
        *(
            row(
                gate["name"],
                _figure(gate["value"], gate["unit"]),
                _figure(gate["limit"], gate["unit"]),
                "passed" if gate["passed"] else "FAILED",
            )
            for gate in certificate["gates"]
        ),
        row("rate declared", _figure(certificate["target_rate"], "/s")),
        row("rate realised", _figure(certificate["realised_rate"], "/s")),
        row("CV of the gaps declared", _number(certificate["target_cv"])),
        row("CV of the gaps realised", _number(certificate["realised_cv"])),
        row("share of arrivals sent", _figure(certificate["sent_fraction"])),
        *(
            row(f"lateness {name}", _figure(value, "s"))
            for name, value in certificate["lateness_s"].items()
        ),
    ]


def row(figure: str, value: str, limit: str = "", verdict: str = "") -> dict[str, str]:
    """One row; it must not have the key "name": Locust's page would sort the rows by it."""
    return dict(zip(COLUMNS, (figure, value, limit, verdict), strict=True))


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
