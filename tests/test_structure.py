"""The floor plan of DESIGN.md holds: who imports whom, what `import fastopt` loads, and what is public."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import fastopt
from fastopt import errors

ROOT = Path(__file__).resolve().parents[1]
HOUSE = {"kernels": ROOT / "kernels", "fastopt": ROOT / "fastopt"}

# Which rooms of the house each room may import, beside itself. Imports point inwards.
INNER = {"kernels", "errors", "spec", "streak"}
FLOOR_PLAN = {
    "kernels": set(),
    "errors": set(),
    "spec": {"errors"},
    "streak": set(),
    "durations": {"errors"},
    "archive": {"errors"},
    "plugins": {"errors"},
    "optimizers": INNER | {"archive"},
    "training": INNER | {"archive", "optimizers"},
    "bench": INNER | {"measurements", "optimizers", "plugins", "records", "training"},
    "analysis": {"errors", "streak", "bench"},
    "callbacks": {"errors"},
    "logs": {"analysis", "errors", "records", "streak"},
    "records": {"errors"},
    "measurements": {"errors"},
    "progress": {"errors"},
    "study": INNER | {"analysis", "durations", "optimizers", "training", "bench", "measurements", "records"},
    "report": {"analysis", "errors", "bench", "measurements", "records", "streak"},
    "menus": INNER | {"measurements", "optimizers", "training", "bench"},
    "cli": INNER
    | {"durations", "menus", "plugins", "optimizers", "training", "bench", "measurements", "records", "progress"}
    | {"logs", "study", "report"},
    "__main__": {"cli"},
    "__init__": INNER | {"optimizers", "training", "bench"},
}


def sources():
    """Every module of the house: its dotted name and its file."""
    for top, folder in HOUSE.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            prefix = ("fastopt", "kernels") if top == "kernels" else ("fastopt",)
            yield ".".join((*prefix, *parts)), path


MODULES = dict(sources())


def imports(module):
    """The dotted names that a module imports, wherever in it, relative ones resolved, names after `from` included."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            base += node.module.split(".") if node.module else []
            yield from (".".join([*base, alias.name]) for alias in node.names)


def room(name):
    """The room that fastopt.<room>... stands for; a name of the package itself is in its __init__."""
    first = name.split(".")[1] if "." in name else "__init__"
    return first if first in FLOOR_PLAN else "__init__"


@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_on_the_floor_plan(module):
    assert module.split(".")[1] in FLOOR_PLAN, "a new room: draw it in DESIGN.md and in FLOOR_PLAN here"


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_inwards(module):
    here = room(module)
    found = {room(name) for name in imports(module) if name.split(".")[0] == "fastopt"}
    assert found - FLOOR_PLAN[here] - {here} <= {"__init__"} - {here}
    if here in ("kernels", "errors", "records", "optimizers", "training"):
        assert "__init__" not in found  # which would look further out


def test_what_fastopt_imports_when_a_name_is_first_used_points_inwards():
    rooms = {home.split(".")[0] for home in fastopt._HOMES.values()}
    assert rooms <= FLOOR_PLAN["__init__"]


def test_report_and_study_never_import_each_other():
    for here, there in (("study", "report"), ("report", "study")):
        found = {room(name) for module in MODULES if room(module) == here for name in imports(module)}
        assert found
        assert there not in found


def test_nothing_but_the_command_line_imports_the_report():
    importers = {room(module) for module in MODULES for name in imports(module) if room(name) == "report"}
    assert importers - {"report"} == {"cli"}


@pytest.mark.parametrize("module", [module for module in MODULES if room(module) == "kernels"])
def test_kernels_import_numpy_numba_llvmlite_the_standard_library_and_each_other(module):
    tops = {name.split(".")[0] for name in imports(module)} - set(sys.stdlib_module_names)
    assert tops <= {"numpy", "numba", "llvmlite", "fastopt"}
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    absolute = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    assert not [name for name in absolute if name.split(".")[0] in ("fastopt", "kernels")], "write it relatively"


def test_nothing_imports_kernels_as_a_package_of_its_own():
    assert not [module for module in MODULES for name in imports(module) if name.split(".")[0] == "kernels"]


def is_cuda(name):
    return name.split(".")[0] == "numba_cuda" or name.split(".")[:2] == ["numba", "cuda"]


@pytest.mark.parametrize("module", [module for module in MODULES if module != "fastopt.kernels.cuda"])
def test_cuda_is_imported_in_one_file_only(module):
    assert not [name for name in imports(module) if is_cuda(name)]
    # nor by importlib: any of its functions would take the name as a literal
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    literals = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert not [text for text in literals if is_cuda(text)]


def test_the_package_list_of_pyproject_names_every_package():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    packages = [module.removesuffix(".__init__") for module in MODULES if module.endswith(".__init__")]
    assert sorted(settings["packages"]) == sorted(packages)


def loaded(statement, *names):
    """Which of the modules are loaded in a fresh process after a statement."""
    program = f"{statement}\nimport sys\nprint(*(name for name in {names!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.split()


def test_kernels_is_never_a_top_level_module():
    names = loaded("import fastopt, fastopt.kernels.cpu", "kernels", "kernels.cpu", "fastopt.kernels.cpu")
    assert names == ["fastopt.kernels.cpu"]


def test_import_fastopt_loads_nothing_heavy():
    assert loaded("import fastopt", "matplotlib", "pandas", "scipy", "numba", "numpy", "rich", "fastopt") == ["fastopt"]


def test_the_command_line_answers_without_plots_and_tables():
    statement = "from fastopt import cli; cli._parser()"
    assert loaded(statement, "matplotlib", "pandas", "scipy.stats", "rich", "jinja2") == []


def test_the_public_names_are_listed_in_order_and_each_has_one_home():
    # as ruff sorts them: CONSTANTS, then Classes, then the rest
    assert fastopt.__all__ == sorted(fastopt.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert set(fastopt.__all__) == fastopt._HOMES.keys() | {"errors"}
    assert set(fastopt.__all__) <= set(dir(fastopt))


@pytest.mark.parametrize("name", fastopt.__all__)
def test_every_public_name_is_there_and_documented(name):
    assert getattr(fastopt, name).__doc__


def test_a_name_that_is_not_public_is_missing_in_the_usual_way():
    assert not hasattr(fastopt, "Adagard")
    with pytest.raises(AttributeError, match="'fastopt' has no attribute 'Adagard'"):
        _ = fastopt.Adagard


def test_every_error_but_an_interrupt_is_a_fastopt_error_and_all_are_listed():
    tree = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, BaseException)]
    assert {error.__name__ for error in tree} == set(errors.__all__)
    assert all(issubclass(error, errors.FastoptError) for error in tree if error is not errors.Interrupted)
    assert issubclass(errors.Interrupted, KeyboardInterrupt)
    assert errors.__all__ == sorted(errors.__all__)
    for name in errors.__all__:
        assert f" {name} " in errors.__doc__ + " " or name == "FastoptError"
