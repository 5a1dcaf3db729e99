"""From which size on "auto" uses all threads: measured when asked, kept, and read by later processes."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest

import fastopt
from fastopt.bench import crossover as measuring
from fastopt.errors import StoreError
from fastopt.kernels import tensors
from fastopt.optimizers import crossover
from fastopt.optimizers.plans import HostPlan


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTOPT_CACHE_DIR", str(tmp_path / "cache"))
    crossover._kept.cache_clear()
    yield tmp_path / "cache"
    crossover._kept.cache_clear()


def test_a_machine_that_was_never_measured_takes_the_default(own_cache):
    assert crossover.parallel_from() == crossover.DEFAULT
    assert not own_cache.exists()


@pytest.mark.parametrize("elements", [8192, math.inf])
def test_what_is_kept_is_found_by_this_and_by_the_next_process(elements):
    crossover.keep(elements)
    assert crossover.parallel_from() == elements
    code = "from fastopt.optimizers import crossover; print(crossover.parallel_from())"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True)
    assert float(done.stdout) == elements


def test_other_machines_are_left_as_they_were(own_cache):
    crossover.keep(1000)
    path = own_cache / "crossover.json"
    path.write_text(json.dumps({"another machine": 7, **json.loads(path.read_text())}))
    crossover.keep(2000)
    assert json.loads(path.read_text()) == {"another machine": 7, crossover.machine_key(): 2000}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": "many"}', '{"x": -4}'])
def test_a_damaged_file_counts_as_none(own_cache, content):
    own_cache.mkdir()
    (own_cache / "crossover.json").write_text(content.replace("x", crossover.machine_key()))
    assert crossover.parallel_from() == crossover.DEFAULT


def test_serial_and_parallel_are_what_they_say():
    assert crossover.parallel_from("serial") == math.inf
    assert crossover.parallel_from("parallel") < crossover.DEFAULT


def calls(n_tensors, size):
    arrays = [np.ones(size, np.float32) for _ in range(n_tensors)]
    optimizer = fastopt.SGD()
    optimizer.step(arrays, [np.ones(size, np.float32) for _ in range(n_tensors)])
    assert isinstance(optimizer._plan, HostPlan)
    serial, parallel = (optimizer.compiled(np.float32, parallel=p).address for p in (False, True))
    return [
        (
            call.step is tensors.step_parallel,
            set(call.table[:, tensors.UPDATE]) - {serial, parallel},
            *{address == parallel for address in call.table[:, tensors.UPDATE]},
        )
        for call in optimizer._plan._calls
    ]


def test_auto_goes_parallel_within_large_arrays_and_across_many_small_ones():
    crossover.keep(1000)
    assert calls(1, 999) == [(False, set(), False)]
    assert calls(1, 1000) == [(False, set(), True)]
    assert calls(9, 100) == [(False, set(), False)]
    assert calls(10, 100) == [(True, set(), False)]


def test_calibrating_measures_every_size_and_keeps_what_it_found(monkeypatch):
    monkeypatch.setattr(measuring, "SIZES", (1000, 2000))
    found = fastopt.calibrate()
    assert found.serial_s.keys() == found.parallel_s.keys() == {1000, 2000}
    assert all(0 < seconds < 1 for seconds in (*found.serial_s.values(), *found.parallel_s.values()))
    assert crossover.parallel_from() == (math.inf if found.elements is None else found.elements)
    assert str(found.kept_in) in str(found)


@pytest.mark.parametrize(
    ("serial", "parallel", "expected"),
    [
        ((1, 2, 4, 8), (3, 3, 3, 4), 3000),
        ((1, 2, 4, 8), (3, 1, 5, 4), 4000),  # a win among losses is noise
        ((1, 2, 4, 8), (9, 9, 9, 9), math.inf),
        ((1, 2, 4, 8), (0.5, 1, 2, 4), 1000),
    ],
)
def test_the_crossover_is_where_parallel_wins_from_there_on(monkeypatch, serial, parallel, expected):
    sizes = (1000, 2000, 3000, 4000)
    times = dict(zip(sizes, zip(serial, parallel, strict=True), strict=True))
    monkeypatch.setattr(measuring, "SIZES", sizes)
    monkeypatch.setattr(measuring, "_medians", times.get)
    fastopt.calibrate()
    assert crossover.parallel_from() == expected


def test_a_folder_that_cannot_be_written_gives_one_line(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FASTOPT_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(measuring, "_medians", lambda size: (1.0, 2.0))
    with pytest.raises(StoreError, match=r"cannot keep the crossover: .*; set FASTOPT_CACHE_DIR"):
        fastopt.calibrate()
