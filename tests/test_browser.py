"""The report in a real browser: wide, narrow, light, dark; silent, self-contained."""

import html
import json
import re
import shutil
import subprocess

import digits_experiment
import numpy as np
import pytest
from PIL import Image
from study_fixtures import run

from dljax.studies.experiment import import_experiment

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--hide-scrollbars", "--enable-logging=stderr"),
    "--virtual-time-budget=3000",
)
DARK = "--blink-settings=preferredColorScheme=0"
PROBE = """<script>addEventListener("load", () => setTimeout(() => {
  const window_ = document.querySelector("iframe")?.contentWindow ?? window
  const page = window_.document
  document.documentElement.dataset.probe = JSON.stringify({
    wide: page.documentElement.scrollWidth - page.documentElement.clientWidth,
    images: [...page.images].map(i => i.complete && i.naturalWidth > 0 && i.alt > ""),
    requests: window_.performance.getEntriesByType("resource").map(entry => entry.name),
  })
}, 1000))</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    directory = tmp_path_factory.mktemp("study")
    run(
        import_experiment(digits_experiment.__file__),
        directory,
        "--steps=30",
        "--seeds=3",
    )
    return directory / "report.html"


def browse(path, folder, *flags):
    """(stdout of the browser, lines of its console)."""
    done = subprocess.run(
        [CHROMIUM, *QUIET, f"--user-data-dir={folder / 'profile'}", *flags]
        + [path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def probe(text, folder, *flags):
    """Loads a page; returns its size, images, requests and console lines."""
    path = folder / "probed.html"
    path.write_text(text + PROBE)
    printed, console = browse(path, folder, "--dump-dom", *flags)
    result = re.search(r'data-probe="([^"]*)"', printed)
    return json.loads(html.unescape(result[1])) | {"console": console}


def assert_complete(result):
    assert result["console"] == []
    assert [name for name in result["requests"] if not name.startswith("data:")] == []
    assert result["images"] == [True] * 6
    assert result["wide"] <= 0


def test_console_errors_and_requests_are_detected(tmp_path):
    bad = "<script>fetch('http://127.0.0.1:9/x').catch(() => 0); nothing()</script>"
    result = probe(bad, tmp_path)
    assert any("nothing" in line for line in result["console"])
    assert result["requests"] == ["http://127.0.0.1:9/x"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_renders_in_light_and_dark(page, tmp_path, scheme):
    flags = ["--window-size=1100,1600"] + [DARK] * (scheme == "dark")
    assert_complete(probe(page.read_text(), tmp_path, *flags))
    picture = tmp_path / "page.png"
    browse(page, tmp_path, f"--screenshot={picture}", *flags)
    shades = np.asarray(Image.open(picture).convert("L"), int)
    paper = np.median(shades)
    assert (paper < 60) == (scheme == "dark")
    assert (np.abs(shades - paper) > 120).mean() > 0.005, "the page is almost empty"


def test_page_fits_a_phone(page, tmp_path):
    text = html.escape(page.read_text())
    framed = f'<iframe width="360" height="700" srcdoc="{text}"></iframe>'
    assert_complete(probe(f"<!doctype html>{framed}", tmp_path))
