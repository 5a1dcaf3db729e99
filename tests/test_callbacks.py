"""The logger writes the format that `fastopt analyse` reads, whoever trains; real libraries among them."""

import csv
import io
import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from fastopt.callbacks import COLUMNS, CsvLogger
from fastopt.errors import ConfigError, StoreError
from fastopt.logs import table

RUN = {"batch_size": 8, "learning_rate": 0.1, "seed": 0, "optimizer": "sgd"}


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def lines(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_a_line_for_each_look_and_the_clock_stands_still_while_looking(tmp_path):
    clock, path = Clock(), tmp_path / "runs.csv"
    with CsvLogger(path, **RUN, clock=clock) as log:
        for step in range(1, 4):
            clock.now += 2.0
            log.step()
            with log.looking():
                clock.now += 50.0
            log.look(loss=1 / step)
    rows = lines(path)
    assert tuple(rows[0]) == COLUMNS
    assert [float(row["seconds"]) for row in rows] == [2.0, 4.0, 6.0]
    assert [int(row["step"]) for row in rows] == [1, 2, 3]
    assert [float(row["loss"]) for row in rows] == [1.0, 1 / 2, 1 / 3]
    (run,) = table.read(path)
    assert run[:4] == ("sgd", 8, 0.1, 0)


def test_runs_share_a_file(tmp_path):
    path = tmp_path / "runs.csv"
    for seed in range(3):
        with CsvLogger(path, **RUN | {"seed": seed}) as log:
            log.step(10)
            log.look(loss=0.5)
    assert [row["seed"] for row in lines(path)] == ["0", "1", "2"]
    assert len(table.read(path)) == 3


def test_looks_are_due_each_19_per_cent_more_steps(tmp_path):
    log, looked = CsvLogger(tmp_path / "runs.csv", **RUN), []
    for step in range(1, 1001):
        log.step()
        if log.due():
            looked.append(step)
            log.look(loss=1.0)
    assert looked[:6] == [1, 2, 3, 4, 5, 6]
    assert all(1.15 < later / one < 1.25 for one, later in itertools.pairwise(looked[12:]))
    assert 25 < len(looked) < 40


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 8.0}, "batch_size"),
        ({"batch_size": True}, "batch_size"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path, changed, word):
    with pytest.raises(ConfigError, match=word):
        CsvLogger(tmp_path / "runs.csv", **RUN | changed)
    assert not list(tmp_path.iterdir())


def test_a_file_of_other_columns_is_left_alone(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(StoreError, match="name another file"):
        CsvLogger(path, **RUN)
    assert path.read_text(encoding="utf-8") == "a,b\n1,2\n"


def test_a_file_that_cannot_be_written_is_one_clear_error(tmp_path):
    with pytest.raises(StoreError, match="cannot write"):
        CsvLogger(tmp_path / "missing" / "runs.csv", **RUN)


def test_a_pytorch_loop_writes_a_log_in_fifteen_lines(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    x = torch.randn(256, 5)
    y = (x @ torch.arange(1.0, 6.0)).unsqueeze(1)
    path = tmp_path / "runs.csv"
    for batch_size in (8, 64):
        model = torch.nn.Linear(5, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        with CsvLogger(path, batch_size=batch_size, learning_rate=0.05, seed=0, optimizer="torch sgd") as log:
            for _ in range(10):
                for rows in torch.randperm(256).split(batch_size):
                    loss = torch.nn.functional.mse_loss(model(x[rows]), y[rows])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    log.step()
                    if log.due():
                        with log.looking():
                            whole = torch.nn.functional.mse_loss(model(x), y).item()
                        log.look(loss=whole)
    small, large = table.read(path)
    assert (small.batch_size, large.batch_size) == (8, 64)
    assert small.losses[-1] < 0.01 * small.losses[0]
    assert large.steps[-1] <= 40 < small.steps[-1] <= 320
    assert (small.seconds[1:] > small.seconds[:-1]).all()


def test_a_keras_fit_writes_a_log(tmp_path):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    keras.utils.set_random_seed(0)
    rng = keras.random.normal((128, 4), seed=1)
    y = keras.ops.sum(rng, axis=1, keepdims=True)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss="mse")
    path = tmp_path / "runs.csv"
    with CsvLogger(path, batch_size=32, learning_rate=0.05, seed=0) as log:
        model.fit(rng, y, batch_size=32, epochs=5, verbose=0, validation_data=(rng, y), callbacks=[log.keras()])
    (run,) = table.read(path)
    assert list(run.steps) == [4, 8, 12, 16, 20]
    assert run.losses[-1] < run.losses[0]
    assert run.optimizer == ""


def test_a_measure_that_keras_does_not_report_is_named(tmp_path):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    log = CsvLogger(tmp_path / "runs.csv", **RUN)
    with pytest.raises(ConfigError, match='no "val_loss": it has loss'):
        model.fit(keras.ops.ones((8, 2)), keras.ops.ones((8, 1)), verbose=0, callbacks=[log.keras()])


def test_runs_that_begin_together_write_one_header(tmp_path):
    path = tmp_path / "runs.csv"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: CsvLogger(path, **RUN | {"seed": seed}).look(loss=1.0), range(64)))
    text = path.read_text(encoding="utf-8")
    assert text.count("batch_size") == 1
    assert text.startswith(",".join(COLUMNS))
    assert sorted(int(row["seed"]) for row in lines(path)) == list(range(64))


def test_a_second_fit_goes_on_with_the_run_and_its_clock(tmp_path):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    x, y = keras.random.normal((64, 3), seed=1), keras.random.normal((64, 1), seed=2)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse", steps_per_execution=2)
    clock, path = Clock(), tmp_path / "runs.csv"
    with CsvLogger(path, **RUN | {"batch_size": 8}, clock=clock) as log:
        clock.now += 1000.0  # before the first fit
        model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[log.keras("loss"), ticking(keras, clock)])
        clock.now += 500.0  # between two fits
        model.fit(x, y, batch_size=8, epochs=1, verbose=0, callbacks=[log.keras("loss"), ticking(keras, clock)])
    rows = lines(path)
    assert [int(row["step"]) for row in rows] == [8, 16, 24]
    assert [float(row["seconds"]) for row in rows] == [10.0, 20.0, 30.0]


def ticking(keras, clock):
    """A callback that lets ten seconds pass in each epoch."""

    class Ticks(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            clock.now += 10.0

    return Ticks()
