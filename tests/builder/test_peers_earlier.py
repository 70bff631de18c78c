"""Settings of earlier comparisons."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from peer_standins import SETTINGS, options
from rich.console import Console

from builder import _peers_blocks, _peers_compare, _peers_plan, _peers_tune
from builder._peers_compare import compare
from builder._peers_saturate import Saturated
from builder._peers_script import Best
from variants._errors import OptbuildError


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads that take no time, in a single round: what is found does not matter here."""
    for module in (_peers_tune, _peers_blocks):
        monkeypatch.setattr(
            module, "saturate", lambda *_: Saturated(10, 100.0, 0.1, 0.1, 0, "", 1e-5)
        )
        monkeypatch.setattr(module, "warm", lambda *_: None)
    monkeypatch.setattr(_peers_tune, "WITHIN", ())


@pytest.mark.usefixtures("stand_ins")
def test_settings_of_an_earlier_comparison_are_taken_over_if_it_served_the_same_model(
    tmp_path: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replace(options(tmp_path, scripts), peers=("good",), loads=("saturated16",))
    compare(asked, Console(quiet=True))

    def tune(*_: Any) -> None:
        raise AssertionError("found anew")

    monkeypatch.setattr(_peers_compare, "tune", tune)
    first = _peers_plan.load(asked.directory)
    again = replace(asked, directory=tmp_path / "again", settings_of=(asked.directory,))
    text = compare(again, Console(quiet=True))
    second = _peers_plan.load(again.directory)
    assert first and second
    assert (first.settings, first.probes) == (second.settings, second.probes)
    assert "- good: die=0 score=1 (found in an earlier comparison)" in text
    assert first.machine in text

    shutil.move(asked.directory, tmp_path / "elsewhere")
    compare(replace(again, resume=True), Console(quiet=True))  # has its settings by now
    other = replace(again, directory=tmp_path / "x", settings_of=(tmp_path,))
    with pytest.raises(OptbuildError, match="holds no comparison: leave --settings-of out"):
        compare(other, Console(quiet=True))
    _peers_plan.save(replace(first, graph_sha256="another"), tmp_path)
    with pytest.raises(OptbuildError, match="another model"):
        compare(other, Console(quiet=True))
    _peers_plan.save(replace(first, machine="a faster one"), tmp_path)
    with pytest.raises(OptbuildError, match=r"another machine \(a faster one\)"):
        compare(other, Console(quiet=True))
    _peers_plan.save(replace(first, requirements={"good": ("good==0.9",)}), tmp_path)
    with pytest.raises(AssertionError, match="found anew"):
        compare(other, Console(quiet=True))
    (tmp_path / "plan.json").write_text('{"format": 1, "kind": "peers"}')
    with pytest.raises(OptbuildError, match=r"by this version.*leave --settings-of out"):
        compare(other, Console(quiet=True))


@pytest.mark.usefixtures("stand_ins")
def test_settings_that_a_peers_file_no_longer_offers_are_found_anew(
    tmp_path: Path, scripts: Path
) -> None:
    asked = replace(options(tmp_path, scripts), peers=("good",), loads=("saturated16",))
    compare(asked, Console(quiet=True))
    script = scripts / "good.py"
    text = script.read_text().replace("{score = 1, die = 0}", "{score = 1, die = 0, threads = 3}")
    script.write_text(text, encoding="utf-8")
    compare(
        replace(asked, directory=tmp_path / "again", settings_of=(asked.directory,)),
        Console(quiet=True),
    )
    found = _peers_plan.load(tmp_path / "again")
    only = {"score": 1, "die": 0, "threads": 3}
    assert found and found.settings == {"good": Best(only, only)}
    assert found.taken_over == ()


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize("change", ["another setting", "never tried", "another load"])
def test_settings_that_were_not_chosen_among_all_there_are_now_are_found_anew(
    change: str, tmp_path: Path, scripts: Path
) -> None:
    asked = replace(options(tmp_path, scripts), peers=("good",), loads=("saturated16",))
    compare(asked, Console(quiet=True))
    again = replace(asked, directory=tmp_path / "again", settings_of=(asked.directory,))
    script, before = scripts / "good.py", _peers_plan.load(asked.directory)
    assert before
    if change == "another setting":
        more = SETTINGS.replace("]", ", {score = 1, die = 0, threads = 3}]")
        script.write_text(script.read_text().replace(SETTINGS, more))
    elif change == "never tried":  # one who has written it into the plan by hand
        other = {"score": 1, "die": 0, "threads": 4}
        _peers_plan.save(replace(before, settings={"good": Best(other, other)}), asked.directory)
    else:
        again = replace(again, loads=("low",))
    compare(again, Console(quiet=True))
    found = _peers_plan.load(tmp_path / "again")
    assert found and found.taken_over == ()


@pytest.mark.usefixtures("stand_ins")
def test_each_peer_takes_the_settings_of_the_last_comparison_that_has_it(
    tmp_path: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(scripts / "good.py", scripts / "second.py")
    asked = replace(options(tmp_path, scripts), peers=("good", "second"), loads=("saturated16",))
    compare(asked, Console(quiet=True))
    both = _peers_plan.load(asked.directory)
    assert both
    later = {"score=1 die=0": {"busy": 7.0}}
    without = replace(both, settings={"good": both.settings["good"]}, probes={"good": later})
    _peers_plan.save(without, tmp_path / "later")
    again = replace(
        asked, directory=tmp_path / "again", settings_of=(asked.directory, tmp_path / "later")
    )
    monkeypatch.setattr(_peers_compare, "tune", lambda *_: pytest.fail("found anew"))
    compare(again, Console(quiet=True))
    found = _peers_plan.load(again.directory)
    assert found and found.settings == both.settings
    assert found.probes == {**both.probes, **without.probes}
    assert found.taken_over == ("good", "second")
