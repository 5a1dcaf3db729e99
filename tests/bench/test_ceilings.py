"""Ceilings are measured for every size and number of threads; a process that fails to measure them is one line."""

import json
import os
import time

import numpy as np
import pytest

from fastopt.bench import ceilings
from fastopt.bench.ceilings import bandwidth, products
from fastopt.bench.ceilings.sampling import FEWEST, MOST, block_times, rate, spread
from fastopt.bench.ceilings.traffic import MOST_STATES, aligned_rows, bytes_moved, stream_kernel
from fastopt.bench.contenders.updates import UpdateCase
from fastopt.bench.machine import usable_cores, usable_memory_bytes
from fastopt.errors import ConfigError, WorkerError
from fastopt.training.models.product import suits_this_cpu

THREADS = min(2, usable_cores())


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The answer of a process in which a library prints as it ends."""
    folder = tmp_path_factory.mktemp("chatty")
    (folder / "sitecustomize.py").write_text("import atexit, os\natexit.register(lambda: os.write(1, b'goodbye'))\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        return ceilings.measured(THREADS)


def spreads(value):
    """Every spread within an answer."""
    if isinstance(value, dict) and "median" in value:
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from spreads(item)


# --- The answer of the process --------------------------------------------------------------------------------------


def test_the_answer_is_json_and_has_what_is_documented(found):
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    documented = ceilings.measured.__doc__.partition("processors.")[0]
    for key in found:
        assert f"    {key} " in documented
    assert found["threads"] == THREADS
    assert found["took_s"] > 0


def test_every_value_is_a_median_between_two_bounds(found):
    values = list(spreads(found))
    assert len(values) > 2 * len(found["bandwidth"])
    for value in values:
        assert value.keys() == {"min", "median", "max", "blocks"}
        assert 0 < value["min"] <= value["median"] <= value["max"]
        assert FEWEST <= value["blocks"] <= MOST


def test_one_thread_and_all_are_measured(found):
    counts = {1, THREADS}
    assert found["parallel_region_s"].keys() == {str(count) for count in counts}
    who = {"blas", "tiles"} if suits_this_cpu() else {"blas"}
    rows = [(row["who"], row["dtype"], row["threads"]) for row in found["products"]]
    assert sorted(rows) == sorted((name, dtype, count) for name in who for dtype in products.DTYPES for count in counts)


def test_the_bandwidth_of_every_size_is_that_of_the_bytes_moved(found):
    rows = found["bandwidth"]
    sizes = [n for n in bandwidth.SIZES if 4 * n * 4 <= (usable_memory_bytes() or 1 << 62) // 4]
    keys = [(row["n"], row["threads"], row["n_states"]) for row in rows]
    assert len(set(keys)) == len(keys)
    assert set(keys) >= {(n, count, states) for n in sizes for count in (1, THREADS) for states in (0, 1, 2)}
    for row in rows:
        assert row["bytes_moved"] == row["n"] * 4 * (3 + 2 * row["n_states"])
        assert row["array_bytes"] == row["n"] * 4 * (2 + row["n_states"])
        assert row["bytes_per_s"]["max"] == pytest.approx(row["bytes_moved"] / row["time_s"]["min"])


def test_calls_are_measured_by_what_they_hand_over_and_the_clock_steps_by_whole_nanoseconds(found):
    assert found["call_s"].keys() == {"no arguments", "three arrays"}
    assert found["timer"].keys() == {"resolution_s", "pair_s"}
    assert found["timer"]["resolution_s"]["min"] >= 1e-9


# --- A process that fails -------------------------------------------------------------------------------------------


@pytest.fixture
def child_runs(tmp_path, monkeypatch):
    """A function that lets the measuring process run a program before anything else."""

    def write(program):
        (tmp_path / "sitecustomize.py").write_text(f"import os, sys, time\n{program}\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return write


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("os.write(1, b'hello'); os._exit(0)", "answered garbage: b'hello'"),
        ("os.write(1, b'[1]'); os._exit(0)", "answered garbage"),
        ("os.write(2, b'first\\nno luck\\n'); os._exit(3)", "ended with exit status 3; it last said: no luck"),
        ("os.kill(os.getpid(), 11)", "was killed by SIGSEGV"),
    ],
)
def test_a_process_that_fails_is_one_line(child_runs, program, words):
    child_runs(program)
    with pytest.raises(WorkerError, match="the process that measures ceilings ") as caught:
        ceilings.measured(1)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_setting_that_numba_refuses_is_said(monkeypatch):
    monkeypatch.setenv("NUMBA_THREADING_LAYER", "looms")
    with pytest.raises(WorkerError, match=r"ended with exit status 1; it last said: .*looms"):
        ceilings.measured(1)


def test_a_process_that_hangs_is_killed(child_runs, tmp_path):
    pid = tmp_path / "pid"
    child_runs(f"open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)")
    with pytest.raises(WorkerError, match="gave no answer within 5 s"):
        ceilings.measured(1, timeout_s=5.0)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True])
def test_a_number_of_threads_that_is_none_is_refused(threads):
    with pytest.raises(ConfigError, match="threads must be a whole number of at least 1"):
        ceilings.measured(threads)


# --- Its parts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_states", range(MOST_STATES + 1))
@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("n", [0, 1, 1000, 20_001])
def test_the_traffic_reads_and_writes_every_array_and_nothing_else(dtype, n_states, parallel, n):
    rows = aligned_rows(2 + n_states, n, np.dtype(dtype))
    rows[1] = 0.5
    stream_kernel(n_states, parallel=parallel)(rows[0, :n], rows[1, :n], rows[2:], rows.dtype.type(2), 3)
    for k, row in enumerate(rows):
        assert (row[:n] == (0.5 if k == 1 else 3.0)).all()
        assert (row[n:] == (0.5 if k == 1 else 0.0)).all()
        assert row.size == 0 or row.ctypes.data % 64 == 0


def test_a_kernel_found_in_the_cache_is_the_one_that_was_asked_for():
    for n_states in range(MOST_STATES + 1):
        for parallel in (False, True):
            kernel = stream_kernel(n_states, parallel=parallel)
            assert kernel is stream_kernel(n_states, parallel=parallel)
            assert kernel.__name__ == f"stream_{n_states}_parallel{parallel:d}"


@pytest.mark.parametrize(("optimizer", "n_states"), [("sgd", 0), ("momentum", 1), ("rmsprop", 1), ("adam", 2)])
def test_a_step_moves_the_bytes_of_its_traffic(optimizer, n_states):
    case = UpdateCase(optimizer, 1000, dtype="float64")
    assert (case.n_states, case.bytes_per_step) == (n_states, bytes_moved(1000, n_states, np.dtype(np.float64)))


def test_a_block_is_filled_with_repeats_and_its_time_is_that_of_one():
    asked = []

    def run(repeats):
        asked.append(repeats)
        time.sleep(1e-3 * repeats)

    times = block_times(run, block_s=4e-3)
    assert FEWEST <= len(times) <= MOST
    assert min(times) >= 1e-3
    assert set(asked[-len(times) :]) == {asked[-1]}
    assert asked[0] == 1


def test_a_spread_and_a_rate_come_from_all_blocks():
    assert spread([3.0, 1.0, 2.0, 9.0]) == {"min": 1.0, "median": 2.5, "max": 9.0, "blocks": 4}
    assert rate([2.0, 4.0], 8.0) == {"min": 2.0, "median": 3.0, "max": 4.0, "blocks": 2}
