"""The command line as a user meets it: real processes, their exit codes, what they print and what they leave behind."""

import datetime
import json
import re
import subprocess
from importlib.metadata import version

import pytest

from fastopt import records
from tests.cli.process import (
    ENVIRONMENT,
    FASTOPT,
    SMALLEST,
    SMALLEST_WITHOUT_BUDGET,
    TINY,
    complaint,
    content,
    fastopt,
    succeeded,
)


def test_help_names_the_commands_and_shows_examples(tmp_path):
    text = "\n".join(succeeded(fastopt(tmp_path, "--help")))
    assert "compare" in text
    assert "report" in text
    assert "fastopt compare --optimizers sgd,adam" in text


def test_a_reader_that_leaves_ends_it_without_a_traceback(tmp_path):
    process = subprocess.Popen(
        [*FASTOPT, "list"], cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 141
    process.stderr.close()


def test_the_help_of_compare_names_every_default(tmp_path):
    text = "".join("".join(succeeded(fastopt(tmp_path, "compare", "--help"))).split())  # lines break at hyphens too
    for part in (
        "sgd,momentum,rmsprop,adam",
        "1,8,32,128,512,full",
        "digits",
        "reports/compare-DATE-NUMBER",
        "--resume",
    ):
        assert part in text


def test_the_menus_name_everything_and_what_it_needs(tmp_path):
    lines = succeeded(fastopt(tmp_path, "list"))
    for menu in ("optimizers:", "models:", "datasets:", "schedules:", "peers:"):
        assert menu in lines
    text = "\n".join(lines)
    assert "adam(learning_rate=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.0, eps_form=outside" in text
    assert "clip_norm" in text
    assert any(line.strip().startswith("torch fused, update: ") for line in lines)


def test_one_menu_alone_and_a_menu_that_is_not_there(tmp_path):
    lines = succeeded(fastopt(tmp_path, "list", "models"))
    assert lines[0] == "models:"
    assert {"mlp", "softmax"} <= {line.split()[0].rstrip(":") for line in lines[1:]}
    assert 'unknown menu "optimisers" (did you mean "optimizers"?)' in complaint(
        fastopt(tmp_path, "list", "optimisers")
    )


def test_calibrating_says_what_it_found_and_where_it_is_kept(tmp_path, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "FASTOPT_CACHE_DIR", str(tmp_path / "cache"))
    lines = succeeded(fastopt(tmp_path, "calibrate"))
    assert "elements: serial" in lines[0]
    assert str(tmp_path / "cache" / "crossover.json") in lines[-1]


def test_version_is_that_of_the_distribution(tmp_path):
    assert succeeded(fastopt(tmp_path, "--version")) == [f"fastopt {version('fastopt')}"]


# --- a comparison


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The folder in which a tiny comparison was made into `out`, and the lines it printed."""
    folder = tmp_path_factory.mktemp("compared")
    return folder, succeeded(fastopt(folder, *TINY, "--out", "out"))


def test_a_comparison_names_its_page_last(compared):
    assert compared[1][-1] == "out/report.html"


def test_a_comparison_leaves_a_page_figures_tables_and_records(compared):
    out = compared[0] / "out"
    names = {path.name for path in out.iterdir()}
    assert names >= {
        "report.html", "report.md", "figures", "runs.csv", "curves.csv", "environment.json", "records.sqlite",
        "study.toml",
    }  # fmt: skip
    pictures = list((out / "figures").glob("*.png"))
    assert len(pictures) >= 3
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    assert all(path.stat().st_size > 0 for path in out.rglob("*"))
    assert not [name for name in names if name.startswith(".") or name.endswith(("-wal", "-shm"))]
    assert {path.name for path in compared[0].iterdir()} == {"out"}


def test_a_comparison_records_how_it_was_called_and_where(compared):
    found = records.read(compared[0] / "out")
    assert found.meta["status"] == "finished"
    assert found.meta["command"] == " ".join(["fastopt", *TINY, "--out", "out"])
    assert datetime.datetime.fromisoformat(found.meta["created"]).utcoffset() == datetime.timedelta(0)
    assert found.meta["environment"]["fastopt"] == version("fastopt")
    assert json.loads((compared[0] / "out" / "environment.json").read_text()) == found.meta
    assert found.runs.groupby("phase").size()["final"] == 4 * 2
    assert len(found.timings) == 4


def test_a_report_can_be_made_again_from_records_and_settings(compared, tmp_path):
    out, copy = compared[0] / "out", tmp_path / "copy"
    copy.mkdir()
    for name in ("records.sqlite", "study.toml"):
        (copy / name).write_bytes((out / name).read_bytes())
    printed = succeeded(fastopt(tmp_path, "report", "copy"))
    assert printed[0] == "copy/report.html"
    assert all((tmp_path / line).is_file() for line in printed)
    assert {path.relative_to(out) for path in out.rglob("*")} == {path.relative_to(copy) for path in copy.rglob("*")}
    for name in ("runs.csv", "curves.csv", "environment.json", "report.md"):
        assert (copy / name).read_bytes() == (out / name).read_bytes()


def test_an_occupied_folder_is_refused_and_nothing_in_it_changes(compared):
    before = content(compared[0])
    assert "occupied" in complaint(fastopt(compared[0], *SMALLEST, "--out", "out"))
    assert content(compared[0]) == before


def test_without_out_folders_are_numbered(tmp_path):
    before = datetime.date.today()
    pages = [succeeded(fastopt(tmp_path, *SMALLEST))[-1] for _ in range(2)]
    for number, page in enumerate(pages, start=1):
        found = re.fullmatch(r"reports/compare-(\d{4}-\d\d-\d\d)-(\d+)/report\.html", page)
        assert before <= datetime.date.fromisoformat(found[1]) <= datetime.date.today()
        assert found[2] == f"{number}" or found[1] != before.isoformat()  # midnight went by
        assert (tmp_path / page).is_file()
    assert pages[0] != pages[1]


def test_a_comparison_that_diverges_is_a_result(tmp_path):
    diverging = ("--model", "mlp", "--learning-rate", "1e30", "--out", "out")
    printed = succeeded(fastopt(tmp_path, *SMALLEST, *diverging))
    assert printed[-1] == "out/report.html"
    assert "diverged" in "\n".join(printed)
    assert list(records.read(tmp_path / "out").runs["status"]) == ["diverged"]


def test_a_table_of_ones_own_is_compared_on_the_column_that_is_named(tmp_path):
    (tmp_path / "own.csv").write_text("a,b,kind\n" + "".join(f"{i},{i % 7},{'xy'[i % 2]}\n" for i in range(40)))
    printed = succeeded(fastopt(tmp_path, *SMALLEST, "--dataset", "own.csv", "--label", "kind", "--out", "out"))
    assert printed[-1] == "out/report.html"
    assert records.read(tmp_path / "out").meta["dataset"]["n_classes"] == 2


def without_clocks(folder):
    """The runs and curves of a comparison, in an order of their own."""
    found = records.read(folder)
    runs = found.runs.drop(columns="seconds").sort_values("run_id", ignore_index=True)
    return runs, found.curves.drop(columns="seconds").sort_values(["run_id", "point"], ignore_index=True)


def test_the_settings_beside_the_results_make_the_same_results_again(compared, tmp_path):
    printed = succeeded(fastopt(tmp_path, "compare", str(compared[0] / "out" / "study.toml"), "--out", "again"))
    assert printed[-1] == "again/report.html"
    for ours, theirs in zip(without_clocks(tmp_path / "again"), without_clocks(compared[0] / "out"), strict=True):
        assert len(ours) > 0
        assert ours.equals(theirs)
    assert (tmp_path / "again" / "study.toml").read_text() == (compared[0] / "out" / "study.toml").read_text()


def test_flags_stand_above_the_file(tmp_path):
    (tmp_path / "study.toml").write_text(
        'model = "softmax"\noptimizers = ["adam"]\nbatch_sizes = ["full"]\nepochs = 50\nseeds = 1\n'
        "learning_rate = 0.1\ntiming_rounds = 0\n"
    )
    succeeded(fastopt(tmp_path, "compare", "study.toml", "--steps", "3", "--optimizers", "sgd", "--out", "out"))
    runs = records.read(tmp_path / "out").runs
    assert set(runs["optimizer"]) == {"sgd"}
    assert set(runs["steps"]) == {3}
    assert set(runs["learning_rate"]) == {0.1}


def test_every_option_of_training_reaches_the_runs(tmp_path):
    options = "--activation tanh --init normal --l2 0.01 --loss squared --schedule inverse_time(k=0.5) --hidden 4 "
    options += "--model mlp --reduction sum --sampling sequential --product blas --dtype float64 --samples 3000"
    succeeded(fastopt(tmp_path, *SMALLEST_WITHOUT_BUDGET, *options.split(), "--out", "out"))
    config = records.read(tmp_path / "out").meta["config"]
    expected = {
        "activation": "tanh", "init": "normal", "l2": 0.01, "loss": "squared", "hidden": [4], "model": "mlp",
        "schedule": "inverse_time(k=0.5)", "reduction": "sum", "sampling": "sequential", "dtype": "float64",
        "budget": {"samples": 3000},
    }  # fmt: skip
    assert {name: config[name] for name in expected} == expected
    assert config["model_settings"]["product"] == "blas"


def test_powers_of_two_are_batch_sizes(tmp_path):
    batches = ["--batch-sizes", "2^5..2^7"]
    succeeded(fastopt(tmp_path, *SMALLEST, *batches, "--out", "out"))
    assert list(records.read(tmp_path / "out").meta["config"]["batch_sizes"]) == ["32", "64", "128"]


def test_a_budget_in_seconds_is_for_runs_that_share_no_core(tmp_path):
    succeeded(fastopt(tmp_path, *SMALLEST_WITHOUT_BUDGET, "--seconds", "0.02", "--out", "out"))
    found = records.read(tmp_path / "out")
    assert (found.meta["config"]["budget"], found.meta["config"]["workers"]) == ({"seconds": 0.02}, 1)
    assert (found.runs["seconds"] >= 0.02).all()


def test_tables_can_be_parquet(tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    succeeded(fastopt(tmp_path, *SMALLEST, "--format", "parquet", "--out", "out"))
    assert len(pd.read_parquet(tmp_path / "out" / "runs.parquet")) == len(records.read(tmp_path / "out").runs)
    assert not list((tmp_path / "out").glob("*.csv"))
    assert 'format = "parquet"' in (tmp_path / "out" / "study.toml").read_text()


PLUGIN = """
import fastopt

def plain(param, grad, rate):
    return (param - rate * grad,)

def coefficients(step, learning_rate):
    return (learning_rate,)

fastopt.register_rule("plain", plain, coefficients, states=(), defaults={"learning_rate": 0.1})
"""


def test_a_rule_of_ones_own_is_compared_from_a_plugin_and_again_from_the_settings(tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "mine.py").write_text(PLUGIN)
    command = [*SMALLEST, "--optimizers", "sgd,plain", "--plugin", "rules/mine.py", "--out", "out"]
    succeeded(fastopt(tmp_path, *command))
    runs = records.read(tmp_path / "out").runs.set_index("optimizer")
    assert runs.loc["plain", "validation_loss"] == runs.loc["sgd", "validation_loss"]
    assert 'plugin = [\n    "../rules/mine.py",\n]' in (tmp_path / "out" / "study.toml").read_text()
    (tmp_path / "elsewhere").mkdir()
    succeeded(fastopt(tmp_path / "elsewhere", "compare", "../out/study.toml", "--out", "again"))
    again = without_clocks(tmp_path / "elsewhere" / "again")[0]
    assert again.equals(without_clocks(tmp_path / "out")[0])
