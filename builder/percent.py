"""A share as a user types it: `10%`."""

import click


def percent(ctx: click.Context, option: click.Parameter, value: str | None) -> float | None:
    """Callback of an option: `10%` or `10` as 0.1, from above 0% to 1000%; None if left out."""
    if value is None:
        return None
    try:
        share = float(value.removesuffix("%")) / 100
    except ValueError:
        share = 0.0
    if not 0 < share <= 10:  # also refuses nan
        raise click.BadParameter(f"'{value}' is not like 10% (more than 0%, at most 1000%)")
    return share
