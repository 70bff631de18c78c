"""A command whose every mistake of the user ends in one line on stderr and an exit code."""

import signal
import sys
from typing import Any

import click

from builder.oserrors import explain
from variants._errors import OptbuildError


class OneLine(click.Command):
    """Says what failed and what to do about it, without click's lines on usage around it."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command; what the user can mend has exit code 2."""
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
