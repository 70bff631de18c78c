"""A number within bounds, as an option of a command."""

import math
from typing import Any

import click


class Within(click.FloatRange):
    """click's FloatRange, which lets `nan` through: that is neither below nor above a bound."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number; raises click.BadParameter where it is none, or out of bounds."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"'{value}' is not a number", param, ctx)
        return number
