"""Every contender of an optimizer step gives the reference's answer, in a process of its own, or says what it lacks."""

import subprocess
import sys
import types

import numpy as np
import pytest

from fastopt.bench import contenders
from fastopt.bench.contenders import recipes, update_peers, updates
from fastopt.bench.contenders.update_case import UpdateCase
from fastopt.bench.contenders.update_torch import TorchCompile
from fastopt.bench.contenders.updates import FastoptFlat, FastoptSerial, NumpyUnfused
from fastopt.errors import PeerUnavailable
from tests.bench.contenders.checking import assert_passes_its_checks

OPTIMIZERS = sorted(recipes.HYPER)
DTYPES = ("float32", "float64")
# What a peer does not offer, and what it says then.
REFUSED = {
    **{("torch fused", "rmsprop", dtype): "no fused RMSprop" for dtype in DTYPES},
    **{("torch fused direct", "rmsprop", dtype): "no fused RMSprop" for dtype in DTYPES},
    **{
        ("deepspeed", optimizer, dtype): f"DeepSpeed has no {optimizer} on the CPU"
        for optimizer in OPTIMIZERS
        for dtype in DTYPES
        if optimizer != "adam"
    },
    ("deepspeed", "adam", "float64"): "DeepSpeed's CPU Adam has no float64",
    **{("keras", "rmsprop", dtype): "Keras's RMSprop has eps inside the root" for dtype in DTYPES},
    ("keras", "adam", "float64"): "Keras's Adam has eps in another place",
}
# Of what `torch.compile` takes seconds for, that which shows all its ways: a first step of its own, lists, float64.
COMPILED = {("momentum", "float32", 1), ("rmsprop", "float32", 17), ("adam", "float64", 1)}


def offered_updates():
    """Every contender with every case of 1003 elements that it was made for and offers, in one array and in 17."""
    for name, contender in updates.CONTENDERS.items():
        for optimizer in OPTIMIZERS:
            for dtype in ("float32", "float64"):
                for n_tensors in (1, 17):
                    case = UpdateCase(optimizer, 1003, dtype=dtype, n_tensors=n_tensors, threads=1)
                    left_out = name == "torch compile" and (optimizer, dtype, n_tensors) not in COMPILED
                    if (
                        contender.answers
                        and contender.suits(case)
                        and (name, optimizer, dtype) not in REFUSED
                        and not left_out
                    ):
                        yield pytest.param(name, case, id=f"{name}-{optimizer}-{dtype}-{n_tensors}")


@pytest.mark.parametrize(("name", "case"), [*offered_updates()])
def test_every_update_contender_gives_the_reference_answer(worker, name, case):
    assert_passes_its_checks(worker("update", name), case)


@pytest.mark.parametrize("name", ["torch for-loop", "torch compile", "keras"])
def test_on_two_threads_the_answer_is_right_too(worker, name):
    assert_passes_its_checks(worker("update", name, 2), UpdateCase("adam", 100_003, threads=2))


@pytest.mark.parametrize(("name", "optimizer", "dtype"), REFUSED)
def test_what_a_peer_does_not_offer_it_refuses_with_the_reason(name, optimizer, dtype):
    contender = contenders.find("update", name)()
    with pytest.raises(PeerUnavailable, match=REFUSED[name, optimizer, dtype]):
        contender.prepare(UpdateCase(optimizer, 8, dtype=dtype, threads=1))


@pytest.mark.parametrize(
    ("name", "n_tensors"),
    [("fastopt serial", 1), ("fastopt flat", 3), ("torch fused direct", 1), ("optax", 1), ("deepspeed", 1)],
)
def test_steps_go_on_where_the_last_call_stopped(worker, name, n_tensors):
    case = UpdateCase("adam", 999, n_tensors=n_tensors, threads=1)
    process = worker("update", name)
    assert process.prepare(case).reason is None
    process.time(2)
    process.time(3)
    assert case.error(process.result(), 5) <= 1e-4


def test_run_does_exactly_as_many_steps_as_asked_for():
    ours, numpy = FastoptSerial(), NumpyUnfused()
    for contender in (ours, numpy):
        contender.prepare(UpdateCase("adam", 5, threads=1))
        contender.run(1)
        contender.run(6)
    assert ours.optimizer.steps == numpy.step_count == 7


def test_the_flat_array_is_aligned_and_one_for_all():
    contender = FastoptFlat()
    contender.prepare(UpdateCase("adam", 999, n_tensors=3, threads=1))
    assert contender.params.ctypes.data % 64 == 0
    assert all(np.shares_memory(view, contender.params) for view in contender.views)


def test_a_deepspeed_that_cannot_be_built_is_unavailable_with_the_reason(monkeypatch):
    def without_compiler(*arguments, **options):
        raise RuntimeError("requires the cpu_adam op") from OSError(
            "[1/3] c++ -O3\n/bin/sh: 1: c++: not found\nninja: build stopped"
        )

    fake = types.ModuleType("deepspeed.ops.adam")
    fake.DeepSpeedCPUAdam = without_compiler
    for module in ("deepspeed", "deepspeed.ops"):
        monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
    monkeypatch.setitem(sys.modules, "deepspeed.ops.adam", fake)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PeerUnavailable, match=r"could not build its CPU Adam: /bin/sh: 1: c\+\+: not found$"):
        update_peers.DeepSpeed().make([])


def test_optax_gives_its_arrays_to_xla_and_gets_them_back_updated():
    if missing := update_peers.Optax().available():
        pytest.skip(f"{missing}, or fastopt[peers]")
    program = (
        "import jax\n"
        "from fastopt.bench.contenders.update_case import UpdateCase\n"
        "from fastopt.bench.contenders.update_peers import Optax\n"
        "optax = Optax()\n"
        "optax.prepare(UpdateCase('adam', 999, n_tensors=3))\n"
        "before = jax.tree.leaves((optax.params, optax.state))\n"
        "optax.run(1)\n"
        "assert all(array.is_deleted() for array in before)\n"
    )
    # an interpreter of its own: JAX starts threads
    done = subprocess.run([sys.executable, "-W", "error", "-P", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_step_is_compiled_however_often_it_was_prepared():
    if missing := TorchCompile().available():
        pytest.skip(f"{missing}, or fastopt[peers]")
    program = (
        "import torch\n"
        "from fastopt.bench.contenders.update_case import UpdateCase\n"
        "from fastopt.bench.contenders.update_torch import TorchCompile\n"
        "torch._dynamo.config.fail_on_recompile_limit_hit = True\n"
        "for _ in range(torch._dynamo.config.recompile_limit + 2):\n"
        "    contender = TorchCompile()\n"
        "    contender.prepare(UpdateCase('momentum', 99))\n"
        "torch.compiler.set_stance('fail_on_recompile')\n"
        "contender.run(5)\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
