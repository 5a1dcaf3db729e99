"""A run that goes on from a checkpoint has the bits, and the curve, of one that was never stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import fastopt
from fastopt import Adam, Momentum
from fastopt.errors import StateError, StoreError
from fastopt.training.shuffle import SAMPLINGS


def curve(history):
    return history.frame.drop(columns="seconds").to_numpy().tobytes()


def same(one, other):
    return (one.params.tobytes(), curve(one), one.status) == (other.params.tobytes(), curve(other), other.status)


SETTINGS = {
    "plain": {},
    "plateau": {"schedule": "plateau(patience=0, gamma=0.5, threshold=0.2)"},
    "cosine over given steps": {"schedule": "cosine(total=400, warmup=7)"},
    "clipped": {"optimizer": Momentum(0.05, form="heavy_ball", clip_norm=0.5)},
    "geometric looks": {"evaluate_at": "geometric"},
    "sums": {"reduction": "sum", "optimizer": Adam(1e-4)},
    "whole batches": {"drop_last": True},
    "given parameters": {"params": np.full(2410, 0.01, np.float32)},
}


@pytest.mark.parametrize("steps", [1, 39, 40, 57])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_run_that_is_stopped_and_goes_on_ends_with_the_same_bits(name, steps, tmp_path):
    settings, path = {"batch_size": 32, **SETTINGS[name]}, tmp_path / "run.npz"
    whole = fastopt.train("digits", epochs=4, **settings)
    fastopt.train("digits", steps=steps, checkpoint=path, **settings)
    assert same(fastopt.train("digits", epochs=4, resume=path, **settings), whole)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_every_sampling_goes_on_in_the_middle_of_an_epoch(sampling, tmp_path):
    settings, path = {"batch_size": 7, "sampling": sampling}, tmp_path / "run.npz"
    whole = fastopt.train("digits", epochs=2, **settings)
    fastopt.train("digits", steps=100, checkpoint=path, **settings)
    assert same(fastopt.train("digits", epochs=2, resume=path, **settings), whole)


def test_a_run_may_be_stopped_again_and_again_in_one_file(tmp_path):
    path = tmp_path / "run.npz"
    whole = fastopt.train("digits", epochs=3)
    for steps in (5, 50, 51, 90):
        resume = path if path.exists() else None
        fastopt.train("digits", steps=steps, checkpoint=path, resume=resume)
    assert same(fastopt.train("digits", epochs=3, resume=path), whole)
    assert os.listdir(tmp_path) == ["run.npz"]


def test_backend_and_threads_may_change_in_between(tmp_path):
    path = tmp_path / "run.npz"
    whole = fastopt.train("digits", epochs=2, batch_size=64, backend="serial")
    fastopt.train("digits", steps=11, batch_size=64, backend="parallel", checkpoint=path)
    assert same(fastopt.train("digits", epochs=2, batch_size=64, backend="serial", resume=path), whole)


def test_a_run_that_ended_is_not_trained_any_further(tmp_path):
    path = tmp_path / "run.npz"
    done = fastopt.train("digits", epochs=2, checkpoint=path)
    assert same(fastopt.train("digits", epochs=2, resume=path), done)


def test_the_second_try_of_a_diverged_run_goes_on_as_the_second(tmp_path):
    path, rate = tmp_path / "run.npz", {"optimizer": fastopt.SGD(1e4), "on_divergence": "retry"}
    whole = fastopt.train("digits", epochs=3, **rate)
    assert len(whole.tries) > 1
    fastopt.train("digits", steps=50, checkpoint=path, **rate)
    again = fastopt.train("digits", epochs=3, resume=path, **rate)
    assert same(again, whole)
    assert again.tries == whole.tries


CHILD = """
    import os, signal, sys
    import fastopt
    from fastopt.training import checkpoint
    save, count = checkpoint.save, 0
    def counted(*arguments):
        global count
        save(*arguments)
        count += 1
        if count == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
    checkpoint.save = counted
    fastopt.train("digits", epochs=6, checkpoint=sys.argv[1])
"""


@pytest.mark.parametrize("looks", [1, 4])
def test_a_killed_process_leaves_a_checkpoint_to_go_on_from(looks, tmp_path):
    path = tmp_path / "run.npz"
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(path), str(looks)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert same(fastopt.train("digits", epochs=6, resume=path), fastopt.train("digits", epochs=6))


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "run.npz"
    fastopt.train("digits", epochs=1, checkpoint=path)
    return path


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"batch_size": 16}, "batch_size"),
        ({"optimizer": Adam(2e-3)}, "optimizer"),
        ({"hidden": (8,)}, "model"),
        ({"l2": 0.1}, "model"),
        ({"data": "moons"}, "data"),
        ({"schedule": "cosine"}, "schedule"),
        ({"sampling": "bijection"}, "sampling"),
        ({"dtype": "float64"}, "data"),
        ({"seed": 1, "reduction": "sum"}, "reduction, seed"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused_and_what_differs_is_named(change, named, saved):
    before = saved.read_bytes()
    with pytest.raises(StateError, match=f"is the checkpoint of another run: {named} differ") as raised:
        fastopt.train(**{"data": "digits", "epochs": 2, "resume": saved, **change})
    assert "\n" not in str(raised.value)
    assert saved.read_bytes() == before


def test_a_missing_or_damaged_checkpoint_is_refused(saved, tmp_path):
    with pytest.raises(StateError, match=r"none\.npz: no such file"):
        fastopt.train("digits", resume=tmp_path / "none.npz")
    cut = tmp_path / "cut.npz"
    cut.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(StateError, match=r"cut\.npz is no saved run, or is damaged"):
        fastopt.train("digits", resume=cut)
    optimizer = tmp_path / "optimizer.npz"
    Adam().save(optimizer)
    with pytest.raises(StateError, match=r"optimizer\.npz is no saved run of format 1"):
        fastopt.train("digits", resume=optimizer)


def test_a_checkpoint_that_cannot_be_written_is_an_error_and_leaves_what_was_there(tmp_path):
    with pytest.raises(StoreError, match=r"cannot write .*run\.npz: No such file or directory"):
        fastopt.train("digits", epochs=1, checkpoint=tmp_path / "missing" / "run.npz")
