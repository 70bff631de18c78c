"""The command `optbuild`: finds the commands, and turns errors into one line and an exit code."""

import importlib
import pkgutil
import signal
import sys
from typing import Any

import click

import builder.commands
from builder.oserrors import explain
from variants._errors import OptbuildError


class Commands(click.Group):
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

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command; every mistake of the user ends in one line on stderr and exit code 2."""
        # SystemExit unwinds, so that child processes are ended on the way out.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            return super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(2)
        except click.UsageError as error:
            where = error.ctx.command_path if error.ctx else "optbuild"
            _exit(f"{error.format_message().rstrip('.')}; see: {where} --help", 2)
        except click.ClickException as error:
            _exit(error.format_message(), 2)
        except OptbuildError as error:
            _exit(str(error), error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            _exit("interrupted", 130)
        except BrokenPipeError:
            # The reader of our output has gone; so does Python's own flush at exit.
            sys.stderr.close()
            sys.exit(141)
        except OSError as error:
            if (line := explain(error)) is None:
                raise
            _exit(line, 2)


def _exit(message: str, code: int) -> None:
    click.echo(f"optbuild: {' '.join(message.split())}", err=True)
    sys.exit(code)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: optbuild variant onnx+batching",
)
@click.version_option(package_name="optbuild")
def cli() -> None:
    """Find out which serving optimizations are worth it for your model, and prove it."""
