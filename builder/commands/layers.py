"""`optbuild layers`."""

import json

import click


@click.command(epilog="Example: optbuild layers --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def layers(as_json: bool) -> None:
    """List every layer: level, parameters with defaults and ranges, what it needs."""
    from builder.describe import layers_as_json, layers_table
    from builder.terminal import out

    if as_json:
        click.echo(json.dumps(layers_as_json(), indent=1))
    else:
        out().print(layers_table())
