"""What an optimizer remembers: taken out, written to a file, put back; and everything that is refused."""

import copy
import json
import zipfile

import numpy as np
import pytest

import fastopt
from fastopt.errors import ArrayError, ConfigError, StateError, StoreError
from fastopt.optimizers import OPTIMIZERS

from .network import Network

SPECS = [*OPTIMIZERS, "adam(amsgrad=true,clip_norm=0.5,weight_decay=0.01)", "rmsprop(centered=true,momentum=0.9)"]


def trained(spec="adam", steps=5):
    network = Network()
    optimizer = fastopt.make_optimizer(spec)
    return optimizer, network.train(optimizer, steps)


def go_on(optimizer, params, steps=5):
    network = Network()
    for _ in range(steps):
        optimizer.step(params, network.grads(params))
    return [array.tobytes() for array in params]


@pytest.mark.parametrize("spec", SPECS)
def test_training_goes_on_to_the_same_bits_from_a_state_dict_and_from_a_file(spec, tmp_path):
    optimizer, params = trained(spec)
    optimizer.learning_rate = 0.5 * optimizer.learning_rate
    fresh = fastopt.make_optimizer(spec)
    fresh.load_state_dict(optimizer.state_dict())
    optimizer.save(tmp_path / "optimizer.npz")
    loaded = fastopt.load_optimizer(tmp_path / "optimizer.npz")
    assert type(loaded) is type(optimizer)
    assert repr(loaded) == repr(fresh) == repr(optimizer)
    copies = [[array.copy() for array in params] for _ in range(2)]
    expected = go_on(optimizer, params)
    assert go_on(fresh, copies[0]) == expected
    assert go_on(loaded, copies[1]) == expected


def test_a_state_dict_holds_plain_things_and_copies():
    optimizer, params = trained("adam(clip_value=3)")
    state = optimizer.state_dict()
    assert state["optimizer"] == state["rule"] == "adam"
    assert state["steps"] == 5
    assert state["hyper"] == {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    assert state["around"] == {"clip_value": 3.0, "weight_decay": 0.0, "clip_norm": None}
    assert [(tensor["shape"], tensor["dtype"]) for tensor in state["tensors"]] == [
        ([6, 5], "float64"),
        ([5], "float64"),
        ([5, 2], "float64"),
    ]
    m = state["tensors"][0]["state"]["m"]
    assert m.shape == (6, 5)
    before = m.copy()
    assert before.any()
    optimizer.step(params, Network().grads(params))
    np.testing.assert_array_equal(m, before)
    for tensor in state["tensors"]:
        tensor["state"] = {name: array.tolist() for name, array in tensor["state"].items()}
    json.dumps(state)


def test_a_loaded_optimizer_may_go_on_on_another_backend(tmp_path):
    optimizer, params = trained()
    optimizer.save(tmp_path / "a.npz")
    copy = [array.copy() for array in params]
    assert go_on(optimizer, params) == go_on(fastopt.load_optimizer(tmp_path / "a.npz", backend="serial"), copy)
    with pytest.raises(ConfigError, match='unknown backend "gpu"'):
        fastopt.load_optimizer(tmp_path / "a.npz", backend="gpu")


def test_a_file_without_a_pickle_and_of_an_optimizer_that_never_stepped(tmp_path):
    fastopt.Lion(0.5).save(tmp_path / "lion.npz")
    assert fastopt.load_optimizer(tmp_path / "lion.npz").learning_rate == 0.5
    with np.load(tmp_path / "lion.npz", allow_pickle=False) as content:
        assert content.files == ["header"]


def broken(change):
    state = trained()[0].state_dict()
    change(state)
    return state


BAD_STATES = [
    (lambda s: s.pop("steps"), 'the state has no "steps"'),
    (lambda s: s.pop("flush_subnormals"), 'the state has no "flush_subnormals"'),
    (lambda s: s.update(steps=-1), "steps must be a whole number of at least 0, got -1"),
    (lambda s: s.update(steps=True), "steps must be a whole number"),
    (lambda s: s.update(rule="rmsprop"), 'got state of rule "rmsprop", this optimizer has "adam"'),
    (lambda s: s["hyper"].pop("eps"), "got hyperparameters beta1, .* expected beta1, "),
    (lambda s: s["hyper"].update(beta1=1.5), r"in the state: beta1 must lie in \[0, 1\), got 1.5"),
    (lambda s: s["hyper"].update(learning_rate=None), "in the state: learning_rate must be a number, got None"),
    (lambda s: s["around"].update(clip_norm=-1.0), "in the state: clip_norm must be positive"),
    (lambda s: s.update(tensors={}), '"tensors" of the state cannot be dict'),
    (lambda s: s["tensors"].pop(), "got state of 2 arrays, this optimizer has 3"),
    (lambda s: s["tensors"][0]["state"].pop("v"), "tensor 0 of the state holds m, expected m, v"),
    (lambda s: s["tensors"][1]["state"].update(v=np.ones(4)), r"v of tensor 1 .* of shape \(4,\), expected float64"),
    (lambda s: s["tensors"][1]["state"].update(v=np.ones(5, np.float32)), "v of tensor 1 of the state is float32"),
    (lambda s: s["tensors"].reverse(), r"tensor 0 of the state is float64 of shape \(5, 2\), this optimizer has"),
    (lambda s: s["tensors"][0].update(dtype="int64"), "tensor 0 of the state has dtype 'int64'"),
]


@pytest.mark.parametrize(("change", "message"), BAD_STATES, ids=[message[:35] for _, message in BAD_STATES])
def test_state_that_does_not_fit_is_refused_before_anything_changes(change, message):
    optimizer, params = trained()
    same, copy = trained()
    with pytest.raises(StateError, match=message):
        optimizer.load_state_dict(broken(change))
    assert go_on(optimizer, params) == go_on(same, copy)


def test_state_that_is_no_mapping_is_refused():
    with pytest.raises(StateError, match="a state dict is a mapping, got list"):
        fastopt.Adam().load_state_dict([])


def test_loaded_state_refuses_arrays_of_another_shape():
    fresh = fastopt.Adam()
    fresh.load_state_dict(trained()[0].state_dict())
    with pytest.raises(ArrayError, match=r"params\[0\] is float64 of shape \(5, 6\), this optimizer holds state for"):
        fresh.step([np.ones((5, 6)), np.ones(5), np.ones((5, 2))], [np.ones((5, 6)), np.ones(5), np.ones((5, 2))])


def damaged(path, how):
    trained()[0].save(path)
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("learning_rate: 0.1")
    elif how == "other":
        with path.open("wb") as file:
            np.savez(file, weights=np.ones(3))
    elif how == "flipped":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    elif how == "future":
        with path.open("wb") as file:
            np.savez(file, header=np.array(json.dumps({"format": 99})))
    elif how == "array missing":
        with zipfile.ZipFile(path) as old:
            parts = {name: old.read(name) for name in old.namelist() if name != "1/v.npy"}
        with zipfile.ZipFile(path, "w") as new:
            for name, content in parts.items():
                new.writestr(name, content)


@pytest.mark.parametrize("how", ["cut", "empty", "text", "other", "flipped", "future", "array missing"])
def test_a_damaged_file_gives_one_line(how, tmp_path):
    path = tmp_path / "x.npz"
    damaged(path, how)
    with pytest.raises(StateError) as caught:
        fastopt.load_optimizer(path)
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_file_and_a_folder_that_cannot_be_written_give_one_line(tmp_path):
    with pytest.raises(StateError, match=r"nothing.npz: no such file"):
        fastopt.load_optimizer(tmp_path / "nothing.npz")
    with pytest.raises(StoreError, match="cannot write"):
        fastopt.Adam().save(tmp_path / "no" / "folder.npz")


def test_an_initial_accumulator_survives_before_the_first_step(tmp_path):
    optimizer, fresh = fastopt.Adagrad(initial_accumulator=0.5), fastopt.Adagrad()
    optimizer.save(tmp_path / "a.npz")
    fresh.load_state_dict(optimizer.state_dict())
    results = []
    for one in (optimizer, fresh, fastopt.load_optimizer(tmp_path / "a.npz")):
        params = np.ones(3)
        one.step(params, np.ones(3))
        results.append(params.tobytes())
    assert len(set(results)) == 1


def test_a_copy_shares_nothing_and_keeps_its_class():
    optimizer, params = trained("adam(amsgrad=true)")
    for made in (copy.copy(optimizer), copy.deepcopy(optimizer)):
        assert type(made) is type(optimizer)
        made.learning_rate = 0.5
        own = [array.copy() for array in params]
        go_on(made, own)
    assert optimizer.learning_rate == 1e-3
    same, theirs = trained("adam(amsgrad=true)")
    assert go_on(optimizer, params) == go_on(same, theirs)


@pytest.mark.parametrize("name", ["beta1", "eps", "weight_decay", "clip_norm", "backend"])
def test_what_would_have_no_effect_cannot_be_assigned(name):
    with pytest.raises(ConfigError, match=f"{name} cannot be assigned, only learning_rate can: make a new Adam"):
        setattr(fastopt.Adam(), name, 0.5)


def test_a_file_of_another_kind_gives_one_line(tmp_path):
    np.save(tmp_path / "array.npy", np.ones(3))
    with pytest.raises(StateError, match="is no saved optimizer, or is damaged"):
        fastopt.load_optimizer(tmp_path / "array.npy")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": "sgd"}, 'optimizer "adam" with rule "sgd", which are not known here'),
        ({"rule": "adamw"}, 'optimizer "adam" with rule "adamw"'),
        ({"optimizer": "mine", "rule": "mine"}, "register_rule it first"),
        ({"tensors": [1]}, "tensor 0 of the state is a mapping, got int"),
        ({"tensors": [{"shape": ["a"], "dtype": "float32"}]}, r"has shape \('a',\), expected whole numbers"),
        ({"tensors": [{"shape": [10**15], "dtype": "float32"}]}, "tensor 0 of the state holds no array"),
        ({"hyper": {"learning_rate": 1.0}}, "the hyperparameters of the saved optimizer do not fit"),
        ({"initial": {"x": 1.0}}, 'an initial value for "x"'),
    ],
)
def test_a_header_that_does_not_fit_gives_one_line(change, message, tmp_path):
    header = {"kind": "optimizer", "format": 1, **fastopt.Adam().state_dict(), **change}
    np.savez(tmp_path / "a.npz", header=np.array(json.dumps(header)))
    with pytest.raises(StateError, match=message):
        fastopt.load_optimizer(tmp_path / "a.npz")


def test_saving_again_replaces_the_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.npz"
    for rate in (0.1, 0.2):
        fastopt.SGD(rate).save(path)
    assert fastopt.load_optimizer(path).learning_rate == 0.2
    assert [found.name for found in tmp_path.iterdir()] == ["a.npz"]
