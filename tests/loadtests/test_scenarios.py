"""The scenarios as users start them: real Locust, a real server."""

import csv
import shutil
import signal
import socket
from pathlib import Path

import numpy as np
import pytest
from fake_server import Server, serving
from locust_process import GATES, Start, finish, read, texts_file, wait_for

from analysis.records import OUTCOMES
from loadtests._schedule import renewal

pytestmark = pytest.mark.slow

# What each text makes the server do, and what that counts as.
EXPECTED = {
    "ok": "ok",
    "slow 0.3": "ok",
    "429": "rejected",
    "503": "unavailable",
    "500": "wrong",
    "404": "wrong",
    "two": "wrong",
    "html": "wrong",
    "garbage": "wrong",
    "reset": "reset",
    "close": "reset",
    "cut": "reset",
    "hang": "timeout",
}


@pytest.mark.parametrize(
    ("scenario", "cv"), [("steady", 1.0), ("bursty", 3.0), ("high_intensity", 1.0)]
)
def test_each_scenario_plays_its_schedule(
    tmp_path: Path, server: Server, start: Start, scenario: str, cv: float
) -> None:
    texts = texts_file(tmp_path, "ok", "fine")
    record = tmp_path / "records.parquet"
    options = ["--rate", 50, "--duration", 2, "--seed", 3, "--texts", texts, "--records", record]
    code, out, err = finish(
        start(scenario, "--headless", "--users", 7, "--host", server.url, *options)
    )
    assert (code, "Traceback" in err) == (0, False)
    records, facts = read(tmp_path)
    planned = renewal(50.0, cv, 2.0, 3, 2)
    np.testing.assert_array_equal(records.planned_s, planned.planned_s)
    np.testing.assert_array_equal(records.payload, planned.payload)
    assert sorted(text for _, text in server.asked) == sorted(
        ("ok", "fine")[index] for index in planned.payload
    )
    count = len(planned)
    assert records.outcomes["ok"] == facts["planned"] == facts["rows"] == facts["sent"] == count
    assert facts["schedule_sha256"] == planned.sha256
    assert facts["scenario"] == scenario
    assert (facts["rate"], facts["cv"], facts["duration_s"], facts["seed"]) == (50, cv, 2, 3)
    assert (facts["format"], facts["timeout_s"]) == (1, 10)
    assert facts["texts"]["source"] == "texts.txt"
    assert facts["texts"]["count"] == 2
    assert 0 < facts["generator_cpu"] < 1.5
    assert facts["lateness_s"]["p50"] == np.median(records.lateness_s)
    assert f"planned {count}, rows {count}, sent {count}: ok {count}" in out
    assert f"texts: texts.txt (2)\nrecords: {record}\n" in out
    for words in ("lateness of the generator: p50", "latency from the planned time: p50"):
        assert words in out
    made = facts["certificate"]
    assert [gate["name"] for gate in made["gates"]] == GATES
    assert (made["target_rate"], made["target_cv"], made["sent_fraction"]) == (50.0, cv, 1.0)
    assert made["realised_rate"] == pytest.approx(count / 2, rel=0.1)
    assert f"certificate: {'passed' if made['passed'] else 'FAILED'}" in out
    assert all(reason in out for reason in made["reasons"])
    for row in (*GATES, "rate realised", "CV of the gaps realised", "share of arrivals sent"):
        assert f"\n{row}  " in out


def test_the_other_scenarios_play_too(tmp_path: Path, server: Server, start: Start) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("timestamp\n" + "\n".join(str(7 + n / 10) for n in range(40)))
    own: dict[str, list[object]] = {
        "ramp": [],
        "spike": [],
        "diurnal": [],
        "bursty": ["--process", "mmpp"],
        "trace": ["--trace", trace, "--speed", 2],
    }
    options = ["--headless", "--host", server.url, "--rate", 40, "--duration", 2, "--seed", 3]
    options += ["--timeout", 20, "--texts", texts_file(tmp_path, "ok", "fine")]
    running = {}
    for name, more in own.items():
        (tmp_path / name).mkdir()
        record = tmp_path / name / "records.parquet"
        running[name] = start(name, *options, *more, "--records", record)
    for name, process in running.items():
        code, _, err = finish(process)
        assert (code, "Traceback" in err) == (0, False), name
        records, facts = read(tmp_path / name)
        assert (facts["scenario"], records.outcomes["ok"]) == (name, len(records))
        names = [gate["name"] for gate in facts["certificate"]["gates"]]
        assert names == [gate for gate in GATES if name != "trace" or gate not in GATES[2:4]]
        if name == "trace":
            np.testing.assert_allclose(records.planned_s, np.arange(40) / 20, atol=1e-9)
            assert (facts["trace"], facts["speed"]) == (str(trace), 2.0)


def test_several_servers_take_turns(tmp_path: Path, server: Server, start: Start) -> None:
    texts = [f"text {n}" for n in range(50)]
    with serving() as second:
        options = ["--rate", 50, "--duration", 2, "--texts", texts_file(tmp_path, *texts)]
        options += ["--records", tmp_path / "records.parquet"]
        hosts = f"{server.url},{second.url}"
        code, _, _ = finish(start("steady", "--headless", "--host", hosts, *options))
        assert code == 0
        payload = read(tmp_path)[0].payload
        for number, one in enumerate((server, second)):
            expected = sorted(texts[index] for index in payload[number::2])
            assert sorted(text for _, text in one.asked) == expected


def test_every_outcome_is_told_apart_and_locust_agrees(
    tmp_path: Path, server: Server, start: Start
) -> None:
    options = ["--rate", 60, "--duration", 3, "--timeout", 1, "--csv", tmp_path / "locust"]
    options += ["--texts", texts_file(tmp_path, *EXPECTED)]
    options += ["--records", tmp_path / "records.parquet"]
    code, out, _ = finish(start("steady", "--headless", "--host", server.url, *options))
    assert code == 0, "errors of the server are results"
    records, facts = read(tmp_path)
    names = list(EXPECTED)
    expected = [EXPECTED[names[payload]] for payload in records.payload]
    assert [OUTCOMES[code] for code in records.outcome] == expected
    assert set(names) == {names[payload] for payload in records.payload}
    assert np.isfinite(records.done_s).all()
    assert facts["outcomes"] == records.outcomes
    for name in ("rejected", "reset", "timeout"):
        assert f"{name} {records.outcomes[name]}" in out
    with (tmp_path / "locust_stats.csv").open() as file:
        total = list(csv.DictReader(file))[-1]
    assert total["Name"] == "Aggregated"
    assert int(total["Request Count"]) == len(records)
    assert int(total["Failure Count"]) == len(records) - records.outcomes["ok"]
    assert float(total["Max Response Time"]) == pytest.approx(max(records.latency_s) * 1e3)
    with (tmp_path / "locust_failures.csv").open() as file:
        failures = {row["Error"]: int(row["Occurrences"]) for row in csv.DictReader(file)}
    rejected = [n for error, n in failures.items() if "rejected (HTTP 429)" in error]
    assert rejected == [records.outcomes["rejected"]]


def test_errors_fail_locust_if_the_user_asks_for_it(
    tmp_path: Path, server: Server, start: Start
) -> None:
    options = ["--texts", texts_file(tmp_path, "500"), "--duration", 0.5]
    options += ["--exit-code-on-error", 5]
    assert finish(start("steady", "--headless", "--host", server.url, *options))[0] == 5


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_middle_leaves_every_row(
    tmp_path: Path, server: Server, start: Start, number: int, code: int
) -> None:
    options = ["--rate", 50, "--duration", 60, "--texts", texts_file(tmp_path, "ok", "slow 0.4")]
    options += ["--records", tmp_path / "records.parquet"]
    process = start("bursty", "--headless", "--host", server.url, *options)
    wait_for(lambda: len(server.asked) > 30)
    process.send_signal(number)
    got, out, err = finish(process)
    assert (got, "Traceback" in err) == (code, False)
    records, facts = read(tmp_path)
    sent = int(np.isfinite(records.sent_s).sum())
    assert len(records) == len(renewal(50.0, 3.0, 60.0, 1, 2))
    assert sent == records.outcomes["ok"] == len(server.asked)
    assert records.outcomes["unsent"] == len(records) - sent > 0
    assert facts["interrupted"]
    assert f"sent {sent}" in out


def test_run_time_ends_a_run_early_and_in_order(
    tmp_path: Path, server: Server, start: Start
) -> None:
    options = ["--rate", 50, "--texts", texts_file(tmp_path, "ok"), "--run-time", "1s"]
    options += ["--records", tmp_path / "records.parquet"]
    code, _, err = finish(start("steady", "--headless", "--host", server.url, *options))
    assert (code, "Traceback" in err) == (0, False)
    outcomes = read(tmp_path)[0].outcomes
    assert outcomes["ok"] > 20
    assert outcomes["unsent"] > 1000


def test_nobody_listens(tmp_path: Path, start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    options = ["--duration", 1, "--texts", texts_file(tmp_path, "ok")]
    options += ["--records", tmp_path / "records.parquet"]
    code, _, _ = finish(
        start("steady", "--headless", "--host", f"http://127.0.0.1:{port}", *options)
    )
    records, _ = read(tmp_path)
    assert (code, records.outcomes["reset"]) == (0, len(records))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--host http://127.0.0.1:9 --rate 0", "rate must be more than 0"),
        ("--host http://127.0.0.1:9 --texts nowhere.txt", "cannot read texts from nowhere.txt"),
        ("--host http://127.0.0.1:9 --records nowhere/r.parquet", "does not exist"),
        ("--host http://127.0.0.1:9 --processes 2 --rate 0", "rate must be more than 0"),
        ("--duration 1", "add --host"),
        ("--host http://127.0.0.1:9,nowhere", "'nowhere' is no server's address"),
    ],
)
def test_a_mistake_is_one_line_before_any_load(start: Start, arguments: str, words: str) -> None:
    code, out, err = finish(start("steady", "--headless", *arguments.split()))
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_record_that_cannot_be_written_in_the_end_fails_the_run(
    tmp_path: Path, server: Server, start: Start
) -> None:
    directory = tmp_path / "out"
    directory.mkdir()
    options = ["--rate", 20, "--duration", 2, "--records", directory / "records.parquet"]
    options += ["--texts", texts_file(tmp_path, "ok")]
    process = start("steady", "--headless", "--host", server.url, *options)
    wait_for(lambda: server.asked)
    shutil.rmtree(directory)
    code, out, err = finish(process)
    assert code == 2
    assert "cannot write" in err
    assert "Traceback" not in err
    assert "planned" in out, "the figures are not lost with the file"
