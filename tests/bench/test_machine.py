"""What is written about the machine can be stored as JSON, holds what is documented, and advises where it helps.

What Linux says about machines that this one is not comes from small trees of files made for the test.
"""

import copy
import json
import re
import subprocess

import pytest

from fastopt.bench import machine
from fastopt.bench.machine import libraries, system_files
from fastopt.bench.machine.advice import advice
from fastopt.bench.machine.checkout import checkout
from fastopt.bench.machine.container import container
from fastopt.bench.machine.cpu import (
    boost,
    cache_bytes,
    caches,
    frequency_hz,
    physical_cores,
    processor,
    simultaneous_threads,
)
from fastopt.bench.machine.gpu import gpus
from fastopt.bench.machine.system import memory_available_bytes, stolen_share, system, virtual_machine

# A machine on which there is nothing to advise.
QUIET = {
    "cpu": {"vector": "avx512f", "governor": "performance", "boost": False, "smt": False, "usable_cores": 4},
    "system": {"on_battery": False, "numa_nodes": 1, "stolen_share": 0.0, "clock_source": "tsc"},
    "container": {"cpus": None, "memory_bytes": None},
    "threads": {"numba": 4},
    "blas": [],
    "load": [0.1, 0.4, 2.0],
    "variables": {},
}
UNKNOWN = {
    **QUIET,
    "cpu": {"vector": "unknown", "governor": None, "boost": None, "smt": None, "usable_cores": 4},
    "system": {"on_battery": None, "numa_nodes": None, "stolen_share": None, "clock_source": None},
}


@pytest.fixture(scope="module")
def facts():
    return machine.environment()


@pytest.fixture
def tree(tmp_path):
    """A function that writes files below a folder, which stands for the root of the file system, and returns it."""

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def library(architecture, name="libscipy_openblas.so"):
    return {"library": name, "internal_api": "openblas", "architecture": architecture}


def changed(room, **facts):
    """The quiet machine with other facts in one room."""
    found = copy.deepcopy(QUIET)
    found[room] |= facts
    return found


# --- All facts ------------------------------------------------------------------------------------------------------


def test_the_facts_are_json(facts):
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_the_facts_have_the_documented_keys(facts):
    documented = machine.environment.__doc__.partition("Keys:")[2].partition("\n\n")[0]
    while "(" in documented:  # without what explains them
        documented = re.sub(r"\([^()]*\)", "", documented)
    assert list(facts) == re.findall(r"\w+", documented)
    assert {"model", "cores", "caches", "governor"} <= facts["cpu"].keys()


@pytest.mark.parametrize(("describe", "room"), [(processor, "cpu"), (system, "system"), (container, "container")])
def test_every_fact_of_a_room_is_documented(facts, describe, room):
    assert facts[room].keys() <= set(re.findall(r"\w+", describe.__doc__))


def test_the_facts_describe_a_machine(facts):
    assert facts["cpu"]["model"]
    assert 1 <= facts["cpu"]["usable_cores"] <= facts["cpu"]["cores"]
    assert facts["memory_bytes"] > 2**26
    assert facts["memory_available_bytes"] is None or 0 < facts["memory_available_bytes"] < facts["memory_bytes"]
    assert facts["threads"]["numba"] >= 1
    assert len(facts["load"]) == 3
    assert {"numpy", "numba", "llvmlite", "scipy"} <= facts["versions"].keys()
    assert re.fullmatch(r"\d+\.\d+\.\d+", facts["llvm"])
    assert facts["git"] is None or re.fullmatch("[0-9a-f]{40}", facts["git"]["commit"])


def test_where_the_system_tells_nothing_everything_is_unknown(tmp_path):
    found = processor(tmp_path) | system(tmp_path) | container(tmp_path)
    known = {"model", "architecture", "cores", "usable_cores"}
    empty = {"caches": {}, "vector": "unknown", "isolated_cores": []}
    assert {name: value for name, value in found.items() if name in empty} == empty
    assert found["frequency_hz"] == {"lowest": None, "highest": None, "current": None}
    rest = found.keys() - known - empty.keys() - {"frequency_hz", "virtual_machine", "kind"}
    assert {found[name] for name in rest} == {None}
    assert memory_available_bytes(tmp_path) is None


# --- Nobody's folder ------------------------------------------------------------------------------------------------


def test_only_variables_that_change_a_measurement_are_kept(monkeypatch):
    monkeypatch.setenv("OPENBLAS_TEST", "1")
    monkeypatch.setenv("SECRET_TOKEN", "2")
    variables = machine.environment()["variables"]
    assert variables["OPENBLAS_TEST"] == "1"
    assert "SECRET_TOKEN" not in variables
    assert list(variables) == sorted(variables)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("/home/ada/.cache/numba", "PATH"),
        ("~/cache", "PATH"),
        ("--xla_dump_to=/tmp/ada/dump --xla_dump_hlo_as_text", "--xla_dump_to=PATH --xla_dump_hlo_as_text"),
        ("/home/ada/a:/home/ada/b", "PATH:PATH"),
        ("granularity=fine,compact,1/2,0", "granularity=fine,compact,1/2,0"),
        ("{0},{1}", "{0},{1}"),
    ],
)
def test_paths_in_variables_are_left_out(monkeypatch, value, kept):
    monkeypatch.setenv("KMP_TEST", value)
    assert libraries.variables()["KMP_TEST"] == kept


def test_no_fact_names_a_folder(facts):
    def texts(value):
        if isinstance(value, dict):
            value = list(value.values())
        return [text for item in value for text in texts(item)] if isinstance(value, list) else [str(value)]

    assert not [text for text in texts({**facts, "advice": []}) if text.startswith(("/", "~"))]


# --- What Linux says about other machines ---------------------------------------------------------------------------

CPU = "sys/devices/system/cpu"


def test_a_laptop_with_smt_and_turbo_is_read(tree):
    siblings = {f"{CPU}/cpu{k}/topology/thread_siblings_list": f"{k % 2},{k % 2 + 2}\n" for k in range(4)}
    cache = f"{CPU}/cpu0/cache"
    root = tree(
        {
            **siblings,
            "proc/cpuinfo": "processor: 0\nmodel name\t: Abacus 9\nflags\t: avx2 sse2\ncpu MHz\t: 900\n\nprocessor: 1",
            f"{CPU}/intel_pstate/no_turbo": "0\n",
            f"{CPU}/isolated": "2-3\n",
            f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave\n",
            f"{CPU}/cpu0/cpufreq/cpuinfo_min_freq": "400000\n",
            f"{CPU}/cpu0/cpufreq/cpuinfo_max_freq": "4700000\n",
            f"{CPU}/cpu0/cpufreq/scaling_cur_freq": "1200000\n",
            **{f"{cache}/index0/{name}": text for name, text in (("type", "Data"), ("level", "1"), ("size", "48K"))},
            **{f"{cache}/index1/{name}": text for name, text in (("type", "Instruction"), ("level", "1"))},
            **{f"{cache}/index2/{name}": text for name, text in (("type", "Unified"), ("level", "2"), ("size", "2M"))},
            "sys/class/power_supply/BAT0/type": "Battery\n",
            "sys/class/power_supply/BAT0/status": "Discharging\n",
            "sys/class/power_supply/AC/type": "Mains\n",
            "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
            "sys/devices/system/node/online": "0-1\n",
            "proc/meminfo": "MemTotal: 100 kB\nMemAvailable:    64 kB\n",
            "proc/stat": "cpu  10 0 10 70 0 0 0 10 0 0\ncpu0 1 2 3\n",
        }
    )
    cpu, around = processor(root), system(root)
    assert (cpu["model"], cpu["vector"], cpu["governor"]) == ("Abacus 9", "avx2", "powersave")
    assert (cpu["physical_cores"], cpu["smt"], cpu["boost"]) == (2, True, True)
    assert cpu["caches"] == {"L1": "48K", "L2": "2M"}
    assert cpu["frequency_hz"] == {"lowest": 400_000_000, "highest": 4_700_000_000, "current": 1_200_000_000}
    assert around["isolated_cores"] == [2, 3]
    assert (around["on_battery"], around["huge_pages"], around["numa_nodes"]) == (True, "madvise", 2)
    assert stolen_share(root) == pytest.approx(0.1)
    assert memory_available_bytes(root) == 64 * 1024


def test_what_the_kernel_says_of_smt_itself_counts_first(tree):
    root = tree({f"{CPU}/smt/active": "0", f"{CPU}/cpu0/topology/thread_siblings_list": "0,1"})
    assert simultaneous_threads(root) is False
    assert physical_cores(root) == 1


def test_the_boost_of_other_drivers_is_read(tree):
    assert boost(tree({f"{CPU}/cpufreq/boost": "0"})) is False
    assert boost(tree({f"{CPU}/intel_pstate/no_turbo": "1"})) is False
    assert boost(tree({f"{CPU}/intel_pstate/no_turbo": "0"})) is True


def test_where_nobody_scales_the_frequency_the_current_one_is_that_of_the_processor(tmp_path):
    assert frequency_hz(tmp_path, "2596.122")["current"] == 2_596_122_000


def test_sizes_of_caches_become_bytes():
    assert cache_bytes({"L1": "48K", "L2": "2M", "L3": "512", "L4": "many"}) == {"L1": 49152, "L2": 1 << 21, "L3": 512}
    assert cache_bytes(caches()).keys() == caches().keys()


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc kvm-clock"}, "KVM"),
        ({"sys/class/dmi/id/sys_vendor": "QEMU"}, "QEMU"),
        ({"proc/sys/kernel/osrelease": "6.6.87-microsoft-standard-WSL2"}, "Hyper-V"),
        ({"sys/class/dmi/id/sys_vendor": "VMware, Inc.", "proc/cpuinfo": "flags : hypervisor"}, "VMware"),
        ({"proc/cpuinfo": "processor : 0\nflags : fpu hypervisor sse2"}, "unknown"),
        ({"proc/cpuinfo": "processor : 0\nflags : fpu sse2"}, None),
    ],
)
def test_a_virtual_machine_shows_itself(tree, files, name):
    assert virtual_machine(tree(files)) == name


@pytest.mark.parametrize(("text", "numbers"), [("0-2,8", [0, 1, 2, 8]), ("3", [3]), ("", []), ("all", []), ("0-", [0])])
def test_lists_of_processors_are_read(text, numbers):
    assert system_files.numbers_in(text) == numbers


# --- Containers -----------------------------------------------------------------------------------------------------


def test_the_lowest_limit_of_the_tree_counts(tree, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    group = "sys/fs/cgroup"
    root = tree(
        {
            ".dockerenv": "",
            "proc/self/cgroup": "0::/outer/inner\n",
            f"{group}/cgroup.controllers": "cpu memory",
            f"{group}/outer/cpu.max": "150000 100000\n",
            f"{group}/outer/inner/cpu.max": "max 100000\n",
            f"{group}/outer/inner/memory.max": "1073741824\n",
            f"{group}/outer/memory.max": "max\n",
            f"{group}/outer/cpuset.cpus.effective": "0-3\n",
        }
    )
    assert container(root) == {"kind": "docker", "cpus": 1.5, "memory_bytes": 1 << 30, "cpuset": "0-3"}


def test_a_group_whose_path_is_not_there_is_read_at_the_root(tree):
    group = "sys/fs/cgroup"
    files = {
        "proc/self/cgroup": "0::/docker/abc\n",
        f"{group}/cgroup.controllers": "",
        f"{group}/cpu.max": "50000 100000",
    }
    assert container(tree(files))["cpus"] == 0.5


def test_groups_of_version_1_are_read(tree):
    group = "sys/fs/cgroup"
    root = tree(
        {
            "run/.containerenv": "",
            "proc/self/cgroup": "3:cpuset:/\n2:cpu,cpuacct:/mine\n4:memory:/\n0::/\n",
            f"{group}/cpu/mine/cpu.cfs_quota_us": "200000\n",
            f"{group}/cpu/mine/cpu.cfs_period_us": "100000\n",
            f"{group}/cpu/cpu.cfs_quota_us": "-1\n",
            f"{group}/cpu/cpu.cfs_period_us": "100000\n",
            f"{group}/memory/memory.limit_in_bytes": "9223372036854771712\n",
            f"{group}/cpuset/cpuset.cpus": "0-1\n",
        }
    )
    found = container(root)
    assert (found["cpus"], found["memory_bytes"], found["cpuset"]) == (2.0, None, "0-1")


# --- The GPU --------------------------------------------------------------------------------------------------------


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """A function that puts a program in the place of nvidia-smi, the only one to be found."""

    def install(script):
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)

    monkeypatch.setenv("PATH", str(tmp_path))
    gpus.cache_clear()
    yield install
    gpus.cache_clear()


def test_each_gpu_has_name_driver_and_memory(smi):
    smi("echo 'NVIDIA A100, 550.54, 40960'\necho 'NVIDIA GB10, 580.1, [N/A]'")
    assert gpus() == [
        {"name": "NVIDIA A100", "driver": "550.54", "memory_bytes": 40960 << 20},
        {"name": "NVIDIA GB10", "driver": "580.1", "memory_bytes": None},
    ]


@pytest.mark.parametrize("script", ["echo no driver >&2; exit 9", "echo No devices were found", None])
def test_without_a_driver_or_a_device_there_is_no_gpu(smi, script):
    if script:
        smi(script)
    assert gpus() is None


# --- Advice ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["Haswell", "Zen", "Sandybridge", "Katmai"])
def test_a_blas_that_takes_a_wide_cpu_for_a_narrow_one_is_advised_on(monkeypatch, architecture):
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    (sentence,) = advice({**QUIET, "blas": [library("SkylakeX"), library(architecture)]})
    assert architecture in sentence
    assert "set OPENBLAS_CORETYPE=SKYLAKEX" in sentence


def test_a_variable_that_narrows_blas_is_to_be_unset(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    (sentence,) = advice({**QUIET, "blas": [library("Haswell"), library("Haswell", "libopenblas.so")]})
    assert sentence.endswith("unset OPENBLAS_CORETYPE")


@pytest.mark.parametrize(
    ("vector", "architecture"),
    [
        ("avx512f", "SkylakeX"),
        ("avx512f", "Cooperlake"),
        ("avx512f", None),
        ("avx2", "Haswell"),
        ("avx2", "Zen"),
        ("asimd", "armv8"),
        ("unknown", "Prescott"),
    ],
)
def test_a_blas_that_suits_the_cpu_is_not_advised_on(monkeypatch, vector, architecture):
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    assert advice({**changed("cpu", vector=vector), "blas": [library(architecture)]}) == []


@pytest.mark.parametrize("facts", [QUIET, UNKNOWN])
def test_where_all_is_well_or_unknown_there_is_no_advice(facts):
    assert advice(facts) == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (changed("cpu", governor="powersave"), ["powersave", "cpupower frequency-set"]),
        (changed("cpu", boost=True), ["boost"]),
        (changed("cpu", smt=True), ["share a core", "taskset"]),
        (changed("cpu", usable_cores=2), ["4 threads for 2 usable cores", "set NUMBA_NUM_THREADS=2"]),
        (changed("cpu", vector="avx2") | {"blas": [library("Nehalem")]}, ["Nehalem", "AVX2", "HASWELL"]),
        (changed("system", on_battery=True), ["battery"]),
        (changed("system", numa_nodes=2), ["2 NUMA nodes", "numactl"]),
        (changed("system", stolen_share=0.02), ["hypervisor", "2.0%"]),
        (changed("system", clock_source="hpet"), ["hpet", "clocksource=tsc"]),
        (changed("container", cpus=1.5), ["1.5 processors", "4 threads", "at most 1 thread,"]),
        (changed("container", memory_bytes=512 << 20), ["512 MiB"]),
        ({**QUIET, "load": [0.51, 0.0, 0.0]}, ["load is 0.51"]),
        (changed("variables", NUMBA_DISABLE_JIT="1"), ["unset NUMBA_DISABLE_JIT"]),
    ],
)
def test_what_disturbs_a_measurement_is_said_in_one_sentence(monkeypatch, facts, words):
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    (sentence,) = advice(facts)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


def test_a_quota_for_as_many_processors_as_there_are_threads_is_enough():
    assert advice(changed("container", cpus=4.0)) == []


# --- The checkout ---------------------------------------------------------------------------------------------------


def test_a_checkout_is_named_by_its_commit_and_whether_it_was_changed(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        return subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    assert checkout(tmp_path) is None
    git("init")
    assert checkout(tmp_path) is None  # nothing committed yet
    (tmp_path / "notes").write_text("one")
    git("add", ".")
    git("commit", "-m", "first")
    commit = git("rev-parse", "HEAD")
    (tmp_path / "another").write_text("not of the source tree")
    assert checkout(tmp_path) == {"commit": commit, "dirty": False}
    (tmp_path / "notes").write_text("two")
    assert checkout(tmp_path) == {"commit": commit, "dirty": True}


def test_without_git_a_checkout_has_no_commit(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert checkout(tmp_path) is None
