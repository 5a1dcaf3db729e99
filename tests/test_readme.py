"""The README's Python, in order, in a fresh process: it runs, and says what it is said to say."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    script = folder / "readme.py"
    script.write_text("\n".join(BLOCKS), encoding="utf-8")
    done = subprocess.run([sys.executable, script.name], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_every_example_runs(output):
    assert "accuracy" in output


def test_a_rule_of_ones_own_is_among_them():
    assert any("register_rule" in block for block in BLOCKS)


def test_a_model_of_ones_own_finds_the_line_it_was_given(output):
    found = re.findall(r"\[([-\d. ]+)\]", output)[-1]
    assert [float(number) for number in found.split()] == pytest.approx([1.0, -2.0, 0.5], abs=0.05)


@pytest.mark.parametrize("report", ["kernels", "epochs", "logistic"])
def test_its_speed_table_is_made_from_the_records(report):
    spec = importlib.util.spec_from_file_location("readme_tables", README.parent / "benchmarks" / "readme.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    wanted = "\n".join(module.table(report))
    assert wanted in README.read_text(encoding="utf-8"), f"print it with `python benchmarks/readme.py {report}`"
