"""Bad input is one line and exit code 2, and nothing is lost or written over."""

import subprocess

import numpy as np
import pytest

from fastopt import cli
from tests.cli.process import (
    SMALLEST,
    complaint,
    content,
    fastopt,
)


def damaged_csv(folder):
    (folder / "own.csv").write_text("a,b,label\n1,2,x\n3,oops,y\n")


def good_csv(folder):
    (folder / "own.csv").write_text("a,b,kind\n" + "".join(f"{i},{i},{'xy'[i % 2]}\n" for i in range(20)))


def damaged_npz(folder):
    (folder / "own.npz").write_bytes(b"PK\x03\x04 and then nothing")


def unequal_npz(folder):
    np.savez(folder / "own.npz", X=np.zeros((20, 2)), y=np.arange(19) % 2)


def damaged_fashion(folder):
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(b"\x1f\x8b damaged")


def targets_csv(folder):
    (folder / "own.csv").write_text("a,target\n" + "".join(f"{i},{i + 0.5}\n" for i in range(20)))


def nothing(folder):
    pass


def settings(content):
    def prepare(folder):
        (folder / "study.toml").write_text(content)

    return prepare


def plugin(content):
    def prepare(folder):
        (folder / "mine.py").write_text(content)

    return prepare


def begun(folder):
    """A study that was killed before its first record."""
    settings('model = "softmax"\n')(folder)


BAD_INPUT = [
    (nothing, "", "COMMAND"),
    (nothing, "compar", "compare"),
    (nothing, "compare --optimizer sgd", "--optimizer"),
    (nothing, "compare out", 'cannot read settings from "out"'),
    (nothing, "compare one.toml two.toml", "two.toml"),
    (nothing, "compare --optimizers sgd,adm", 'did you mean "adam"?'),
    (nothing, "compare --optimizers sgd,sgd", "twice"),
    (nothing, "compare --optimizers ,", "--optimizers"),
    (nothing, "compare --model mpl", 'did you mean "mlp"?'),
    (nothing, "compare --hidden 32,x", "--hidden"),
    (nothing, "compare --dtype float16", "float32"),
    (nothing, "compare --backend gpu", "serial"),
    (nothing, "compare --batch-sizes 0", "1 to the 1257 training rows"),
    (nothing, "compare --batch-sizes -1", "1 to the 1257 training rows"),
    (nothing, "compare --batch-sizes 32,2.5", "'2.5'"),
    (nothing, "compare --batch-sizes all", '"full"'),
    (nothing, "compare --batch-sizes 1258", "1258"),
    (nothing, "compare --batch-sizes ,", "--batch-sizes"),
    (nothing, "compare --batch-sizes 1257,full", "once"),
    (nothing, "compare --epochs ten", "'ten'"),
    (nothing, "compare --epochs", "--epochs"),
    (nothing, "compare --seeds 0", "at least 1"),
    (nothing, "compare --learning-rate fast", "'fast'"),
    (nothing, "compare --learning-rate nan", "nan"),
    (nothing, "compare --tune 0", "--learning-rate"),
    (nothing, "compare --epochs 0", "epochs must be a whole number from 1"),
    (nothing, "compare --epochs 3 --steps 5", "not allowed with"),
    (nothing, "compare --seconds 0", "seconds must be a positive number"),
    (nothing, "compare --seconds nan", "nan"),
    (nothing, "compare --steps 2.5", "'2.5'"),
    (nothing, "compare --samples -3", "-3"),
    (nothing, "compare --batch-sizes 2^3..2^1", "2^0..2^9"),
    (nothing, "compare --batch-sizes 2^0..2^11", "2048"),
    (nothing, "compare --activation rely", 'did you mean "relu"?'),
    (nothing, "compare --init xaver", 'did you mean "xavier"?'),
    (nothing, "compare --loss sqared", 'did you mean "squared"?'),
    (nothing, "compare --l2 -1", "l2"),
    (nothing, "compare --model softmax --activation tanh", '"activation"'),
    (nothing, "compare --schedule cosin", 'did you mean "cosine"?'),
    (nothing, "compare --schedule cosine --seconds 1", "lasts the whole run"),
    (nothing, "compare --sampling fisher", 'did you mean "fisher_yates"?'),
    (nothing, "compare --reduction max", "mean"),
    (nothing, "compare --product tile", 'did you mean "tiles"?'),
    (nothing, "compare --format xml", "parquet"),
    (nothing, "compare --learning-rate-ranges adam=1", "adam=1e-4..0.3"),
    (nothing, "compare --learning-rate-ranges adm=0.1..1", 'did you mean "adam"?'),
    (nothing, "compare --learning-rate-ranges adam=1..0.1", "lowest"),
    (nothing, "compare --workers 0", "at least 1"),
    (nothing, "compare --plugin mine.py", '"mine.py"'),
    (nothing, "compare --plugin mine.txt", '"mine.txt"'),
    (plugin("import nothing_of_that_name"), "compare --plugin mine.py", "nothing_of_that_name"),
    (plugin("1 / 0"), "compare --plugin mine.py", "ZeroDivisionError"),
    (plugin("def f(:"), "compare --plugin mine.py", "SyntaxError"),
    (nothing, "compare nowhere.toml", "nowhere.toml"),
    (settings("optimisers = []"), "compare study.toml", 'did you mean "optimizers"?'),
    (settings("epochs = 'ten'"), "compare study.toml", "epochs"),
    (settings("epochs = 3\nsteps = 4"), "compare study.toml", "epochs and steps"),
    (settings("epochs"), "compare study.toml", "is not TOML"),
    (settings("optimizers = ['adm']"), "compare study.toml", 'did you mean "adam"?'),
    (settings("batch_sizes = [0]"), "compare study.toml", "1 to the 1257 training rows"),
    (settings("plugin = ['mine.py']"), "compare study.toml", '"mine.py"'),
    (nothing, "compare --resume nowhere", "nothing to resume in nowhere"),
    (nothing, "compare --resume .", "nothing to resume in ."),
    (nothing, "compare --resume", "--resume"),
    (begun, "compare --resume . --epochs 3", "leave out --epochs"),
    (begun, "compare --resume . --out other", "leave out --out"),
    (begun, "compare study.toml --resume .", "leave out STUDY.toml"),
    (begun, "compare --out .", "occupied"),
    (settings("optimisers = []"), "compare --resume .", 'did you mean "optimizers"?'),
    (nothing, "report nowhere --format xml", "parquet"),
    (nothing, "compare --dataset digit", 'did you mean "digits"?'),
    (nothing, "compare --dataset own.csv", '"own.csv"'),
    (nothing, "compare --dataset own.npz", '"own.npz"'),
    (nothing, "compare --dataset fashion-mnist", "FASTOPT_DATA"),
    (nothing, "compare --dataset fashion-mnist --data-dir nowhere", '"nowhere"'),
    (damaged_fashion, "compare --dataset fashion-mnist --data-dir .", "train-images-idx3-ubyte.gz"),
    (damaged_csv, "compare --dataset own.csv", 'line 3, column "b"'),
    (damaged_npz, "compare --dataset own.npz", "own.npz"),
    (unequal_npz, "compare --dataset own.npz", "19"),
    (good_csv, "compare --dataset own.csv", "--label"),
    (good_csv, "compare --dataset own.csv --label outcome", '"outcome"'),
    (targets_csv, "compare --dataset own.csv --model softmax", "classes"),
    (nothing, "report", "DIR"),
    (nothing, "report nowhere", "nowhere"),
    (nothing, "report .", "records.sqlite"),
]


@pytest.mark.parametrize(("prepare", "command", "part"), BAD_INPUT, ids=[case[1] or "nothing" for case in BAD_INPUT])
def test_bad_input_is_one_line_and_leaves_nothing_behind(tmp_path, monkeypatch, capfd, prepare, command, part):
    # in this process, which takes a hundredth of the time of a new one
    monkeypatch.delenv("FASTOPT_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    before = content(tmp_path)
    code = cli.main(command.split())
    assert part in complaint(subprocess.CompletedProcess(command, code, *capfd.readouterr()))
    assert content(tmp_path) == before


@pytest.mark.parametrize(
    ("prepare", "command"),
    [
        (nothing, "compare --epochs ten"),
        (nothing, "compare --optimizers sgd,adm"),
        (nothing, "compare --batch-sizes 1258"),
        (damaged_npz, "compare --dataset own.npz"),
        (settings("optimisers = []"), "compare study.toml"),
        (begun, "compare --resume . --epochs 3"),
        (nothing, "compare --plugin mine.py"),
        (nothing, "report nowhere"),
    ],
)
def test_bad_input_of_each_kind_ends_a_real_process_with_2(tmp_path, prepare, command):
    prepare(tmp_path)
    before = content(tmp_path)
    complaint(fastopt(tmp_path, *command.split()))
    assert content(tmp_path) == before


def test_a_damaged_store_is_refused_and_left_alone(tmp_path):
    (tmp_path / "records.sqlite").write_text("no database\n" * 1000)
    before = content(tmp_path)
    assert "records.sqlite" in complaint(fastopt(tmp_path, "report", "."))
    assert content(tmp_path) == before


def test_an_output_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    assert "file/out" in complaint(fastopt(tmp_path, *SMALLEST, "--out", "file/out"))
