import argparse
from pathlib import Path

import pytest

from loadtests._options import add_options, check_hosts, overlay, settings_of
from loadtests._scenario import Scenario
from variants._errors import OptbuildError

SCENARIO = Scenario("bursty", rate=20.0, cv=3.0)


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--exit-code-on-error", type=int, default=1)
    add_options(parser, SCENARIO)
    return parser.parse_args(arguments)


def test_a_scenario_brings_its_defaults() -> None:
    settings = settings_of(parse())
    assert (settings.rate, settings.cv, settings.duration_s) == (20.0, 3.0, 60.0)
    assert (settings.seed, settings.timeout_s) == (1, 10.0)
    assert settings.texts is settings.records is None


def test_errors_of_the_server_fail_locust_only_if_asked_for() -> None:
    assert parse().exit_code_on_error == 0
    assert parse("--exit-code-on-error", "7").exit_code_on_error == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--rate 0", "rate"),
        ("--cv nan", "CV"),
        ("--duration -1", "duration"),
        ("--seed -1", "seed"),
        ("--timeout 0", "timeout"),
        ("--timeout nan", "timeout"),
        ("--timeout inf", "timeout"),
        ("--records .", "is a directory"),
        ("--records nowhere/records.parquet", "does not exist"),
        ("--records /proc/records.parquet", "cannot write"),
        ("--records setup.cfg/records.parquet", "does not exist"),
    ],
)
def test_a_mistake_is_one_line(arguments: str, words: str) -> None:
    with pytest.raises(OptbuildError, match=words) as raised:
        settings_of(parse(*arguments.split()))
    assert "\n" not in str(raised.value)


def test_checking_the_record_leaves_nothing_behind(tmp_path: Path) -> None:
    settings = settings_of(parse("--records", str(tmp_path / "records.parquet")))
    assert settings.records == tmp_path / "records.parquet"
    assert not list(tmp_path.iterdir())


def test_a_form_changes_values_and_keeps_types() -> None:
    options = overlay(parse(), {"rate": "7", "seed": "3", "texts": "a.txt", "user_count": "9"})
    assert (options.rate, options.seed, options.texts) == (7.0, 3, "a.txt")
    assert not hasattr(options, "user_count")
    with pytest.raises(OptbuildError, match="rate must be a number, got 'fast'"):
        overlay(parse(), {"rate": "fast"})


@pytest.mark.parametrize(
    "host",
    ["http://127.0.0.1:3000", "https://example.org", "http://[::1]:80/base", "http://localhost"],
)
def test_addresses(host: str) -> None:
    assert check_hosts(host + "/") == (host,)


@pytest.mark.parametrize(
    "host",
    [None, "", "localhost:3000", "ftp://x", "http://", "http://x:port", "http://[", "http://x:0"],
)
def test_what_is_no_address(host: str | None) -> None:
    with pytest.raises(OptbuildError, match="http://127"):
        check_hosts(host)
