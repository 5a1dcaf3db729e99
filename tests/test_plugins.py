"""A user's own file: imported once, in this process and in those that measure; what goes wrong in it is one line."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from fastopt import plugins
from fastopt.errors import ConfigError

EVERYTHING = """
    import math

    import numpy as np

    import fastopt


    def coefficients(step, learning_rate):
        return (learning_rate,)


    def sign_descent(param, grad, rate):
        return (param - rate * math.copysign(1.0, grad),)


    fastopt.register_rule("plugged_rule", sign_descent, coefficients, (), defaults={"learning_rate": 1e-3})


    class Mean(fastopt.Model):
        def __init__(self, dataset):
            self.n_params = 1

        @staticmethod
        def loss_and_grad(params, X, Y, rows, grads, workspace, shape, args, buffers, training):
            loss = 0.0
            grads[0] = 0
            for i in range(rows.size):
                error = params[0] - Y[rows[i], 0]
                loss += error * error
                grads[0] += error + error
            return loss

        @staticmethod
        def evaluate(params, X, Y, rows, workspace, shape, args, buffers, out):
            out[:] = 0.0
            for i in range(rows.size):
                error = params[0] - Y[rows[i], 0]
                out[0] += error * error
            out[1], out[2] = np.nan, rows.size


    fastopt.register_model("plugged_model", Mean)


    def line(data_dir, dtype):
        return fastopt.training.datasets.from_arrays((np.eye(40), np.arange(40) / 8 + 0.0625), dtype)


    fastopt.register_dataset("plugged_data", line)


    class Idle(fastopt.Contender):
        name = "plugged contender"
        answers = False

        def prepare(self, case):
            self.params = np.zeros(case.n, np.float32)

        def run(self, repeats):
            pass

        def result(self):
            return self.params


    fastopt.register_contender("update", Idle)
"""


@pytest.fixture
def everything(tmp_path):
    path = tmp_path / "everything.py"
    path.write_text(textwrap.dedent(EVERYTHING))
    return path


def python(code, *arguments):
    """Run code in a process of its own, so that this one's menus stay as they are; return what it printed."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_a_plugin_registers_is_on_the_menus_and_trains(everything):
    out = python(
        """
        import sys, fastopt
        from fastopt import menus, plugins
        plugins.load(sys.argv[1])
        text = "\\n".join(menus.lines())
        assert all(f"plugged_{what}" in text for what in ("rule", "model", "data")), text
        assert "plugged contender" in text
        optimizer = fastopt.make_optimizer("plugged_rule", learning_rate=0.01)
        history = fastopt.train("plugged_data", "plugged_model", optimizer=optimizer, batch_size=4, epochs=100)
        print(history.status, abs(history.params[0] - 2.5) < 0.1)
        """,
        everything,
    )
    assert out == "finished True\n"


def test_a_worker_process_has_what_the_plugin_registers(everything):
    out = python(
        """
        import sys
        from fastopt import plugins
        from fastopt.bench.contenders.update_case import UpdateCase
        from fastopt.bench.process import Worker
        plugins.load(sys.argv[1])
        with Worker("plugged contender", "update", 1) as worker:
            reason = worker.prepare(UpdateCase("adam", 5, threads=1)).reason
            print(reason, worker.result().tolist(), worker.time(3).seconds > 0)
        """,
        everything,
    )
    assert out == "None [0.0, 0.0, 0.0, 0.0, 0.0] True\n"


def test_a_file_is_run_once_however_often_it_is_named(tmp_path):
    path = tmp_path / "counts.py"
    path.write_text("import sys\nsys.modules.setdefault('counted', []).append(1)\n")
    out = python(
        """
        import sys, os
        from pathlib import Path
        from fastopt import plugins
        path = Path(sys.argv[1])
        os.chdir(path.parent)
        modules = {plugins.load(path), plugins.load("counts.py"), plugins.load(path.parent / "." / path.name)}
        print(len(modules), sys.modules["counted"], plugins.loaded() == (str(path.resolve()),))
        """,
        path,
    )
    assert out == "1 [1] True\n"


def test_two_files_of_one_name_are_two_modules(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "numpy.py").write_text(f"HERE = {folder!r}\n")
    out = python(
        """
        import sys
        from fastopt import plugins
        print([plugins.load(path).HERE for path in sys.argv[1:]])
        import numpy
        print(hasattr(numpy, "array"))
        """,
        tmp_path / "a" / "numpy.py",
        tmp_path / "b" / "numpy.py",
    )
    assert out == "['a', 'b']\nTrue\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def f(:", "SyntaxError: invalid syntax"),
        ("raise ValueError('one\\ntwo')", "ValueError: one two"),
        ("import fastopt\nfastopt.register_rule('adam', None, None, defaults={})", '"adam" is a rule of fastopt'),
    ],
)
def test_a_file_that_fails_to_import_is_one_line(tmp_path, text, message):
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"^plugin .*broken.* failed to import: ") as raised:
        plugins.load(path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert str(path.resolve()) not in plugins.loaded()


@pytest.mark.parametrize("name", ["none.py", "text.txt", "folder.py", ""])
def test_what_is_no_python_file_is_refused(tmp_path, name):
    (tmp_path / "text.txt").write_text("")
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(ConfigError, match=r"^plugin .* is no Python file: name an existing \.py file$"):
        plugins.load(tmp_path / name)
