"""The command `optbuild`: finds the commands."""

import importlib
import pkgutil

import click

import builder.commands
from builder.one_line import OneLine


class Commands(OneLine, click.Group):
    """One command for each module of `builder.commands`, imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands."""
        return sorted(module.name for module in pkgutil.iter_modules(builder.commands.__path__))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name."""
        if name not in self.list_commands(ctx):
            return None
        command: click.Command = getattr(importlib.import_module(f"builder.commands.{name}"), name)
        return command


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: optbuild variant onnx+batching",
)
@click.version_option(package_name="optbuild")
def cli() -> None:
    """Find out which serving optimizations are worth it for your model, and prove it."""
