"""A plateau of the loss lowers the rate when PyTorch's ReduceLROnPlateau does, by the same factor."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import fastopt
from fastopt.errors import StateError

OPTIONS = [
    {},
    {"patience": 0},
    {"patience": 3, "gamma": 0.5},
    {"patience": 2, "gamma": 0.7, "cooldown": 4},
    {"patience": 1, "gamma": 0.5, "floor": 0.1},
    {"patience": 2, "gamma": 0.9, "threshold": 0.05},
    {"patience": 2, "gamma": 0.9, "threshold": 0.05, "threshold_mode": "abs", "cooldown": 1},
    {"patience": 1, "gamma": 0.5, "threshold": 0.0, "floor": 0.3, "cooldown": 2},
]


def losses(seed, n=300):
    """A loss that falls for a while, then wanders about, with plateaus of equal values and a few nan."""
    rng = np.random.default_rng(seed)
    values = np.exp(-np.arange(n) / rng.uniform(5, 60)) + 0.1 * rng.standard_normal(n).cumsum() / n**0.5
    values[rng.integers(0, n - 10) :][:10] = values[n // 2]
    values[rng.integers(0, n, 5)] = math.nan
    return values


@pytest.mark.parametrize("base", [1.0, 0.3])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("seed", range(5))
def test_every_decision_is_pytorchs(options, seed, base):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install fastopt[peers]")
    plateau = fastopt.make_schedule("plateau", **options).plateau()
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base)
    names = {"gamma": "factor", "floor": "min_lr"}
    theirs = {names.get(key, key): value for key, value in options.items()}
    theirs["min_lr"] = base * options.get("floor", 0.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "min", eps=0.0, **theirs)
    found, expected = [], []
    for loss in losses(seed):
        found.append(plateau.observe(loss))
        scheduler.step(loss)
        expected.append(optimizer.param_groups[0]["lr"] / base)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=0)
    assert len(set(found)) > 1
    assert (plateau.best, plateau.waited, plateau.resting) == (
        scheduler.best,
        scheduler.num_bad_epochs,
        scheduler.cooldown_counter,
    )


def test_the_rate_falls_again_and_again_down_to_the_floor():
    plateau = fastopt.make_schedule("plateau(patience=1,gamma=0.5,floor=0.2)").plateau()
    assert [plateau.observe(1.0) for _ in range(8)] == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2]


def test_a_plateau_goes_on_from_its_state_as_if_never_stopped():
    schedule = fastopt.make_schedule("plateau(patience=2,gamma=0.7,cooldown=3)")
    whole, first, second = schedule.plateau(), schedule.plateau(), schedule.plateau()
    values = losses(0)
    expected = [whole.observe(loss) for loss in values]
    found = [first.observe(loss) for loss in values[:100]]
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert found + [second.observe(loss) for loss in values[100:]] == expected
    assert second.state_dict() == whole.state_dict()


def test_the_state_before_the_first_evaluation_can_be_taken_over_too():
    schedule = fastopt.make_schedule("plateau")
    used = schedule.plateau()
    used.observe(1.0)
    used.load_state_dict(schedule.plateau().state_dict())
    assert used == schedule.plateau()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"more": 1}, "holds factor, best, waited, resting"),
        ({"factor": "half"}, "plain numbers"),
        ({"best": None}, "plain numbers"),
        ({"waited": math.inf}, "plain numbers"),
        ({"factor": 2.0}, "no plateau schedule can be in the state"),
        ({"best": math.nan}, "no plateau schedule can be in the state"),
        ({"waited": -1}, "no plateau schedule can be in the state"),
    ],
)
def test_state_that_is_none_is_refused_and_nothing_changed(change, message):
    plateau = fastopt.make_schedule("plateau").plateau()
    plateau.observe(1.0)
    before = plateau.state_dict()
    with pytest.raises(StateError, match=message) as caught:
        plateau.load_state_dict({**before, **change})
    assert "\n" not in str(caught.value)
    assert plateau.state_dict() == before
    with pytest.raises(StateError, match="pass what state_dict"):
        plateau.load_state_dict([1, 2])


def test_only_plateau_decides_at_evaluations_and_its_function_of_the_step_is_constant():
    assert fastopt.make_schedule("cosine").plateau() is None
    schedule = fastopt.make_schedule("plateau(metric=validation_loss,warmup=10)")
    assert schedule.plateau().metric == "validation_loss"
    assert schedule.bind(0.5).args.tolist() == [0.5, 10.0, 0.1]
    assert schedule.rate(0.5, 11, 1) == 0.5
