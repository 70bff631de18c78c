import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from builder import doctor
from builder.cli import cli
from builder.doctor import Check

GIB = 2**30


@pytest.mark.parametrize(
    ("check", "ok"),
    [
        (doctor.steal(0.01), True),
        (doctor.steal(0.011), False),
        (doctor.pressure("cpu", 5.0), True),
        (doctor.pressure("cpu", 5.1), False),
        (doctor.pressure("memory", 1.1), False),
        (doctor.pressure("io", None), True),  # an old kernel is no fault
        (doctor.load(0.5, 2), True),
        (doctor.load(0.51, 2), False),
        (doctor.timer(0.001, first=True), True),
        (doctor.timer(0.0011, first=True), False),
        (doctor.timer(0.0025, first=False), True),
        (doctor.timer(0.0026, first=False), False),
        (doctor.priority(True), True),
        (doctor.priority(False), False),
        (doctor.governor(frozenset()), True),
        (doctor.governor(frozenset({"performance"})), True),
        (doctor.governor(frozenset({"performance", "powersave"})), False),
        (doctor.quota(None, 2), True),
        (doctor.quota(2.0, 2), True),
        (doctor.quota(1.5, 2), False),
        (doctor.memory(2 * GIB), True),
        (doctor.memory(2 * GIB - 1), False),
        (doctor.disk("cache", Path("/x"), 2 * GIB), True),
        (doctor.disk("cache", Path("/x"), 2 * GIB - 1), False),
    ],
)
def test_what_is_quiet_enough(check: Check, ok: bool) -> None:
    assert check.ok == ok
    assert check.found
    assert ok or check.remedy


def put(root: Path, name: str, content: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_what_the_kernel_tells(tmp_path: Path) -> None:
    put(tmp_path, "proc/pressure/cpu", "some avg10=12.50 avg60=1.00 avg300=0.1 total=5\nfull x\n")
    assert doctor.read_pressure(tmp_path / "proc/pressure/cpu") == 12.5
    assert doctor.read_pressure(tmp_path / "proc/pressure/io") is None
    for cpu, name in ((0, "powersave"), (1, "performance")):
        put(tmp_path, f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor", f"{name}\n")
    assert doctor.read_governors(tmp_path) == {"powersave", "performance"}
    put(tmp_path, "proc/meminfo", "MemTotal: 9 kB\nMemAvailable:    2048 kB\n")
    assert doctor.read_available_bytes(tmp_path) == 2**21


def test_free_space_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert doctor.free_bytes(tmp_path / "a" / "b") == pytest.approx(
        doctor.free_bytes(tmp_path), rel=0.1
    )


def test_it_examines_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SLEEPS", 20)
    lines = CliRunner().invoke(cli, ["doctor"]).output.splitlines()
    assert all(line.startswith(("ok    ", "warn  ")) for line in lines)
    checks = json.loads(CliRunner().invoke(cli, ["doctor", "--json"]).output)
    assert [check["name"] for check in checks] == [
        *("cpu steal", "cpu pressure", "memory pressure", "io pressure", "load"),
        *("timer lateness", "real-time priority", "cpu governor", "cgroup quota", "memory"),
        *("disk of the cache", "disk of the Bento store"),
    ]
    assert len(lines) == len(checks)
    assert {type(check["ok"]) for check in checks} == {bool}
