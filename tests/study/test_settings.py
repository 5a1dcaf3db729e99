"""The settings of a study go into a TOML file and come back as they were; what does not fit is one line."""

import dataclasses
import tomllib
from pathlib import Path

import pytest

from fastopt.errors import ConfigError
from fastopt.study import settings
from fastopt.study.config import StudyConfig
from fastopt.study.plan import plan
from fastopt.study.settings import KINDS, LENGTHS, configured, merged, read, text
from fastopt.training.budget import Budget
from fastopt.training.datasets import digits

DIGITS = digits()


def written(tmp_path, content):
    path = tmp_path / "study.toml"
    path.write_text(content)
    return path


def refusal(tmp_path, content):
    with pytest.raises(ConfigError) as raised:
        configured(read(written(tmp_path, content)))
    message = str(raised.value)
    assert "\n" not in message
    return message


def there_and_back(tmp_path, config):
    """The configuration that a study's own file describes."""
    study = plan(config, DIGITS)
    return study, plan(configured(read(written(tmp_path, text(study, tmp_path)))), DIGITS)


def test_every_field_of_a_configuration_is_a_setting():
    fields = {field.name for field in dataclasses.fields(StudyConfig)}
    assert KINDS.keys() - set(LENGTHS) == fields - {"length"}


@pytest.mark.parametrize(
    "config",
    [
        StudyConfig(),
        StudyConfig(model="softmax", batch_sizes=("2^0..2^3", "7", "full"), learning_rate=0.1 + 0.2, tune=0),
        StudyConfig(optimizers=("adam( beta2=0.990 )", "sgd"), learning_rate_ranges={"sgd": (1e-3, 1 / 3)}),
        StudyConfig(hidden=(16, 8), activation="tanh", init="xavier", l2=1e-4, loss="squared", product="blas"),
        StudyConfig(schedule="inverse_time(k=0.5)", reduction="sum", dtype="float64", backend="serial", workers=3),
        StudyConfig(length=Budget(steps=70), seeds=2, timing_rounds=0, tune=3),
        StudyConfig(length=Budget(samples=9_999)),
        StudyConfig(length=Budget(seconds=0.25)),
        StudyConfig(goal="train_loss=0.5", budget="45m", transfer=True, tune=12, tune_also={"adam.eps": (1e-9, 1e-3)}),
    ],
)
def test_the_file_of_a_study_describes_the_same_study(tmp_path, config):
    before, after = there_and_back(tmp_path, config)
    assert after.facts() == before.facts()
    assert after.identity == before.identity
    assert after.cells == before.cells
    assert (after.config.workers, after.config.backend) == (config.workers, config.backend)
    assert tomllib.loads(text(after, tmp_path)) == tomllib.loads(text(before, tmp_path))


def test_the_file_of_a_study_leaves_nothing_to_a_default_that_may_change(tmp_path):
    table = tomllib.loads(text(plan(StudyConfig(), DIGITS), tmp_path))
    assert KINDS.keys() - table.keys() == {
        "data_dir",
        "label",
        "task",
        "steps",
        "samples",
        "seconds",
        "goal",
        "budget",
        "tune_also",
        "learning_rate",
        "workers",
    }
    assert table["hidden"] == [32]
    assert table["batch_sizes"] == [1, 8, 32, 128, 512, "full"]
    assert table["learning_rate_ranges"].keys() == {"sgd", "momentum", "rmsprop", "adam"}


def test_a_setting_has_the_name_of_its_flag():
    from fastopt import cli

    help_text = cli._parser()._subparsers._group_actions[0].choices["compare"].format_help()
    for name in KINDS:
        assert f"--{name.replace('_', '-')} " in help_text


def test_paths_in_a_file_start_at_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    path = tmp_path / "sub" / "study.toml"
    path.write_text('dataset = "own.csv"\ndata_dir = "../data"\nplugin = ["/a/b.py", "c.py"]\n')
    found = read(path.relative_to(tmp_path))
    assert found == {"dataset": "sub/own.csv", "data_dir": "data", "plugin": ("/a/b.py", "sub/c.py")}


def test_a_study_written_into_another_folder_names_the_same_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "rules.py").touch()
    study = plan(StudyConfig(plugin=("rules.py",), data_dir="data"), DIGITS)
    study = dataclasses.replace(study, config=dataclasses.replace(study.config, dataset="own.csv"))
    (tmp_path / "out" / "study.toml").write_text(text(study, tmp_path / "out"))
    found = read(tmp_path / "out" / "study.toml")
    assert [tmp_path / found["dataset"], tmp_path / found["data_dir"], tmp_path / found["plugin"][0]] == [
        tmp_path / name for name in ("own.csv", "data", "rules.py")
    ]


def test_the_labels_of_a_mapped_array_are_a_path_and_a_column_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    path = Path("sub/study.toml")
    path.write_text('dataset = "X.npy"\nlabel = "y.npy"\n')
    assert read(path) == {"dataset": "sub/X.npy", "label": "sub/y.npy"}
    path.write_text('dataset = "own.csv"\nlabel = "y"\n')
    assert read(path) == {"dataset": "sub/own.csv", "label": "y"}


def test_the_name_of_a_data_set_is_no_path(tmp_path):
    assert read(written(tmp_path, 'dataset = "fashion-mnist"')) == {"dataset": "fashion-mnist"}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("optimisers = ['sgd']", ["optimisers", 'did you mean "optimizers"?']),
        ("out = 'here'", ["out", "known:"]),
        ("epochs = 'ten'", ["epochs", "a whole number", "'ten'"]),
        ("epochs = 2.5", ["epochs", "a whole number", "2.5"]),
        ("epochs = true", ["epochs", "a whole number", "True"]),
        ("epochs = 0", ["epochs", "from 1", "0"]),
        ("seconds = 'long'", ["seconds", "a number"]),
        ("seconds = nan", ["seconds", "nan"]),
        ("epochs = 3\nsteps = 4", ["one of", "epochs and steps"]),
        ("optimizers = 'sgd,adam'", ["optimizers", "a list of texts", "'sgd,adam'"]),
        ("optimizers = ['sgd', 3]", ["optimizers", "a list of texts"]),
        ("batch_sizes = 32", ["batch_sizes", "a list such as"]),
        ("batch_sizes = [1, 2.5]", ["batch_sizes", "a list such as"]),
        ("batch_sizes = [1, true]", ["batch_sizes", "a list such as"]),
        ("hidden = ['wide']", ["hidden", "a list of whole numbers"]),
        ("dataset = 3", ["dataset", "text in quotes"]),
        ("learning_rate = '0.1'", ["learning_rate", "a number"]),
        ("learning_rate_ranges = [1, 2]", ["learning_rate_ranges", "a table such as"]),
        ("learning_rate_ranges = {adam = [1.0]}", ["learning_rate_ranges", "a table such as"]),
        ("learning_rate_ranges = {adam = 'wide'}", ["learning_rate_ranges", "a table such as"]),
        ("plugin = 'rules.py'", ["plugin", "a list of texts"]),
        ("[table]\nepochs = 3", ["table", "known:"]),
        ("epochs = ", ["is not TOML", "end of document"]),
        ("epochs = 1\nepochs = 2", ["is not TOML"]),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(tmp_path, content, parts):
    message = refusal(tmp_path, content)
    for part in parts:
        assert part in message


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    for path in (tmp_path / "nowhere.toml", tmp_path):
        with pytest.raises(ConfigError, match="cannot read settings"):
            read(path)
    (tmp_path / "noise.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not TOML"):
        read(tmp_path / "noise.toml")


def test_flags_stand_above_the_file():
    assert merged({"seeds": 3, "model": "mlp"}, {"seeds": 5}) == {"seeds": 5, "model": "mlp"}


@pytest.mark.parametrize(
    ("below", "above", "together"),
    [
        ({"epochs": 3}, {"steps": 70}, {"steps": 70}),
        ({"seconds": 3.0, "seeds": 2}, {"epochs": 1}, {"epochs": 1, "seeds": 2}),
        ({"learning_rate": 0.1}, {"tune": 5}, {"tune": 5}),
        ({"tune": 5}, {"learning_rate": 0.1}, {"learning_rate": 0.1}),
    ],
)
def test_a_flag_takes_the_place_of_its_alternatives_in_the_file(below, above, together):
    assert merged(below, above) == together


def test_two_budgets_are_refused():
    with pytest.raises(ConfigError, match="epochs and samples"):
        configured({"epochs": 3, "samples": 9})


def test_settings_without_a_budget_have_the_usual_one():
    assert configured({}) == StudyConfig()
    assert settings.configured({"steps": 9}).length == Budget(steps=9)
