"""What is written about the machine can be stored as JSON, holds what is documented, and advises where it helps."""

import json
import re
import subprocess

import pytest

from fastopt.bench import machine

WIDE = {"vector": "avx512f"}


@pytest.fixture(scope="module")
def facts():
    return machine.environment()


def library(architecture, name="libscipy_openblas.so"):
    return {"library": name, "internal_api": "openblas", "architecture": architecture}


def test_the_facts_are_json(facts):
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_the_facts_have_the_documented_keys(facts):
    documented = machine.environment.__doc__.partition("Keys:")[2]
    while "(" in documented:  # without what explains them
        documented = re.sub(r"\([^()]*\)", "", documented)
    assert list(facts) == re.findall(r"\w+", documented)
    assert {"model", "cores", "caches", "governor"} <= facts["cpu"].keys()


def test_the_facts_describe_a_machine(facts):
    assert facts["cpu"]["model"]
    assert 1 <= facts["cpu"]["usable_cores"] <= facts["cpu"]["cores"]
    assert facts["memory_bytes"] > 2**26
    assert facts["threads"]["numba"] >= 1
    assert len(facts["load"]) == 3
    assert {"numpy", "numba", "llvmlite", "scipy"} <= facts["versions"].keys()
    for found in facts["blas"]:
        assert "/" not in found["library"]  # nobody's home folder goes into a report
    assert facts["git"] is None or re.fullmatch("[0-9a-f]{40}", facts["git"]["commit"])


def test_only_variables_that_change_a_measurement_are_kept(monkeypatch):
    monkeypatch.setenv("OPENBLAS_TEST", "1")
    monkeypatch.setenv("SECRET_TOKEN", "2")
    variables = machine.environment()["variables"]
    assert variables["OPENBLAS_TEST"] == "1"
    assert "SECRET_TOKEN" not in variables
    assert list(variables) == sorted(variables)


@pytest.mark.parametrize("architecture", ["Haswell", "Zen", "Sandybridge"])
def test_a_blas_that_takes_a_wide_cpu_for_a_narrow_one_is_advised_on(monkeypatch, architecture):
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    (advice,) = machine._advice(WIDE, [library("SkylakeX"), library(architecture)])
    assert architecture in advice
    assert "set OPENBLAS_CORETYPE=SKYLAKEX" in advice
    assert "\n" not in advice


def test_a_variable_that_narrows_blas_is_to_be_unset(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    (advice,) = machine._advice(WIDE, [library("Haswell"), library("Haswell", "libopenblas.so")])
    assert advice.endswith("unset OPENBLAS_CORETYPE")


@pytest.mark.parametrize(
    ("cpu", "blas"),
    [
        (WIDE, []),
        (WIDE, [library("SkylakeX"), library("Cooperlake")]),
        (WIDE, [library(None)]),
        ({"vector": "avx2"}, [library("Haswell")]),
        ({"vector": "asimd"}, [library("armv8")]),
        ({"vector": "unknown"}, [library("Prescott")]),
    ],
)
def test_where_all_is_well_there_is_no_advice(monkeypatch, cpu, blas):
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    assert machine._advice(cpu, blas) == []


def test_a_checkout_is_named_by_its_commit_and_whether_it_was_changed(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        return subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    home = tmp_path / "fastopt" / "bench"
    home.mkdir(parents=True)
    monkeypatch.setattr(machine, "__file__", str(home / "machine.py"))
    assert machine._git() is None
    git("init")
    assert machine._git() is None  # nothing committed yet
    (tmp_path / "notes").write_text("one")
    git("add", ".")
    git("commit", "-m", "first")
    commit = git("rev-parse", "HEAD")
    (tmp_path / "another").write_text("not of the source tree")
    assert machine._git() == {"commit": commit, "dirty": False}
    (tmp_path / "notes").write_text("two")
    assert machine._git() == {"commit": commit, "dirty": True}


def test_without_git_a_checkout_has_no_commit(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(machine, "__file__", str(tmp_path / "fastopt" / "bench" / "machine.py"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine._git() is None
