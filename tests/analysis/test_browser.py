"""The page in a real browser; skipped where there is none."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import fake_designs
import fake_runs
import matplotlib.image
import numpy as np
import pytest
from fake_runs import Experiment, queue_latency_s

from analysis.findings import find
from analysis.material import Material
from analysis.report import write_material

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium to draw the page with"),
    pytest.mark.slow,
]
CALLS_HOME = r"https?://(clients2\.google\.com|update\.googleapis\.com|accounts\.google\.com)/"
FLAGS = (
    "--headless --disable-gpu --disable-quic --no-first-run --hide-scrollbars --disable-sync "
    "--disable-background-networking --disable-component-update --enable-logging=stderr"
)
POLICY = r'<meta http-equiv="Content-Security-Policy"[^>]*>'


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with everything: two loads, shares, a sweep."""
    out = tmp_path_factory.mktemp("browser")
    loads = ("steady", "bursty")
    fake_runs.write(out, Experiment(queue_latency_s, scenarios=loads, blocks=2, duration_s=5))
    found = find(out)
    shares = fake_designs.attributions(found.runs.scenarios)
    found = replace(found, attributions=shares)
    sweep = fake_designs.sweep({"baseline": 60.0, "onnx": 110.0})
    return write_material(Material(out, found, sweep), out / "report.html").html


def chromium(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [str(CHROMIUM), *FLAGS.split(), *root, f"--user-data-dir={profile}", *options]
        return subprocess.run(
            [*command, page.as_uri()], capture_output=True, text=True, check=True, timeout=240
        )


def asked(page: Path, tmp_path: Path, script: str) -> Any:
    """What a script finds in the page; it runs after the page's own, may await, sets `answer`.

    The policy of the page would not let it run: it is left out for this.
    """
    probe = tmp_path / "probe.html"
    body = f"let answer; {script}; document.title = JSON.stringify(answer);"
    own = f"<script>(async () => {{ {body} }})();</script>"
    text = re.sub(POLICY, "", page.read_text())
    probe.write_text(text.replace("</body>", own + "</body>"))
    budget = "--virtual-time-budget=10000"
    done = chromium(probe, "--dump-dom", "--window-size=1280,900", budget)
    assert "CONSOLE" not in done.stderr
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None
    return json.loads(title[1].replace("&amp;", "&"))


@pytest.mark.parametrize(
    ("options", "bright"),
    [((), True), (("--blink-settings=preferredColorScheme=0",), False)],
    ids=["light", "dark"],
)
def test_draws_in_light_and_dark_without_a_word_on_the_console(
    page: Path, tmp_path: Path, options: tuple[str, ...], bright: bool
) -> None:
    picture = tmp_path / "page.png"
    done = chromium(page, f"--screenshot={picture}", "--window-size=1280,2400", *options)
    assert "CONSOLE" not in done.stderr
    pixels = matplotlib.image.imread(picture)[..., :3]
    assert np.median(pixels) > 0.95 if bright else np.median(pixels) < 0.15
    assert np.ptp(pixels) > 0.8  # there is ink


def test_a_console_error_would_be_seen(page: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(page.read_text().replace("</body>", "<script>1</script></body>"))
    stderr = chromium(broken, f"--screenshot={tmp_path / 'x.png'}").stderr
    assert "CONSOLE" in stderr and "Content Security Policy" in stderr  # not our script


def test_asks_the_network_for_nothing(page: Path, tmp_path: Path) -> None:
    log = tmp_path / "net.json"
    chromium(page, f"--log-net-log={log}", f"--screenshot={tmp_path / 'x.png'}")
    urls = re.findall(r'"url":"(https?://[^"]*)"', log.read_text())
    assert [url for url in urls if not re.match(CALLS_HOME, url)] == []


@pytest.mark.parametrize("width", [360, 1280])
def test_no_sideways_scrolling(page: Path, tmp_path: Path, width: int) -> None:
    # Headless windows have a least width; a frame is as narrow as a phone, media queries included.
    frame = tmp_path / "frame.html"
    inside = tmp_path / "inside.html"
    tell = (
        "<script>parent.postMessage([document.documentElement.scrollWidth, innerWidth], '*')"
        "</script>"
    )
    text = re.sub(POLICY, "", page.read_text())
    inside.write_text(text.replace("</body>", tell + "</body>"))
    frame.write_text(
        "<title>-</title><script>onmessage = (event) => document.title = event.data.join(' ')"
        f"</script><iframe src='inside.html' style='width:{width}px;height:800px;border:0'>"
    )
    dom = chromium(frame, "--dump-dom", "--virtual-time-budget=5000").stdout
    title = re.search(r"<title>(\d+) (\d+)</title>", dom)
    assert title is not None and int(title[1]) <= int(title[2]) == width


def test_every_figure_is_drawn(page: Path, tmp_path: Path) -> None:
    script = """await new Promise((after) => setTimeout(after, 50));
      answer = [...document.querySelectorAll('figure')].map((figure) => {
        const canvas = figure.querySelector('canvas');
        const drawn = figure.classList.contains('alive') ? canvas : figure.querySelector('svg');
        const box = drawn.getBoundingClientRect();
        const ink = canvas && canvas.getContext('2d')
            .getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte > 0);
        return [Math.round(box.width), Math.round(box.height), ink];
    })"""
    found = asked(page, tmp_path, script)
    assert len(found) >= 12
    assert min(height for _, height, _ in found) > 120
    assert min(width for width, _, _ in found) > 250
    assert [ink for _, _, ink in found if ink is not None] == [True] * 3  # the charts that begin


def test_a_variant_can_be_hidden_and_the_scale_changed(page: Path, tmp_path: Path) -> None:
    script = """
      const figure = document.querySelector('figure.alive');
      const picture = async () => {  // charts are drawn a moment later
        await new Promise((after) => setTimeout(after, 20));
        return figure.querySelector('canvas').toDataURL();
      };
      const [, log] = figure.querySelectorAll('.bar button');
      const [variant] = figure.querySelectorAll('.legend button');
      const states = [await picture()];
      for (const one of [variant, variant, log, log]) { one.click(); states.push(await picture()); }
      const [interactive] = figure.querySelectorAll('.bar button');
      interactive.click();
      answer = {
        changed: states.slice(1).map((state) => state !== states[0]),
        pressed: [variant, log].map((one) => one.getAttribute('aria-pressed')),
        still: getComputedStyle(figure.querySelector('svg')).display,
      }"""
    found = asked(page, tmp_path, script)
    assert found["changed"] == [True, False, True, False]  # and back again
    assert found["pressed"] == ["true", "true"]
    assert found["still"] == "block"  # the picture is there for whoever prefers it


def test_arrow_keys_read_the_values(page: Path, tmp_path: Path) -> None:
    script = """
      const figure = document.querySelector('figure.alive');
      const plot = figure.querySelector('.plot');
      const press = (key) => plot.dispatchEvent(new KeyboardEvent('keydown', { key }));
      await new Promise((after) => setTimeout(after, 20));
      for (let i = 0; i < 7; i++) press('ArrowRight');
      answer = [figure.querySelector('.where').textContent,
        ...[...figure.querySelectorAll('.legend .value')].map((one) => one.textContent)]"""
    where, *values = asked(page, tmp_path, script)
    assert where == "at p50"
    assert len(values) == 5 and all(re.fullmatch(r"[\d.]+ m?s", value) for value in values)


def test_all_that_can_be_clicked_can_be_reached_and_has_a_name(page: Path, tmp_path: Path) -> None:
    script = """answer = {
        nameless: [...document.querySelectorAll('button, a, summary, [tabindex], [role=region]')]
          .filter((one) => !(one.textContent.trim() || one.getAttribute('aria-label'))).length,
        headings: [...document.querySelectorAll('h1, h2, h3')].map((one) => +one.tagName[1]),
        unlabelled: [...document.querySelectorAll('section')]
          .filter((one) => !document.getElementById(one.getAttribute('aria-labelledby'))).length,
        cells: [...document.querySelectorAll('th')].filter((one) => !one.scope).length,
        order: document.querySelectorAll('[tabindex]:not([tabindex="0"])').length,
      }"""
    found = asked(page, tmp_path, script)
    headings = found.pop("headings")
    assert found == {"nameless": 0, "unlabelled": 0, "cells": 0, "order": 0}
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(page: Path, tmp_path: Path, dark: bool) -> None:
    """WCAG AA: 4.5 to 1, for every colour that text has on the page's ground."""
    from analysis._figstyle import COLOURS

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot((0.2126, 0.7152, 0.0722), linear))

    ground = luminance(COLOURS["surface"][dark])
    for name in ("ink", "muted", "good", "bad", "same", *(f"v{i}" for i in range(7))):
        lighter, darker = sorted((ground, luminance(COLOURS[name][dark])), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, name


def test_prints_the_still_pictures(page: Path, tmp_path: Path) -> None:
    paper = tmp_path / "page.pdf"
    chromium(page, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    assert paper.read_bytes().startswith(b"%PDF")
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext to read the paper with")
    text = subprocess.run(
        ["pdftotext", str(paper), "-"], capture_output=True, text=True, check=True
    ).stdout
    assert "What each layer brings" in text and "undecided" in text.lower()
    assert "times faster than baseline" in text  # a still picture
    assert "log scale; a line joins one block" in text.replace("\n", " ")
    assert "hover, or arrow keys" not in text


def test_a_sweep_that_ended_at_its_first_rate_is_drawn(tmp_path: Path) -> None:
    whole = fake_designs.sweep({"baseline": 60.0, "onnx": 60.0})
    first = tuple(one for one in whole.points if one.rate_rps == 30.0)
    sweep = replace(whole, points=first, capacities=())
    page = write_material(Material(tmp_path, None, sweep), tmp_path / "report.html").html
    script = """
      await new Promise((go) => setTimeout(go, 500));
      const canvas = document.querySelector("figure.alive canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      answer = 0;
      for (let at = 0; at < data.length; at += 4) {
        const [red, green, blue, alpha] = data.slice(at, at + 4);
        if (alpha > 128 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) answer++;
      }
    """
    assert asked(page, tmp_path, script) > 10  # text and grid are grey; a dot has a colour
