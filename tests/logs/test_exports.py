"""What TensorBoard and Weights & Biases export is read by the names of runs."""

import pytest

from fastopt.errors import ConfigError, DataError
from fastopt.logs.exports import name_reader, read_tensorboard, read_wandb

PATTERN = "{optimizer}_bs{batch_size}_lr{learning_rate}_s{seed}"


def tensorboard(folder, name, values, start=1_700_000_000.0):
    path = folder / f"run-{name}-tag-loss.csv"
    lines = [f"{start + 2 * i},{10 * i},{value}" for i, value in enumerate(values)]
    path.write_text("\n".join(["Wall time,Step,Value", *lines]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("run-adam_bs64_lr0.001_s3-tag-loss", ("adam", "64", "0.001", "3")),
        ("sgd_bs8_lr1e-3_s12", ("sgd", "8", "1e-3", "12")),
        ("adam_bs64_lr2_s0", ("adam", "64", "2", "0")),
    ],
)
def test_names_are_read(name, expected):
    found = name_reader(PATTERN).search(name)
    assert found.groups() == expected


@pytest.mark.parametrize(
    ("pattern", "word"),
    [
        ("bs{batch_size}", "learning_rate"),
        ("{learning_rate}", "batch_size"),
        ("{batch_size}{learning_rate}{batch}", '"batch"'),
        ("{batch_size}-{batch_size}-{learning_rate}", "twice"),
    ],
)
def test_a_pattern_that_does_not_say_enough_is_refused(pattern, word):
    with pytest.raises(ConfigError, match=word):
        name_reader(pattern)


def test_files_of_tensorboard_become_runs(tmp_path):
    paths = [tensorboard(tmp_path, f"adam_bs{size}_lr0.01_s0", [2.0, 1.0, 0.5]) for size in (8, 64)]
    runs = read_tensorboard(paths, PATTERN)
    assert [run[:4] for run in runs] == [("adam", 8, 0.01, 0), ("adam", 64, 0.01, 0)]
    assert list(runs[1].steps) == [0, 10, 20]
    assert list(runs[1].seconds) == [0, 2, 4]
    assert list(runs[1].losses) == [2.0, 1.0, 0.5]


def test_a_name_that_does_not_fit_and_a_file_that_is_none_are_refused(tmp_path):
    with pytest.raises(DataError, match="does not read"):
        read_tensorboard([tensorboard(tmp_path, "something", [1.0])], PATTERN)
    other = tmp_path / "adam_bs8_lr1_s0.csv"
    other.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(DataError, match="no CSV file of TensorBoard"):
        read_tensorboard([other], PATTERN)


def wandb(folder, name, columns, steps=(0, 10, 20)):
    path = folder / name
    header = ["Step", *columns, *(f"{column}__MIN" for column in columns)]
    lines = [
        ",".join(str(value) for value in (step, *(columns[c][i] for c in columns), *[0] * len(columns)))
        for i, step in enumerate(steps)
    ]
    path.write_text("\n".join([",".join(f'"{one}"' for one in header), *lines]) + "\n", encoding="utf-8")
    return path


def test_two_exports_of_weights_and_biases_become_runs(tmp_path):
    names = [f"adam_bs{size}_lr0.01_s1" for size in (8, 64)]
    losses = wandb(tmp_path, "loss.csv", {f"{name} - loss": [2.0, 1.0, 0.5] for name in names})
    seconds = wandb(tmp_path, "seconds.csv", {f"{name} - _runtime": [0.0, 3.0, 6.0] for name in names})
    runs = read_wandb(losses, seconds, PATTERN)
    assert [run.batch_size for run in runs] == [8, 64]
    assert list(runs[0].seconds) == [0.0, 3.0, 6.0]
    assert runs[0].seed == 1


def test_exports_that_do_not_go_together_are_refused(tmp_path):
    name = "adam_bs8_lr0.01_s1"
    losses = wandb(tmp_path, "loss.csv", {f"{name} - loss": [2.0, 1.0, 0.5]})
    other = wandb(tmp_path, "other.csv", {"adam_bs9_lr1_s1 - _runtime": [0.0, 3.0, 6.0]})
    with pytest.raises(DataError, match="no column for run"):
        read_wandb(losses, other, PATTERN)
    short = wandb(tmp_path, "short.csv", {f"{name} - _runtime": [0.0, 3.0]}, steps=(0, 10))
    with pytest.raises(DataError, match="no seconds for step 20"):
        read_wandb(losses, short, PATTERN)
    plain = tmp_path / "plain.csv"
    plain.write_text("Step,loss\n1,2\n", encoding="utf-8")
    with pytest.raises(DataError, match="RUN - MEASURE"):
        read_wandb(plain, plain, PATTERN)


@pytest.mark.parametrize(
    ("name", "rate"), [("bs64_lr1e-3", "1e-3"), ("bs64_lr5e-4", "5e-4"), ("bs64_lr0.05", "0.05"), ("bs64_lr.5-x", ".5")]
)
def test_a_rate_at_the_end_of_a_name_is_read_whole(name, rate):
    assert name_reader("bs{batch_size}_lr{learning_rate}").search(name)["learning_rate"] == rate
