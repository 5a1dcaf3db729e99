"""A study goes on only where it is the same study: its settings, its data, its fastopt."""

import contextlib
import dataclasses
import math

import pytest

from fastopt import records
from fastopt.errors import StoreError
from fastopt.study.config import StudyConfig
from fastopt.study.done import NOTHING, look_back
from fastopt.study.plan import plan
from fastopt.training.datasets import digits

DIGITS = digits()
SETTINGS = {"model": "softmax", "optimizers": ("sgd", "adam"), "batch_sizes": ("32",), "seeds": 2, "workers": 1}


def study(dataset=DIGITS, **settings):
    return plan(StudyConfig(**SETTINGS | settings), dataset)


def stored(folder, begun, version=None, **facts):
    with contextlib.closing(records.Writer(folder)) as writer:
        writer.meta(environment={"fastopt": version or begun.identity["fastopt"]}, **begun.facts(), **facts)
        run = {"phase": "search", "optimizer": "sgd", "batch": "32", "batch_size": 32, "learning_rate": 0.1, "seed": 0}
        writer.run(run | {"run_id": "a", "status": "finished", "reason": "", "validation_loss": 0.25}, [])
        writer.run(run | {"run_id": "b", "status": "diverged", "reason": ""}, [])
        timing = {"optimizer": "sgd", "batch": "32", "batch_size": 32, "position": 0, "backend": "serial"}
        timing |= {"threads": 1, "chunks": 1, "epochs": 1, "steps": 1, "time_s": 1.0, "left_out": ""}
        for number in (1, 2):
            writer.timing(timing | {"round": number})
    return records.read(folder)


def refusal(begun, now, folder, **facts):
    with pytest.raises(StoreError) as raised:
        look_back(now, stored(folder, begun, **facts))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_what_is_recorded_is_done(tmp_path):
    done = look_back(study(), stored(tmp_path, study(), status="interrupted", compile_time_s=1.0))
    assert done.results == {"a": 0.25, "b": math.inf}
    assert (done.rounds, done.compiled, done.finished) == ({("sgd", "32"): 2}, True, False)


def test_a_finished_study_is_known_as_one(tmp_path):
    assert look_back(study(), stored(tmp_path, study(), status="finished")).finished


def test_a_store_without_facts_is_one_that_was_killed_at_once(tmp_path):
    records.Writer(tmp_path).close()
    assert look_back(study(), records.read(tmp_path)) == NOTHING


def test_another_number_of_workers_is_the_same_study(tmp_path):
    assert look_back(study(workers=2), stored(tmp_path, study())).results


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"tune": 5}, "tune was 8, is 5"),
        ({"seeds": 3}, "seeds was [0, 1], is [0, 1, 2]"),
        ({"model": "mlp"}, "model was softmax, is mlp"),
        ({"reduction": "sum"}, "reduction was mean, is sum"),
        ({"l2": 0.1}, "l2"),
        ({"learning_rate_ranges": {"sgd": (0.1, 1.0)}}, "learning_rate_ranges was"),
    ],
)
def test_a_setting_that_changed_is_refused_with_what_it_was(tmp_path, settings, part):
    message = refusal(study(), study(**settings), tmp_path)
    assert "study.toml" in message
    assert part in message


def test_other_data_are_refused(tmp_path):
    other = dataclasses.replace(DIGITS, provenance=DIGITS.provenance | {"sha256": {"digits.npz": "another"}})
    assert "provenance of the data set changed" in refusal(study(), study(other), tmp_path)


def test_a_plugin_whose_content_changed_is_refused(tmp_path):
    begun, now = (dataclasses.replace(study(), plugins=(("rules.py", digest),)) for digest in ("1", "2"))
    assert "plugins" in refusal(begun, now, tmp_path)


def test_another_version_of_fastopt_is_refused(tmp_path):
    assert "begun with fastopt 0.0.1" in refusal(study(), study(), tmp_path, version="0.0.1")
