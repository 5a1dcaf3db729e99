"""What one process compiled the next one finds, and the right piece at that."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

from fastopt.training.models import compiled_evaluate, compiled_loss_and_grad, network, single
from fastopt.training.threads import one_blas_thread

from .problems import dense_problem, evaluate, loss_and_grad, single_problem

ROOT = Path(__file__).resolve().parents[3]

COMPILE = """
    import sys
    from fastopt.training.models import Dense, Single, compiled_evaluate, compiled_loss_and_grad
    for what in sys.argv[1:]:
        kind, piece = what.split()
        model = Single(3, loss="logistic") if kind == "one" else Dense((3, 4, 2), product=kind)
        compiled = {"gradient": compiled_loss_and_grad, "evaluation": compiled_evaluate}[piece](model, "float32")
        print(compiled.cache_hits)
"""

ASK = """
    import json
    import sys
    from tests.training.models.test_cache import answer
    print(json.dumps([answer(kind) for kind in sys.argv[1:]]))
"""


def answer(kind):
    """Whether evaluation and gradient came from the cache, and a digest of the bits of what they give."""
    if kind == "one":
        model, params, X, y = single_problem(20, 33, "float32", loss="logistic")
    else:
        model, params, X, y = dense_problem((20, 33, 17, 4), 75, "float32", activation="tanh", product=kind)
    hits = [compiled(model, "float32").cache_hits for compiled in (compiled_evaluate, compiled_loss_and_grad)]
    with one_blas_thread():
        loss, grads = loss_and_grad(model, params, X, y, range(len(y)))
        sums = evaluate(model, params, X, y, range(len(y)))
    return [hits, hashlib.sha256(grads.tobytes() + sums.tobytes()).hexdigest(), loss]


def run_python(code, cache, *arguments):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_models_cached_by_different_processes_are_found_and_do_not_take_each_others_place(tmp_path):
    """Numba numbers functions per process: two of one name, each the first of its process, are one symbol to LLVM."""
    kinds = [*network.PRODUCTS, "one"]
    for piece in ("evaluation", "gradient"):
        for kind in kinds:
            assert run_python(COMPILE, tmp_path, f"{kind} {piece}") == "0\n"
    found = json.loads(run_python(ASK, tmp_path, *kinds))
    assert [hits for hits, *_ in found] == [[1, 1]] * len(kinds)
    assert [bits for _, *bits in found] == [answer(kind)[1:] for kind in kinds]
    assert len({digest for _, digest, _ in found}) == len(kinds)  # one in the place of another would show


def test_all_losses_of_one_output_are_one_compiled_function(tmp_path):
    losses = [f"Single(2, loss={loss!r})" for loss in single.LOSSES]
    code = f"""
        from fastopt.training.models import Single, compiled_loss_and_grad
        print(len({{compiled_loss_and_grad(model, "float32").address for model in ({", ".join(losses)})}}))
    """
    assert run_python(code, tmp_path) == "1\n"
