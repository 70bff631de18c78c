"""What the user may set: the options of every scenario, on the command line and in Locust's UI."""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from loadtests._scenario import PROCESSES, RESEND, Scenario, Settings
from loadtests._schedule import check
from variants._errors import OptbuildError

_NAMES = {"rate", "cv", "duration", "seed", "texts", "records", "timeout"}
_NAMES |= {"process", "trace", "speed", "resend"}


def add_options(parser: argparse.ArgumentParser, scenario: Scenario) -> None:
    """Add the scenario's options; their defaults are plain values, as Locust's UI needs them."""
    add = parser.add_argument  # Locust's UI shows no option of an argument group
    add("--rate", type=float, default=scenario.rate, help="requests per second on average")
    if "cv" in scenario.options:
        cv = "CV of the gaps: 1 Poisson, more is bursty"
        add("--cv", type=float, default=scenario.cv, help=cv)
    if "process" in scenario.options:
        process = "gamma: independent gaps; mmpp: a quiet and a busy rate in turn"
        add("--process", choices=PROCESSES, default=PROCESSES[0], help=process)
    if "trace" in scenario.options:
        add("--trace", default="", help="CSV of timestamps, in seconds or ISO 8601")
        add("--speed", type=float, default=1.0, help="how many times as fast as recorded")
    add("--duration", type=float, default=scenario.duration_s, help="seconds of the schedule")
    add("--seed", type=int, default=1, help="equal seeds plan the same requests")
    add("--texts", default="", help="file with one text a line (else held-out or generated ones)")
    add("--records", default="", help="records.parquet to write, load.json beside it")
    resend = "a request that meets a stale connection; never: where servers are going to die"
    add("--resend", choices=RESEND, default=RESEND[0], help=resend)
    add("--timeout", type=float, default=10.0, help="seconds until a request counts as timed out")
    # A server's errors are results. They fail the run only if the user asks for that.
    parser.set_defaults(exit_code_on_error=0)


def settings_of(options: argparse.Namespace) -> Settings:
    """Check the parsed options. Raises OptbuildError for the first that cannot be used."""
    given = vars(options)
    settings = Settings(
        rate=options.rate,
        cv=given.get("cv", 1.0),
        duration_s=options.duration,
        seed=options.seed,
        timeout_s=options.timeout,
        texts=Path(options.texts) if options.texts else None,
        records=Path(options.records) if options.records else None,
        process=given.get("process", PROCESSES[0]),
        trace=Path(options.trace) if given.get("trace") else None,
        speed=given.get("speed", 1.0),
        resend=given.get("resend", RESEND[0]) == RESEND[0],
    )
    rate = settings.rate if settings.trace is None else 1.0  # a trace has its own
    check(rate, settings.cv, settings.duration_s, settings.seed, texts=1)
    if not 0 < settings.timeout_s <= 3600:
        raise OptbuildError(f"the timeout must be 0 to 3600 seconds, got {options.timeout:g}")
    if settings.process not in PROCESSES:
        raise OptbuildError(f"the process is gamma or mmpp, not {settings.process!r}")
    if settings.records is not None:
        _check_writable(settings.records)
    return settings


def overlay(options: argparse.Namespace, form: Mapping[str, str]) -> argparse.Namespace:
    """The options with the web UI's form laid over them; types stay as they were.

    Raises OptbuildError for a number that is none.
    """
    values = dict(vars(options))
    for name in _NAMES & form.keys() & values.keys():
        try:
            values[name] = type(values[name])(form[name])
        except ValueError as error:
            raise OptbuildError(f"{name} must be a number, got {form[name]!r}") from error
    return argparse.Namespace(**values)


def check_hosts(hosts: str | None) -> tuple[str, ...]:
    """Base URLs without a trailing slash, from one or several joined by commas.

    Raises OptbuildError if one is none.
    """
    if not hosts:
        raise OptbuildError("no server given: add --host, e.g. --host http://127.0.0.1:3000")
    return tuple(_check_host(host.strip()) for host in hosts.split(","))


def _check_host(host: str) -> str:
    try:
        parts = urlsplit(host)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, a broken IPv6 address
        valid = False
    if not valid:
        raise OptbuildError(f"{host!r} is no server's address: give e.g. http://127.0.0.1:3000")
    return host.rstrip("/")


def _check_writable(records: Path) -> None:
    """Find out before the load, not after it."""
    if records.is_dir():
        raise OptbuildError(f"--records {records} is a directory: give a file's name in it")
    if not records.parent.is_dir():
        raise OptbuildError(f"the directory of --records {records} does not exist: make it first")
    try:
        with tempfile.TemporaryFile(dir=records.parent):
            pass
    except OSError as error:
        raise OptbuildError(f"cannot write --records {records}: {error.strerror}") from error
