"""`fastopt info` as a user meets it: a table to read, or one JSON document, and what was measured on demand."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from fastopt.bench import machine
from fastopt.bench.machine import usable_cores
from tests.cli.process import ENVIRONMENT, FASTOPT, complaint, fastopt, running, succeeded


def info(folder, *flags, **variables):
    """What `fastopt info` prints under other environment variables."""
    environment = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("OPENBLAS_")}
    done = subprocess.run(
        [*FASTOPT, "info", *flags],
        cwd=folder,
        env=environment | {"COLUMNS": "200"} | variables,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return succeeded(done)


def test_the_table_says_what_the_machine_is(tmp_path):
    lines = info(tmp_path)
    names = [line.split()[0] for line in lines if line and not line.startswith(" ")]
    assert names[:6] == ["CPU", "cores", "caches", "frequency", "memory", "system"]
    assert {"container", "GPU", "load", "fastopt", "Python", "versions", "threads", "BLAS", "variables"} <= set(names)
    assert names[-1] in ("advice", "nothing")
    assert "None" not in "\n".join(lines)
    assert list(tmp_path.iterdir()) == []


def test_the_document_holds_the_facts_and_nothing_else_is_printed(tmp_path):
    facts = json.loads("\n".join(info(tmp_path, "--json")))
    assert facts.keys() == machine.environment().keys()
    assert facts["cpu"]["usable_cores"] == usable_cores()


def test_the_threads_are_those_of_the_environment(tmp_path):
    facts = json.loads("\n".join(info(tmp_path, "--json", NUMBA_NUM_THREADS="1")))
    assert facts["threads"]["numba"] == 1
    assert facts["variables"]["NUMBA_NUM_THREADS"] == "1"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be bound to processors here")
def test_a_process_bound_to_one_processor_has_one_usable_core(tmp_path):
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        facts = json.loads("\n".join(info(tmp_path, "--json")))
    finally:
        os.sched_setaffinity(0, before)
    assert (facts["cpu"]["usable_cores"], facts["threads"]["numba"]) == (1, 1)


def test_a_blas_that_was_told_another_cpu_is_seen_with_the_cure(tmp_path):
    before = json.loads("\n".join(info(tmp_path, "--json")))
    if before["cpu"]["vector"] != "avx512f" or not any(found["internal_api"] == "openblas" for found in before["blas"]):
        pytest.skip("needs OpenBLAS on a processor with AVX-512")
    assert not [sentence for sentence in before["advice"] if "OpenBLAS" in sentence]
    lines = info(tmp_path, OPENBLAS_CORETYPE="Haswell")
    assert any("believes it runs on Haswell" in line for line in lines)
    assert any(re.match(r"advice +OpenBLAS runs as Haswell .*: unset OPENBLAS_CORETYPE", line) for line in lines)


def test_what_was_measured_stands_below_the_facts(tmp_path):
    lines = info(tmp_path, "--measure", NUMBA_NUM_THREADS="1")
    text = "\n".join(lines)
    assert re.search(r"^timer +resolution \d", text, re.MULTILINE)
    assert re.search(r"^call +with three arrays \d", text, re.MULTILINE)
    assert re.search(r"^region +1 thread, \w+ \d", text, re.MULTILINE)
    assert re.search(r"^blas 1024 x 1024 x 1024, 1 thread +[\d.]+ +[\d.]+ *$", text, re.MULTILINE)
    assert re.search(r"^1,024 +1 +[\d.e+]+ +[\d.e+]+ +[\d.e+]+ *$", text, re.MULTILINE)


def test_what_is_measured_on_request_is_in_the_document(tmp_path):
    facts = json.loads("\n".join(info(tmp_path, "--json", "--measure", NUMBA_NUM_THREADS="1")))
    assert facts.keys() == machine.environment().keys() | {"ceilings"}
    assert facts["ceilings"]["threads"] == 1


def test_a_process_that_cannot_measure_is_one_line_and_exit_code_2(tmp_path, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "NUMBA_THREADING_LAYER", "looms")
    assert "the process that measures ceilings ended with exit status 1" in complaint(
        fastopt(tmp_path, "info", "--measure", "--json")
    )


def test_info_takes_no_names(tmp_path):
    assert "unrecognized arguments: machine" in complaint(fastopt(tmp_path, "info", "machine"))


def test_ctrl_c_while_measuring_leaves_no_process_behind(tmp_path, monkeypatch):
    here = tmp_path / "pid"
    program = (
        f"import os, sys, time\nif 'fastopt.bench.ceilings' in sys.orig_argv:\n    open({str(here)!r}, 'w').write("
    )
    (tmp_path / "sitecustomize.py").write_text(f"{program}str(os.getpid())); time.sleep(600)\n")
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPATH", str(tmp_path))
    with running(tmp_path, "info", "--measure") as process:
        deadline = time.monotonic() + 60
        while not (here.is_file() and here.read_text()):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "fastopt: interrupted\n")
        assert process.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(here.read_text()), 0)
