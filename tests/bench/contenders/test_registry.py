"""The menus of contenders: names, who suits which case, what each needs, and contenders of one's own."""

import importlib.util

import numpy as np
import pytest

from fastopt.bench import contenders
from fastopt.bench.contenders import Contender
from fastopt.bench.contenders.compilers import missing_compiler
from fastopt.bench.contenders.epoch_case import EpochCase
from fastopt.bench.contenders.update_case import UpdateCase
from fastopt.bench.contenders.updates import FastoptSerial, NumpyUnfused
from fastopt.errors import ConfigError, PeerUnavailable
from fastopt.measurements import CEILING, OURS, PART, PEER
from tests.bench.contenders.checking import LOGISTIC


@pytest.mark.parametrize("kind", contenders.KINDS)
def test_the_menu_calls_contenders_by_their_names(kind):
    for name in contenders.menu(kind):
        assert contenders.find(kind, name).name == name
        assert contenders.versions(kind, name)["numpy"] == np.__version__


def test_a_menu_holds_who_was_made_for_the_case():
    one, many = (contenders.menu_for(case) for case in (UpdateCase("adam", 900), UpdateCase("adam", 900, n_tensors=3)))
    torch = ("torch for-loop", "torch foreach", "torch fused", "torch fused direct", "torch compile")
    peers = ("numpy", *torch, "optax", "deepspeed", "keras")
    assert one == ("fastopt serial", "fastopt parallel", *peers, "ceiling")
    assert many == ("fastopt list", "fastopt flat", *peers)
    logistic, network = (contenders.menu_for(EpochCase("adam", 1, 5, **fields)) for fields in (LOGISTIC, {}))
    assert set(contenders.menu("epoch")) - set(logistic) == {"scikit-learn mlp"}
    assert set(contenders.menu("epoch")) - set(network) == {"scikit-learn sgd"}


def test_who_was_not_made_for_a_case_refuses_it():
    with pytest.raises(PeerUnavailable, match='"fastopt serial" is not made for adam float32 '):
        FastoptSerial().prepare(UpdateCase("adam", 6, n_tensors=2))


def test_an_unknown_contender_is_refused_with_the_menu():
    with pytest.raises(ConfigError, match=r'unknown update contender "torch fusd" .did you mean "torch fused"'):
        contenders.find("update", "torch fusd")


def test_what_is_missing_is_said_with_the_cure():
    class Elsewhere(NumpyUnfused):
        packages = {"numpy": "numpy", "no_such_library": "no-such-library"}  # noqa: RUF012

    assert Elsewhere().available() == "no-such-library not installed: pip install no-such-library"
    assert NumpyUnfused().available() is None


@pytest.mark.parametrize(
    ("kind", "name", "needs"),
    [
        ("update", "torch foreach", ["torch"]),
        ("update", "torch fused", ["torch"]),
        ("update", "torch fused direct", ["torch"]),
        ("update", "optax", ["jax", "optax"]),
        ("update", "deepspeed", ["torch", "deepspeed", "ninja"]),
        ("update", "keras", ["keras", "tensorflow-cpu"]),
        ("epoch", "torch eager", ["torch"]),
        ("epoch", "torch dataloader", ["torch"]),
        ("epoch", "keras fit", ["keras", "tensorflow-cpu"]),
        ("epoch", "scikit-learn mlp", ["scikit-learn"]),
        ("order", "torch sampler", ["torch"]),
    ],
)
def test_peers_ask_for_their_libraries(kind, name, needs):
    modules = {"tensorflow-cpu": "tensorflow", "scikit-learn": "sklearn"}  # where not called as they are installed
    missing = [library for library in needs if importlib.util.find_spec(modules.get(library, library)) is None]
    reason = f"{', '.join(missing)} not installed: pip install {' '.join(missing)}" if missing else None
    assert contenders.find(kind, name)().available() == reason


def test_a_contender_can_come_from_a_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from fastopt.bench.contenders.updates import NumpyUnfused\nclass Mine(NumpyUnfused): pass\nx = 1\n"
    )
    assert issubclass(contenders.find("update", f"{file}:Mine"), Contender)
    for wrong in (f"{file}:x", f"{file}:Other", f"{tmp_path}/none.py:Mine"):
        with pytest.raises(ConfigError):
            contenders.find("update", wrong)


def test_a_file_that_does_not_load_is_refused_with_the_reason(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("1 / 0\n")
    with pytest.raises(ConfigError, match="ZeroDivisionError: division by zero"):
        contenders.find("update", f"{file}:Mine")


@pytest.mark.parametrize("kind", ["update", "epoch"])
def test_torch_compile_asks_for_a_compiler(monkeypatch, kind):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch not installed: pip install torch, or fastopt[peers]")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CXX", raising=False)
    message = 'torch.compile needs a C++ compiler, and "g++" is not there: apt-get install g++, or name one by CXX'
    assert contenders.find(kind, "torch compile")().available() == message


def test_the_compiler_that_cxx_names_is_the_one_looked_for(monkeypatch, tmp_path):
    compiler = tmp_path / "my-c++"
    monkeypatch.setenv("CXX", str(compiler))
    assert f'"{compiler}" is not there' in missing_compiler()
    compiler.touch(mode=0o755)
    assert missing_compiler() is None


@pytest.mark.parametrize("kind", ["epoch", "gather", "order", "update"])
def test_every_contender_says_whether_it_is_ours_or_a_part_of_ours_a_peer_or_a_ceiling(kind):
    for name in contenders.menu(kind):
        ours = PART if " without " in name else OURS
        expected = ours if name.startswith("fastopt") else CEILING if name == "ceiling" else PEER
        assert contenders.find(kind, name).role == expected
