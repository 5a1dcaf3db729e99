"""What disturbs a block is seen: another process, a processor that is taken away; what is not readable is no guess."""

import math
import subprocess
import sys
import time

import pytest

from fastopt.bench import flush, watch
from fastopt.bench.watch import Watch

BUSY = "import time\nend = time.perf_counter() + 1.0\nwhile time.perf_counter() < end: pass"


@pytest.mark.skipif(not watch._STAT.exists(), reason="needs /proc/stat")
def test_the_processor_time_of_another_process_is_seen_and_ones_own_is_not():
    looking = Watch()
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    alone = looking.end()
    looking = Watch()
    subprocess.run([sys.executable, "-c", BUSY], check=True)
    beside = looking.end()
    assert beside.others_s >= 0.9
    assert beside.others_s - alone.others_s >= 0.3  # whatever else the machine is doing
    assert alone.steal_s >= 0
    assert alone.switches >= 0


def test_where_nothing_can_be_read_nothing_is_guessed(monkeypatch, tmp_path):
    monkeypatch.setattr(watch, "_STAT", tmp_path / "stat")
    monkeypatch.setattr(watch, "_FREQUENCY", tmp_path / "frequency")
    seen = Watch().end()
    assert math.isnan(seen.others_s)
    assert math.isnan(seen.steal_s)
    assert math.isnan(seen.mhz)
    (tmp_path / "frequency").write_text("2600000\n")
    assert Watch().end().mhz == 2600.0


def test_flushing_writes_to_twice_the_largest_cache_and_leaves_the_affinity_of_the_process(monkeypatch):
    import os

    before = os.sched_getaffinity(0)
    flusher = flush.Flusher()
    flusher.flush()
    flusher.flush()
    assert flusher._buffer.nbytes == 2 * flush.largest_cache() >= 2 << 20
    assert set(flusher._buffer) == {1.0 + 2.0 * len(before)}
    assert os.sched_getaffinity(0) == before
