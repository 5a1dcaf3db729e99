"""What all optimizers share: a rule, its hyperparameters, the state they own, and `step`."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self, TypedDict

import numpy as np
import numpy.typing as npt

from fastopt.errors import ArrayError, ConfigError
from fastopt.kernels.around import Around
from fastopt.kernels.rules import Rule
from fastopt.optimizers.arena import aligned_empty
from fastopt.optimizers.arrays import Arrays, as_sequence, check_writable, device_view, host_view
from fastopt.optimizers.backends import BACKENDS, make_plan, place_state
from fastopt.optimizers.hyper import check_choice, check_flag, check_hyper
from fastopt.optimizers.plans import Plan, Tensor

# What `_array` is while no single array is bound: nothing that a user could pass.
_NO_ARRAY = object()


class Common(TypedDict, total=False):
    """The keyword arguments that every optimizer hands on to `Optimizer`; see there."""

    clip_norm: float | None
    clip_value: float | None
    backend: str
    flush_subnormals: bool


class Options(Common, total=False):
    """The keyword arguments that every optimizer takes: those and weight_decay, which some have in their own list."""

    weight_decay: float


class _Kept(NamedTuple):
    """What an optimizer keeps of one tensor between steps: its state f[k, n], where the backend wants it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    state: Any


class Optimizer:
    """A rule, its hyperparameters, and state arrays made at the first step.

    Parameters common to all optimizers
    -----------------------------------
    learning_rate : float
        May be changed between steps by assignment; nothing is recompiled.
    weight_decay : float
        Coupled L2: `weight_decay * param` is added to the gradient after clipping, before the rule sees it, as in
        PyTorch and Caffe. AdamW's and Lion's is decoupled instead; see there.
    clip_norm : float or None
        Gradients are scaled down together so that their norm over all tensors is at most this; a pass of its own over
        the gradients. `torch.nn.utils.clip_grad_norm_` divides by norm + 1e-6, we and optax by the norm.
    clip_value : float or None
        Gradients are clipped to +-clip_value, after `clip_norm` and before weight decay. None: not at all.
    backend : {"auto", "serial", "parallel", "cuda", "reference"}
        "auto" takes "serial" for small arrays and "parallel" for large ones, from `fastopt.calibrate`'s crossover on;
        all three give the same bits. "cuda" takes arrays on the device (any with `__cuda_array_interface__`).
        "reference" is the plain NumPy oracle.
    flush_subnormals : bool
        State smaller in magnitude than 2^24 times the smallest normal number (2.0e-31 in float32, 3.7e-301 in float64)
        is stored as zero: averages of gradients that have died would otherwise fade through subnormal numbers, and
        arithmetic with those takes 2 to 3 times as long. True by default.

    Raises ConfigError for a hyperparameter that cannot be; see the constructor for which.
    """

    name: ClassVar[str] = ""

    def __init__(
        self,
        rule: Rule,
        hyper: Mapping[str, float],
        *,
        initial: Mapping[str, float] | None = None,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        backend: str = "auto",
        flush_subnormals: bool = True,
    ) -> None:
        """Hyperparameters by name, every one that `rule` has; `initial` values of state arrays that start elsewhere
        than at zero."""
        check_choice("backend", backend, BACKENDS)
        clips = {
            name: value for name, value in (("clip_value", clip_value), ("clip_norm", clip_norm)) if value is not None
        }
        for name, value in (*hyper.items(), ("weight_decay", weight_decay), *clips.items()):
            check_hyper(name, value)
        check_flag("flush_subnormals", flush_subnormals)
        self.backend = backend
        self.flush_subnormals = bool(flush_subnormals)
        # The layout that every compiled update expects: the rule's own, then what goes on around it.
        own = [hyper[name] for name in rule.hyper]
        self.hyper = np.array(
            [*own, clips.get("clip_value", math.inf), weight_decay, clips.get("clip_norm", math.inf)], dtype=np.float64
        )
        self.initial = dict(initial or {})
        self.steps = 0
        self._kept: list[_Kept] = []
        self._plan: Plan | None = None
        self._array: Any = _NO_ARRAY  # the one array of the plan, if the user passed one and not a list
        self.rule = rule  # last: from here on, see `__setattr__`

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        return float(self.hyper[0])

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        check_hyper("learning_rate", value)
        self.hyper[0] = value

    def around(self, *, zero_grad: bool = False) -> Around:
        """Return what the compiled loop does besides the rule."""
        clips, decays = self.hyper[-3] < math.inf, self.hyper[-2] != 0.0
        return Around(clips=bool(clips), decays=bool(decays), zeroes=zero_grad, flushes=self.flush_subnormals)

    def step(self, params: Arrays, grads: Arrays, *, zero_grad: bool = False) -> None:
        """Update `params` in place from `grads`.

        One array or a sequence of arrays each; float32 or float64, C-contiguous, gradients of the parameters' shape and
        dtype. State belongs to the position in the sequence: later steps take arrays of the same shapes. With
        `zero_grad` the gradients are zero afterwards, in the same pass over memory.
        Raises ArrayError, before anything is changed, when an array does not fit; BackendUnavailable for "cuda"
        without a device.
        """
        plan = self._plan
        # The common case first, and in as few words as can be: the same array, with the same gradient or another.
        if (
            plan is None
            or params is not self._array
            or zero_grad
            or plan.zero_grad
            or not params.flags.writeable
            or not (grads is plan.grads[0] or plan.take(0, grads))
        ):
            plan = self._bind(as_sequence("params", params), as_sequence("grads", grads), zero_grad)
            self._array = params if isinstance(params, np.ndarray) else _NO_ARRAY
        step = self.steps + 1
        plan.run(self.hyper, step)
        self.__dict__["steps"] = step  # past `__setattr__`, which would take as long as a thousand elements

    def initial_state(self, size: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return the state before the first step, shape (k, size), in the order of `rule.states`."""
        n_states = len(self.rule.states)
        state = aligned_empty(n_states * size, dtype).reshape(n_states, size)
        state[...] = 0
        for name, value in self.initial.items():
            state[self.rule.states.index(name)] = value
        return state

    def compiled(self, dtype: npt.DTypeLike, *, parallel: bool, zero_grad: bool = False) -> Any:
        """Return the compiled update (a Numba cfunc) that this optimizer's options choose."""
        from fastopt.kernels.cpu import compiled_update

        return compiled_update(self.rule, np.dtype(dtype), self.around(zero_grad=zero_grad), parallel=parallel)

    def compiled_factored(self, dtype: npt.DTypeLike, *, parallel: bool) -> Any:
        """Return the same for gradients that are given by their factors; see `fastopt.kernels.factors`."""
        from fastopt.kernels.factors import compiled_factored_update

        return compiled_factored_update(self.rule, np.dtype(dtype), self.around(), parallel=parallel)

    # --- State that goes elsewhere --------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next step depends on, as numbers, strings, lists and copies of the state arrays.

        {"optimizer", "rule", "steps", "backend", "flush_subnormals", "hyper": {name: number}, "around": {"clip_value",
        "weight_decay", "clip_norm": number, or None for no clip}, "initial": {name: number}, "tensors": [{"shape",
        "dtype", "state": {name: array of that shape}}]}. On the device, arrays come to the host.
        """
        from fastopt.optimizers.state import state_dict

        return state_dict(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over hyperparameters, the count of steps and state arrays (copied), so that training goes on from there.

        `backend` stays as it is. Raises StateError, before anything is changed, for state of another rule, of other
        tensors than this optimizer holds, or with parts missing or malformed.
        """
        from fastopt.optimizers.state import load_state_dict

        load_state_dict(self, state)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `state_dict()` to a .npz file, no pickle in it; `fastopt.load_optimizer` reads it.

        The file is replaced as a whole or not at all. Raises StoreError if it cannot be written.
        """
        from fastopt.optimizers.state import save

        save(self, path)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the compiled updates and the user's arrays behind: an address means nothing in another process."""
        return {key: value for key, value in self.__dict__.items() if key not in ("_plan", "_array")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _plan=None, _array=_NO_ARRAY)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy state and hyperparameters; the rule is the same one."""
        made = object.__new__(type(self))
        state = {key: value for key, value in Optimizer.__getstate__(self).items() if key != "rule"}
        made.__setstate__({**copy.deepcopy(state, memo), "rule": self.rule})
        return made

    def __copy__(self) -> Self:
        """Copy deeply: two optimizers must not share state arrays."""
        return copy.deepcopy(self)

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse what would have no effect: hyperparameters are in `hyper`, and options chose the compiled loop."""
        fixed = (*self.rule.hyper[1:], *Options.__annotations__) if "rule" in self.__dict__ else ()
        if name in fixed:
            raise ConfigError(f"{name} cannot be assigned, only learning_rate can: make a new {type(self).__name__}")
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        names = (*self.rule.hyper, "clip_value", "weight_decay", "clip_norm")
        unused = {"clip_value": math.inf, "clip_norm": math.inf, "weight_decay": 0.0}
        parts = [f"{n}={v:g}" for n, v in zip(names, self.hyper, strict=True) if unused.get(n) != v]
        return f"{type(self).__name__}({', '.join(parts)}, rule={self.rule.name!r}, backend={self.backend!r})"

    # --- Binding --------------------------------------------------------------------------------------------------

    def _bind(self, params: Sequence[Any], grads: Sequence[Any], zero_grad: bool) -> Plan:
        """Return a plan for these arrays: the one at hand where only gradients are new, else one made anew."""
        check_flag("zero_grad", zero_grad)
        if len(params) != len(grads):
            raise ArrayError(f"got {len(params)} parameter arrays and {len(grads)} gradient arrays: pass one of each")
        if not params:
            raise ArrayError("got no parameter array: pass at least one")
        if self._kept and len(params) != len(self._kept):
            raise ArrayError(
                f"got {len(params)} arrays, this optimizer holds state for {len(self._kept)}: make a new one"
            )
        plan = self._plan
        if plan is None or plan.zero_grad is not zero_grad or not plan.goes_on(params, grads):
            self._plan = None  # should an array not fit, no later step may take this plan for one that was checked
            self._plan = plan = self._new_plan(params, grads, zero_grad)
        return plan

    def _new_plan(self, params: Sequence[Any], grads: Sequence[Any], zero_grad: bool) -> Plan:
        """Check every array before any changes, then bind them; state is made where there is none yet."""
        places = [""] if len(params) == 1 else [f"[{position}]" for position in range(len(params))]
        old: Sequence[_Kept | None] = [*self._kept] or [None] * len(params)
        kept = [self._check(*found, zero_grad) for found in zip(places, params, grads, old, strict=True)]
        tensors = [
            Tensor(f"params{place}", f"grads{place}", param, grad, keep.state)
            for place, param, grad, keep in zip(places, params, grads, kept, strict=True)
        ]
        plan = make_plan(self, tensors, zero_grad)
        self._kept = kept
        return plan

    def _check(self, place: str, param: Any, grad: Any, old: _Kept | None, zero_grad: bool) -> _Kept:
        """Return what to keep of one tensor, `old` if it is known; raises ArrayError, and writes nothing."""
        view_of = device_view if self.backend == "cuda" else host_view
        view, gradient = view_of(f"params{place}", param), view_of(f"grads{place}", grad)
        check_writable(f"params{place}", view)
        if zero_grad:
            check_writable(f"grads{place}", gradient)
        if old is not None and (old.shape != view.shape or old.dtype != view.dtype):
            raise ArrayError(
                f"params{place} is {view.dtype} of shape {view.shape}, this optimizer holds state for "
                f"{old.dtype} of shape {old.shape}: make a new optimizer"
            )
        if gradient.dtype != view.dtype or gradient.shape != view.shape:
            raise ArrayError(
                f"grads{place} is {gradient.dtype} of shape {gradient.shape}, params{place} is {view.dtype} of shape "
                f"{view.shape}: they must be alike"
            )
        if old is not None:
            return old
        return _Kept(view.shape, view.dtype, place_state(self, self.initial_state(view.size, view.dtype)))
