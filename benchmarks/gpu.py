"""Check and time the CUDA kernels on a device, beside PyTorch, optax and a plain copy: one command.

    python benchmarks/gpu.py --out DIR [--budget 500] [--largest 1e9] [--check-only]

It needs this source tree, Numba, numba-cuda and a CUDA device; a peer that is missing is a row with its reason. First
every rule is held against the NumPy oracle, then one step of Adam, heavy ball and RMSprop in float32 is timed over one
flat array of 1e3 to `--largest` elements. Everything is written after every part: records.json (every sample), and made
from it alone summary.md, page.html and two figures. After `--budget` seconds no new part is begun, and those left out
are named.

How it is timed: contenders live in this process and take turns, in rounds of random order, after a check of their
answers and a warm-up. "hot": many steps in a row, so that a small array stays in the L2 cache; clocked by CUDA events
and by the wall, launches included. "cold": one step at a time between two events, the L2 cache swept before each. JAX
works on streams of its own, which our events do not see: it has wall times only. The copy moves as many bytes as the
step must (parameters and state read and written, gradients read), by the driver, and is the ceiling for the others.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.metadata
import importlib.util
import json
import math
import os
import platform
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

ROOT = Path(__file__).resolve().parents[1]


def take_source_tree() -> None:
    """Let `fastopt` and `fastopt.kernels` be imported from this source tree, installed or not.

    fastopt.kernels is the folder kernels/, which an installation maps and a bare checkout does not.
    """
    sys.path.insert(0, str(ROOT))
    folder = ROOT / "kernels"
    spec = importlib.util.spec_from_file_location(
        "fastopt.kernels", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    importlib.import_module("fastopt")
    package = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = package
    spec.loader.exec_module(package)


if "fastopt.kernels" not in sys.modules:
    take_source_tree()

sys.path.insert(0, str(Path(__file__).parent))  # this file may be loaded from elsewhere

from gpu_page import markdown, one_line, replace, write_page  # noqa: E402

from fastopt.kernels import cuda as device  # noqa: E402
from fastopt.kernels import reference  # noqa: E402
from fastopt.kernels.around import PLAIN, Around, flush_below  # noqa: E402
from fastopt.kernels.rules import RULES  # noqa: E402
from tests.kernels.hyper import HYPER as TESTED_HYPER  # noqa: E402
from tests.kernels.tolerances import TOLERANCE  # noqa: E402

HYPER = {**TESTED_HYPER, "learning_rate": 0.001}
CHECK_SIZES = (0, 1, 31, 32, 33, 1_000_000)
BEYOND_32_BITS = 2**31 + 5
REPRESENTATIVES = ("sgd", "momentum_heavy_ball", "adam", "amsgrad")  # 0, 1, 2 and 3 state arrays
PATTERN = 1_000_003  # values that large arrays repeat: prime, so that an index that wrapped meets another value
SWEEP = {"adam": "adam", "momentum": "momentum_heavy_ball", "rmsprop": "rmsprop"}
ROUNDS = 10
BLOCK_S = 0.004  # least seconds of a hot block
SWEEP_BYTES = 2**30  # read or written between cold steps: many times any L2 cache, and longer than a launch takes
COPY_BYTES = 2**30  # longer copies repeat one of this size, and leave the memory to the others
COMPILED_SIZES = (10**5, 10**7, 10**9)  # torch.compile takes seconds for each
RESERVE_S = 25.0  # of the budget: a part that has begun must end
PEER_TOLERANCE = 1e-5  # see `relative_error`; after three steps, and peers round in their own order


# --- The records ------------------------------------------------------------------------------------------------------


class Study:
    """The records as they grow, written to disk after every part, and the clock that ends the study."""

    def __init__(self, folder: Path, budget_s: float, settings: dict[str, Any]) -> None:
        self.folder = folder
        self.deadline = time.monotonic() + budget_s
        self.records: dict[str, Any] = {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "settings": settings,
            "environment": environment(),
            "finished": False,
            "checks": [],
            "timings": [],
        }

    def left_s(self) -> float:
        """Seconds in which a new part may begin."""
        return self.deadline - time.monotonic() - RESERVE_S

    def part(self, kind: str, name: dict[str, Any], work: Callable[[], list[dict[str, Any]]]) -> None:
        """Do one part and write its rows; one that fails, or finds no time, is a row with its reason."""
        began = time.monotonic()
        if self.left_s() <= 0:
            rows = [{**name, "status": "skipped", "reason": "the time budget was used up"}]
        else:
            try:
                rows = [{**name, **row} for row in work()]
            except Exception as error:
                rows = [{**name, "status": "error", "reason": one_line(error)}]
        took_s = time.monotonic() - began
        self.records[kind] += [{**row, "part_s": took_s} for row in rows]
        self.write()
        replace(self.folder / "summary.md", markdown(self.records).encode())
        print(f"{took_s:6.1f} s  {' '.join(map(str, name.values()))}: {', '.join(row['status'] for row in rows)}")

    def write(self) -> None:
        replace(self.folder / "records.json", json.dumps(self.records, indent=1).encode())


def environment() -> dict[str, Any]:
    """Return the device, the driver, the versions and the commit, as far as they can be found."""
    facts: dict[str, Any] = {"python": platform.python_version(), "platform": platform.platform(), "versions": {}}
    for name in ("numpy", "numba", "numba-cuda", "llvmlite", "torch", "triton", "jax", "optax", "cupy-cuda13x"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            facts["versions"][name] = importlib.metadata.version(name)
    facts["commit"] = output_of("git", "-C", str(ROOT), "rev-parse", "HEAD")
    facts["changed_files"] = output_of("git", "-C", str(ROOT), "status", "--porcelain")
    facts["simulated"] = device.is_simulated()
    if not facts["simulated"]:
        query = "name,driver_version,memory.total,clocks.max.sm,clocks.max.memory,power.limit"
        facts["nvidia_smi"] = {
            "query": query,
            "answer": output_of("nvidia-smi", f"--query-gpu={query}", "--format=csv"),
        }
        with contextlib.suppress(Exception):
            found = device.cuda.get_current_device()
            name = found.name
            facts["device"] = {
                "name": name.decode() if isinstance(name, bytes) else str(name),
                "compute_capability": list(found.compute_capability),
                "multiprocessors": int(found.MULTIPROCESSOR_COUNT),
                "l2_bytes": int(getattr(found, "L2_CACHE_SIZE", 0)),
            }
    return facts


def output_of(*command: str) -> str | None:
    """Return what a command prints, or None where it cannot be run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


# --- Arrays on the device; under the simulator they are NumPy's -------------------------------------------------------


def to_device(array: np.ndarray) -> Any:
    """Return a copy of `array` on the device."""
    return array.copy() if device.is_simulated() else device.cuda.to_device(array)


def to_host(array: Any) -> np.ndarray:
    """Return a copy of `array` in the host's memory."""
    return array.copy() if device.is_simulated() else array.copy_to_host()


def fill(array: Any, pattern: np.ndarray) -> Any:
    """Repeat `pattern` over a flat device array, doubling what is there, and return the array."""
    n, done = array.shape[0], min(array.shape[0], pattern.size)
    array[:done].copy_to_device(pattern[:done])
    while done < n:
        more = min(done, n - done)
        array[done : done + more].copy_to_device(array[:more])
        done += more
    return array


def pattern_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(PATTERN).astype(np.float32)


# --- Checks -----------------------------------------------------------------------------------------------------------


def hyper_of(rule: str, around: Around = PLAIN) -> list[float]:
    """Return the hyperparameters of a rule, then clip_value, weight_decay and clip_norm."""
    own = [HYPER[name] for name in RULES[rule].hyper]
    return [*own, 0.125 if around.clips else math.inf, 0.1 if around.decays else 0.0, math.inf]


def relative_error(got: np.ndarray, want: np.ndarray, before: np.ndarray, negligible: float = 0.0) -> float:
    """Return the largest error relative to |value| + |step| + the mean |step| of the array; 0 for no elements.

    The mean belongs to it: among a million parameters some lie next to zero and have a step that cancels out, whose
    rounding is that of its terms. An error of up to `negligible` counts as none: what is just above the limit of
    flushing on one side may be below it on the other.
    """
    got, want, before = (np.asarray(array, np.float64) for array in (got, want, before))
    if not want.size:
        return 0.0
    error, step = np.abs(got - want), np.abs(want - before)
    scale = np.abs(want) + step + step.mean()
    error[error <= negligible] = 0.0
    return float(np.max(np.divide(error, scale, out=error.copy(), where=scale > 0)))


def verdict(error: float, tolerance: float) -> dict[str, Any]:
    """Return the columns of a check: passed or failed, and the figures."""
    status = "passed" if error <= tolerance else "failed"  # a NaN fails
    reason = "" if status == "passed" else f"error {error:.3g} is above {tolerance:.3g}"
    return {"status": status, "reason": reason, "error": finite(error), "tolerance": tolerance}


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def check_rule(rule: str, dtype: str, size: int, around: Around = PLAIN, rows: int = 1) -> list[dict[str, Any]]:
    """Hold three steps against the oracle in the same dtype, each from where the last one left the device."""
    rng = np.random.default_rng(size)
    update = device.CudaUpdate(RULES[rule], dtype, around)
    params = rng.standard_normal(size).astype(dtype)
    state = np.zeros((len(RULES[rule].states), size), dtype)
    on_device = to_device(params), device.allocate_state(*state.shape, dtype)
    limit = flush_below(dtype) if around.flushes else 0.0
    hyper, errors = hyper_of(rule, around), []
    for step in range(1, 4):
        grads = rng.standard_normal((rows, size)).astype(dtype)
        want, want_state, grads_there = params.copy(), state.copy(), to_device(grads)
        with np.errstate(all="ignore"):
            reference.update(reference.FORMULAS[rule], want, grads, want_state, hyper, step, 0.25, limit)
        update(on_device[0], grads_there, on_device[1], hyper, step, 0.25)
        got = to_host(on_device[0])
        got_state = to_host(on_device[1]) if state.size else state
        errors += [
            relative_error(*arrays, limit)
            for arrays in zip((got, *got_state), (want, *want_state), (params, *state), strict=True)
        ]
        if around.zeroes and to_host(grads_there).any():
            return [{"status": "failed", "reason": "a gradient was not cleared"}]
        params, state = got, got_state
    return [verdict(float(np.max(errors)), TOLERANCE[np.dtype(dtype)])]  # np.max keeps a NaN


def check_wide_and_narrow(rule: str, size: int = 1_000_000) -> list[dict[str, Any]]:
    """128-bit and plain accesses must give the same bits: the second run starts one element past an aligned address."""
    rng = np.random.default_rng(1)
    params, grads = (rng.standard_normal(size).astype(np.float32) for _ in range(2))
    results = []
    for offset in (0, 1):
        p, g = (to_device(np.concatenate([np.zeros(offset, np.float32), a]))[offset:] for a in (params, grads))
        state = device.allocate_state(len(RULES[rule].states), size, np.float32)
        update = device.CudaUpdate(RULES[rule], np.float32)
        for step in (1, 2):
            update(p, g.reshape(1, size), state, hyper_of(rule), step)
        results.append((to_host(p), to_host(state) if RULES[rule].states else np.zeros(0)))
    same = all(np.array_equal(wide, narrow) for wide, narrow in zip(*results, strict=True))
    return [{"status": "passed" if same else "failed", "reason": "" if same else "the bits differ"}]


def check_norm(dtype: str, largest: int) -> list[dict[str, Any]]:
    """Hold the factor of several gradients against NumPy, twice: the bits must be the same."""
    rng = np.random.default_rng(2)
    grads = [rng.standard_normal((1, size)).astype(dtype) for size in (1, 33, min(largest, 1_000_000))]
    there, factor = [to_device(g) for g in grads], device.NormFactor()
    first, second = (float(to_host(factor(there, 0.5, 0.25))[0]) for _ in range(2))
    if first != second:
        return [{"status": "failed", "reason": f"{first!r}, then {second!r}"}]
    want = reference.norm_factor(grads, 0.5, 0.25)
    return [verdict(abs(first - want) / want, 1e-12)]


def check_beyond_32_bits(rule: str) -> list[dict[str, Any]]:
    """One float32 step over 2^31 + 5 elements, looked at around the ends, 2^31, and in a hundred other places."""
    n, k = BEYOND_32_BITS, len(RULES[rule].states)
    patterns = pattern_of(3), pattern_of(4)
    params, grads = (fill(device.cuda.device_array(n, np.float32), pattern) for pattern in patterns)
    state = device.allocate_state(k, n, np.float32)
    device.CudaUpdate(RULES[rule], np.float32)(params, grads.reshape(1, n), state, hyper_of(rule), 1)
    starts = [0, 2**30, 2**31 - 500, n - 1000, *np.random.default_rng(5).integers(0, n - 1000, 100).tolist()]
    errors = []
    for start in starts:
        at = np.arange(start, start + 1000) % PATTERN
        want, before, want_state = patterns[0][at], patterns[0][at], np.zeros((k, 1000), np.float32)
        reference.update(reference.FORMULAS[rule], want, patterns[1][at][None], want_state, hyper_of(rule), 1)
        rows = [params, *(state[row] for row in range(k))]
        for row, expected, old in zip(rows, (want, *want_state), (before, *np.zeros_like(want_state)), strict=True):
            errors.append(relative_error(row[start : start + 1000].copy_to_host(), expected, old))
    return [verdict(float(np.max(errors)), TOLERANCE[np.dtype(np.float32)])]


def check_everything(study: Study, largest: int) -> None:
    """Check every rule, what may stand around one, both kinds of access, norms, and indices beyond 32 bits."""
    for rule in RULES:
        for dtype in ("float32", "float64"):
            for size in (size for size in CHECK_SIZES if size <= largest):
                name = {"what": "rule", "rule": rule, "dtype": dtype, "size": size}
                study.part("checks", name, lambda r=rule, d=dtype, s=size: check_rule(r, d, s))
    for dtype in ("float32", "float64"):
        name = {"what": "norm", "rule": "clip_norm", "dtype": dtype, "size": min(largest, 1_000_000) + 34}
        study.part("checks", name, lambda d=dtype: check_norm(d, largest))
        for rule in REPRESENTATIVES:
            for rows in (1, 3):
                size, around = min(largest, 100_000), Around(clips=True, decays=True, zeroes=True)
                name = {"what": f"{around}, {rows} rows", "rule": rule, "dtype": dtype, "size": size}
                study.part("checks", name, lambda r=rule, d=dtype, s=size, a=around, c=rows: check_rule(r, d, s, a, c))
    if device.is_simulated():
        return
    for rule in REPRESENTATIVES:
        name = {"what": "wide = narrow", "rule": rule, "dtype": "float32", "size": 1_000_000}
        study.part("checks", name, lambda r=rule: check_wide_and_narrow(r))
    for rule in ("sgd", "adam"):
        name = {"what": "beyond 32 bits", "rule": rule, "dtype": "float32", "size": BEYOND_32_BITS}
        study.part("checks", name, lambda r=rule: check_beyond_32_bits(r))
        release_memory()


# --- Contenders: made for (optimizer, n), they step(), wait(), and show the head() of their parameters ----------------


class Fastopt:
    """Our update, called as an optimizer calls it."""

    on_our_stream = True

    def __init__(self, optimizer: str, n: int) -> None:
        rule = RULES[SWEEP[optimizer]]
        self.params = fill(device.cuda.device_array(n, np.float32), pattern_of(3))
        self.grads = fill(device.cuda.device_array(n, np.float32), pattern_of(4)).reshape(1, n)
        self.state = device.allocate_state(len(rule.states), n, np.float32)
        self.hyper, self.steps = hyper_of(rule.name), 0
        self.update = device.CudaUpdate(rule, np.float32)

    def step(self) -> None:
        self.steps += 1
        self.update(self.params, self.grads, self.state, self.hyper, self.steps)

    def wait(self) -> None:
        device.cuda.synchronize()

    def head(self) -> np.ndarray:
        head: np.ndarray = self.params[:1000].copy_to_host()
        return head


class Copy:
    """A copy by the driver that reads and writes, together, the bytes that the step must move."""

    on_our_stream = True

    def __init__(self, optimizer: str, n: int) -> None:
        size = bytes_per_element(optimizer) * n // 2
        self.whole, rest = divmod(size, COPY_BYTES)
        source, target = (device.cuda.device_array(min(size, COPY_BYTES), np.uint8) for _ in range(2))
        self.pair, self.rest = (target, source), (target[:rest], source[:rest])

    def step(self) -> None:
        for _ in range(self.whole):
            self.pair[0].copy_to_device(self.pair[1])
        self.rest[0].copy_to_device(self.rest[1])

    def wait(self) -> None:
        device.cuda.synchronize()

    def head(self) -> None:
        return None


class Torch:
    """torch.optim with one of its implementations, on the default stream."""

    on_our_stream = True

    def __init__(self, optimizer: str, n: int, implementation: str) -> None:
        import torch

        if implementation == "compiled" and n not in COMPILED_SIZES:
            raise LookupError(f"compiled for {', '.join(f'{size:.0e}' for size in COMPILED_SIZES)} elements only")
        if implementation == "fused" and optimizer == "rmsprop":
            raise LookupError("PyTorch has no fused RMSprop")
        self.torch = torch
        repeats = -(-n // PATTERN)
        self.params, grads = (torch.from_numpy(pattern_of(seed)).cuda().repeat(repeats)[:n].clone() for seed in (3, 4))
        self.params.grad = grads
        options: dict[str, Any] = {"fused": True} if implementation == "fused" else {"foreach": True}
        if implementation == "compiled" and optimizer != "momentum":
            options["capturable"] = True  # its step count then lives on the device
        make = {
            "adam": lambda: torch.optim.Adam([self.params], lr=1e-3, betas=(0.9, 0.999), eps=1e-8, **options),
            "momentum": lambda: torch.optim.SGD([self.params], lr=1e-3, momentum=0.9, **options),
            "rmsprop": lambda: torch.optim.RMSprop([self.params], lr=1e-3, alpha=0.9, eps=1e-8, **options),
        }
        self.optimizer = make[optimizer]()
        self.step = self.optimizer.step
        if implementation == "compiled":
            self.step = torch.compile(lambda: self.optimizer.step(), fullgraph=False)

    def wait(self) -> None:
        self.torch.cuda.synchronize()

    def head(self) -> np.ndarray:
        head: np.ndarray = self.params[:1000].detach().cpu().numpy()
        return head


class Optax:
    """optax, jitted, the parameters and the state donated."""

    on_our_stream = False

    def __init__(self, optimizer: str, n: int) -> None:
        import jax
        import jax.numpy as jnp
        import optax

        if not any(found.platform in ("gpu", "cuda") for found in jax.devices()):
            raise LookupError("JAX sees no CUDA device")
        make = {
            "adam": lambda: optax.adam(1e-3, 0.9, 0.999, 1e-8),
            "momentum": lambda: optax.sgd(1e-3, momentum=0.9),
            "rmsprop": lambda: optax.rmsprop(1e-3, decay=0.9, eps=1e-8, eps_in_sqrt=False),
        }
        rule, self.jax = make[optimizer](), jax
        self.params, self.grads = (jnp.resize(jnp.asarray(pattern_of(seed)), (n,)) for seed in (3, 4))
        self.state = rule.init(self.params)

        def step(params: Any, state: Any, grads: Any) -> Any:
            updates, state = rule.update(grads, state, params)
            return optax.apply_updates(params, updates), state

        self.compiled = jax.jit(step, donate_argnums=(0, 1))

    def step(self) -> None:
        self.params, self.state = self.compiled(self.params, self.state, self.grads)

    def wait(self) -> None:
        self.jax.block_until_ready((self.params, self.state))

    def head(self) -> np.ndarray:
        return np.asarray(self.params[:1000])


CONTENDERS: dict[str, Callable[[str, int], Any]] = {
    "fastopt": Fastopt,
    "copy": Copy,
    "torch fused": lambda optimizer, n: Torch(optimizer, n, "fused"),
    "torch foreach": lambda optimizer, n: Torch(optimizer, n, "foreach"),
    "torch compiled": lambda optimizer, n: Torch(optimizer, n, "compiled"),
    "optax": Optax,
}


def bytes_per_element(optimizer: str) -> int:
    """Return the bytes of float32 that a step must move: gradients read, parameters and state read and written."""
    return 4 * (3 + 2 * len(RULES[SWEEP[optimizer]].states))


# --- Timing -----------------------------------------------------------------------------------------------------------


def time_optimizer(study: Study, optimizer: str, n: int) -> list[dict[str, Any]]:
    """Return one row per contender: each checked, warmed up, then timed in rounds of random order."""
    rows: dict[str, dict[str, Any]] = {}
    ready: dict[str, Any] = {}
    for name, make in CONTENDERS.items():
        rows[name] = {"contender": name, "status": "timed", "reason": "", "samples": []}
        with failure_into(rows[name]):
            contender = make(optimizer, n)
            rows[name] |= prepared(contender, optimizer, n)
            if rows[name]["status"] == "timed":
                ready[name] = contender
    cold = ColdSteps()
    rng = random.Random(n)
    for number in range(ROUNDS):
        if study.left_s() <= 0:
            break
        order = list(ready)
        rng.shuffle(order)
        for position, name in enumerate(order):
            with failure_into(rows[name]):
                sample = {"round": number, "position": position, **hot_sample(ready[name], rows[name]["repeats"])}
                if ready[name].on_our_stream:
                    sample["cold_event_s"] = cold.sample(ready[name])
                rows[name]["samples"].append(sample)
        ready = {name: contender for name, contender in ready.items() if rows[name]["status"] == "timed"}
    return [{**row, "bytes_per_step": bytes_per_element(optimizer) * n} for row in rows.values()]


@contextlib.contextmanager
def failure_into(row: dict[str, Any]) -> Iterator[None]:
    """Make what goes wrong the status and the reason of a row."""
    try:
        yield
    except (ImportError, LookupError) as error:
        row |= {"status": "unavailable", "reason": str(error) or one_line(error)}
    except Exception as error:
        row |= {"status": "error", "reason": one_line(error)}


def prepared(contender: Any, optimizer: str, n: int) -> dict[str, Any]:
    """Do three steps, hold them against the oracle, warm up, and choose how many steps a hot block has."""
    began = time.perf_counter()
    for _ in range(3):
        contender.step()
    contender.wait()
    first_s = time.perf_counter() - began
    found = contender.head()
    if found is not None:
        error = head_error(found, optimizer, n)
        if not error <= PEER_TOLERANCE:
            return {"status": "failed", "reason": f"wrong after three steps: error {error:.3g}"}
    began, steps = time.perf_counter(), 0
    while steps < 3 or time.perf_counter() - began < 0.05:
        contender.step()
        contender.wait()  # a launch takes less time than a long step: the queue would fill
        steps += 1
    step_s = (time.perf_counter() - began) / steps
    return {"first_three_steps_s": first_s, "repeats": max(3, min(500, math.ceil(BLOCK_S / step_s)))}


def head_error(found: np.ndarray, optimizer: str, n: int) -> float:
    """Return the error of the first parameters after three steps, against the oracle in float64."""
    rule, size = SWEEP[optimizer], min(n, 1000)
    params, grads = (pattern_of(seed)[:size].astype(np.float64) for seed in (3, 4))
    before, state = params.copy(), np.zeros((len(RULES[rule].states), size))
    for step in (1, 2, 3):
        reference.update(reference.FORMULAS[rule], params, grads[None], state, hyper_of(rule), step)
    return relative_error(found, params, before)


def hot_sample(contender: Any, repeats: int) -> dict[str, Any]:
    """Time many steps in a row: seconds per step by the wall, launches included, and by events where they count."""
    start, stop = device.cuda.event(), device.cuda.event()
    contender.wait()
    began = time.perf_counter()
    start.record()
    for _ in range(repeats):
        contender.step()
    stop.record()
    contender.wait()
    wall_s = (time.perf_counter() - began) / repeats
    stop.synchronize()
    event_s = device.cuda.event_elapsed_time(start, stop) / 1e3 / repeats
    return {"wall_s": wall_s, "event_s": event_s if contender.on_our_stream else None}


class ColdSteps:
    """Times single steps by events, after memory as large as several L2 caches was read and written."""

    def __init__(self) -> None:
        scratch = device.cuda.device_array(SWEEP_BYTES, np.uint8)
        self.halves = scratch[: SWEEP_BYTES // 2], scratch[SWEEP_BYTES // 2 :]

    def sample(self, contender: Any) -> float:
        """Return the median of three steps, in seconds. The sweep hides what the launch costs the host."""
        times = []
        for _ in range(3):
            start, stop = device.cuda.event(), device.cuda.event()
            self.halves[0].copy_to_device(self.halves[1])
            start.record()
            contender.step()
            stop.record()
            stop.synchronize()
            times.append(device.cuda.event_elapsed_time(start, stop) / 1e3)
        return sorted(times)[1]


def time_everything(study: Study, largest: int) -> None:
    """Time every optimizer at every power of ten from `largest` down to 1e3: small arrays are left out first."""
    for size in (10**power for power in range(18, 2, -1) if 10**power <= largest):
        for optimizer in SWEEP:
            name = {"optimizer": optimizer, "size": size}
            study.part("timings", name, lambda o=optimizer, n=size: time_optimizer(study, o, n))
            release_memory()


def release_memory() -> None:
    """Give back what PyTorch and Numba keep for later."""
    import gc

    gc.collect()
    with contextlib.suppress(Exception):
        device.cuda.current_context().deallocations.clear()
    if "torch" in sys.modules:
        with contextlib.suppress(Exception):
            sys.modules["torch"].compiler.reset()  # compiled steps hold on to their parameters
            gc.collect()
            sys.modules["torch"].cuda.empty_cache()


# --- The command ------------------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """One line for bad input."""

    def error(self, message: str) -> NoReturn:
        print(f"gpu.py: error: {message}", file=sys.stderr)
        sys.exit(2)


def positive(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 when a check failed, 2 for bad input or without a device."""
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = Parser(description="Check and time the CUDA kernels on a device.")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the results, made if missing"
    )
    parser.add_argument("--budget", type=positive, default=500.0, help="seconds after which no new part is begun")
    parser.add_argument("--largest", type=positive, default=1e9, help="most elements that are timed")
    parser.add_argument("--check-only", action="store_true", help="check the kernels, time nothing")
    options = parser.parse_args(argv)
    if reason := device.why_unavailable():
        parser.error(reason)
    if device.is_simulated() and not options.check_only:
        parser.error("the simulator can be checked, not timed: add --check-only")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"cannot make the folder {options.out}: {error.strerror}")
    # JAX would take three quarters of the device's memory at its start.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    command = shlex.join(["python", "benchmarks/gpu.py", *argv])
    settings = {"command": command, "budget_s": options.budget, "largest": int(options.largest), "rounds": ROUNDS}
    study = Study(options.out, options.budget, settings)
    check_everything(study, int(options.largest))
    write_page(options.out)
    if not options.check_only:
        time_everything(study, int(options.largest))
    study.records["finished"] = True
    study.write()
    write_page(options.out)
    return int(any(row["status"] in ("failed", "error") for row in study.records["checks"]))


if __name__ == "__main__":
    sys.exit(main())
