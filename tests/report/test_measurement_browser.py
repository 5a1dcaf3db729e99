"""A measurement's page in a real browser: no error, no sideways scrolling, tables that sort and filter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fastopt.measurements import Measurement
from fastopt.report import write_measurement

from .measured import epoch_measurement, odd_measurement, stored, update_measurement
from .test_browser import BROWSER, look

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no browser is on the path")

PAGES: dict[str, Callable[[], Measurement]] = {
    "update steps": lambda: update_measurement(optimizers=("adam",), sizes=(1_000, 1_000_000)),
    "epochs": lambda: epoch_measurement(batches=(1, 512)),
    "odd": odd_measurement,
    "nothing": lambda: update_measurement(optimizers=(), status="running"),
}
FILTER = """<script>
window.addEventListener("load", function () {
  var table = document.querySelector("table.filtered"), bar = document.querySelector(".filters");
  function shown() { return Array.prototype.filter.call(table.tBodies[0].rows, function (row) {
    return row.offsetParent !== null; }).length; }
  function choose(control, value) { control.value = value; control.dispatchEvent(new Event("input")); }
  var seen = { names: [], all: shown() };
  bar.querySelectorAll("label").forEach(function (label) { seen.names.push(label.firstChild.textContent); });
  var threads = bar.querySelectorAll("select")[2], text = bar.querySelector("input");
  seen.options = Array.prototype.map.call(threads.options, function (option) { return option.value; });
  choose(threads, "2"); seen.threads = shown();
  choose(text, "TORCH fused"); seen.both = shown();
  table.querySelector("th:nth-child(3) button").click(); seen.sorted = shown();
  choose(threads, ""); choose(text, ""); seen.again = shown();
  seen.said = bar.querySelector("output").textContent;
  window.parent.postMessage(JSON.stringify(seen), "*");
});
</script>"""


@pytest.fixture(scope="module", params=PAGES)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_measurement(stored(PAGES[request.param](), tmp_path_factory.mktemp("browser")))[0]


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_opens_without_an_error_and_never_scrolls_sideways(page: Path, width: int, tmp_path: Path) -> None:
    seen = look(page, width, tmp_path)
    assert seen["errors"] == []
    assert seen["console"] == []
    assert seen["needed"] <= width
    assert seen["boxes"] == 0, "a table wider than the page lies outside a box that scrolls"
    if seen["smallest"] is not None:
        assert seen["smallest"] >= 250, "a figure too small to read"
    if "sorted" in seen:
        values = [float(value) for value in seen["sorted"]]
        assert values == sorted(values)


def test_rows_are_filtered_by_what_they_say(tmp_path: Path) -> None:
    measurement = update_measurement(optimizers=("adam",), sizes=(1_000, 1_000_000), tensors=0)
    page = write_measurement(stored(measurement, tmp_path / "page"))[0]
    seen = look(page, 1280, tmp_path, FILTER)
    rows = sum(len(comparison.rows) for comparison in measurement.comparisons)
    assert seen["names"] == ["contender", "elements", "threads", "verdict", "text in the row"]
    assert seen["options"] == ["", "1", "2"]
    assert seen["all"] == rows
    assert seen["threads"] == rows // 2
    assert seen["both"] == 4  # fused and fused direct, at two sizes
    assert seen["sorted"] == 4
    assert seen["again"] == rows
    assert seen["said"] == f"{rows} of {rows} rows"
