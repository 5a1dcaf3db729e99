"""The page in a real browser, wide and narrow: no error, nothing that makes it scroll sideways, a table that sorts.

Chromium runs headless on a copy of the page to which a script is added; the script writes what it saw into the title,
and `--dump-dom` prints that. No driver and no library are needed. The page lies in a frame: a window has a least width.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fastopt.report import write

from .synthetic import store, store_version_1
from .synthetic_goal import Truth, goal_store

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no browser: none of {', '.join(NAMES)} is on the path")

LONG = {"adam(eps_form=inside,beta2=0.99)": 1.0, "momentum(form=heavy_ball,beta=0.95)": 1.3}
TABLE = {"seeds": 6, "epochs": 4, "tune": 4}
CASES: dict[str, dict[str, Any]] = {
    "whole": {"batches": ("1", "32", "full"), "edge": ("adam", "32"), "settings": f'dataset = "{"a" * 200}"\n'},
    "long names": {"factors": LONG, "batches": ("1", "2048"), "diverged": {(next(iter(LONG)), "1"): 6}},
    "nothing": {"factors": {}},
}
GOALS: dict[str, dict[str, Any]] = {
    "goal": {},
    "goal, long names": {"truths": {name: Truth() for name in LONG}, "never": ((next(iter(LONG)), 1),)},
}

PROBE = """<script>
(function () {
  var seen = { errors: [] };
  window.addEventListener("error", function (event) { seen.errors.push(String(event.message || event.target)); }, true);
  window.addEventListener("unhandledrejection", function (event) { seen.errors.push(String(event.reason)); });
  var said = console.error;
  console.error = function () {
    seen.errors.push(Array.prototype.join.call(arguments, " "));
    said.apply(console, arguments);
  };
  window.addEventListener("load", function () {
    document.querySelectorAll("details").forEach(function (details) { details.open = true; });
    var root = document.documentElement;
    seen.width = window.innerWidth;
    seen.needed = root.scrollWidth;
    seen.smallest = Array.prototype.map.call(document.querySelectorAll("svg"), function (svg) {
      return svg.getBoundingClientRect().width; }).reduce(function (a, b) { return Math.min(a, b); }, Infinity);
    seen.boxes = Array.prototype.filter.call(document.querySelectorAll("table"), function (table) {
      return table.getBoundingClientRect().width > window.innerWidth && !table.closest(".scroll"); }).length;
    var head = document.querySelector("table.sortable th:nth-child(3) button");
    if (head) {
      head.click();
      seen.sorted = Array.prototype.map.call(document.querySelectorAll("table.sortable")[0].tBodies[0].rows,
        function (row) { return row.cells[2].getAttribute("data-sort"); });
      seen.direction = head.closest("th").getAttribute("aria-sort");
    }
    var note = JSON.stringify(seen);
    if (window.parent === window) { document.title = note; } else { window.parent.postMessage(note, "*"); }
  });
})();
</script>"""
FRAME = """<!doctype html><title>waiting</title>
<iframe src="{name}" style="width:{width}px;height:900px;border:0"></iframe>
<script>window.addEventListener("message", function (event) {{ document.title = event.data; }});</script>"""


def look(page: Path, width: int, folder: Path, probe: str = PROBE) -> dict[str, Any]:
    """Open a copy of the page in a frame of so many pixels, and return what the probe saw in it."""
    text = page.read_text(encoding="utf-8")
    (folder / "probed.html").write_text(text.replace("<head>", f"<head>{probe}", 1), encoding="utf-8")
    frame = folder / f"frame-{width}.html"
    frame.write_text(FRAME.format(name="probed.html", width=width), encoding="utf-8")
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1000", "--virtual-time-budget=20000",
        "--enable-logging=stderr", "--dump-dom", frame.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    title = re.search(r"<title>(.*?)</title>", done.stdout, flags=re.DOTALL)
    assert title, done.stderr[-2000:]
    assert title.group(1) != "waiting", done.stderr[-2000:]
    seen: dict[str, Any] = json.loads(html.unescape(title.group(1)))
    seen["console"] = re.findall(r"CONSOLE.*", done.stderr)
    return seen


@pytest.fixture(scope="module", params=[*CASES, *GOALS, "version 1"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    if request.param == "version 1":
        store_version_1(folder, **TABLE, factors={"adam": 1.0}, batches=("1", "full"))
    elif request.param in GOALS:
        goal_store(folder, **GOALS[request.param])
    else:
        store(folder, **(TABLE | CASES[request.param]))
    return write(folder)[0]


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_opens_without_an_error_and_never_scrolls_sideways(page: Path, width: int, tmp_path: Path) -> None:
    seen = look(page, width, tmp_path)
    assert seen["errors"] == []
    assert seen["console"] == []
    assert seen["width"] == width
    assert seen["needed"] <= width
    assert seen["boxes"] == 0, "a table wider than the page lies outside a box that scrolls"
    if seen["smallest"] is not None:  # Infinity, no figure, is null in JSON
        assert seen["smallest"] >= 250, "a figure too small to read"
    if "sorted" in seen:
        values = [float(value) for value in seen["sorted"]]
        assert values == sorted(values)
        assert seen["direction"] == "ascending"


def test_the_probe_sees_what_it_looks_for(tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<!doctype html><html><head></head><body><div style="width:900px">wide</div><table style="width:900px"></table>'
        '<script>console.error("said"); missing();</script><img src="nowhere.png"></body></html>',
        encoding="utf-8",
    )
    seen = look(bad, 400, tmp_path)
    assert seen["needed"] >= 900
    assert seen["boxes"] == 1
    assert len(seen["errors"]) == 3
    assert len(seen["console"]) >= 2
