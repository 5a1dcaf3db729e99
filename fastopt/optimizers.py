"""Optimizers: hyperparameters with defaults, the rule they choose, and the state they own.

    opt = fastopt.Adam(learning_rate=1e-3)
    opt.step(params, grads)            # in place, one fused pass over memory

`fastopt.train` takes an optimizer as a specification and leaves it unchanged.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastopt.errors import ArrayError, BackendUnavailable, ConfigError, unknown_name
from fastopt.kernels.rules import RULES, Rule

BACKENDS = ("auto", "serial", "parallel", "cuda", "reference")

# Elements from which a parallel region pays for its 1.5 to 3 us (2 cores of a Zen 5, measured).
PARALLEL_FROM = 50_000

# update(params f[n], grads f[c, n], state f[k, n], hyper, step, grad_scale), in place, on one backend
Update = Callable[[Any, Any, Any, npt.NDArray[np.float64], int, float], None]
Arrays = Any  # one array, or a sequence of arrays: NumPy's, or any with __cuda_array_interface__ for backend "cuda"


class Optimizer:
    """What all optimizers share: a rule, its hyperparameters, and state arrays made at the first step.

    Parameters common to all optimizers
    -----------------------------------
    learning_rate : float
        May be changed between steps by assignment; nothing is recompiled.
    weight_decay : float
        Coupled L2: `weight_decay * param` is added to the gradient before the rule sees it, as in PyTorch and Caffe.
    clip_value : float or None
        Gradients are clipped to +-clip_value, before weight decay. None: not at all.
    backend : {"auto", "serial", "parallel", "cuda", "reference"}
        "auto" takes "serial" below 50 000 elements and "parallel" from there on; both give the same bits. "cuda" takes
        arrays on the device (any with `__cuda_array_interface__`). "reference" is the plain NumPy oracle.
    """

    def __init__(
        self,
        rule: Rule,
        hyper: Mapping[str, float],
        weight_decay: float = 0.0,
        clip_value: float | None = None,
        backend: str = "auto",
    ) -> None:
        if backend not in BACKENDS:
            raise unknown_name("backend", backend, BACKENDS)
        for name, value in (*hyper.items(), ("weight_decay", weight_decay)):
            _check_hyper(name, value)
        if clip_value is not None:
            _check_hyper("clip_value", clip_value)
        self.rule = rule
        self.backend = backend
        self.clips = clip_value is not None
        self.decays = weight_decay != 0
        clip = clip_value if clip_value is not None else math.inf
        # The layout that every compiled update expects: the rule's own, then clip_value and weight_decay.
        self.hyper = np.array([*(hyper[name] for name in rule.hyper), clip, weight_decay], dtype=np.float64)
        self.steps = 0
        self._slots: list[_Slot] = []

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        return float(self.hyper[0])

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        _check_hyper("learning_rate", value)
        self.hyper[0] = value

    def step(self, params: Arrays, grads: Arrays) -> None:
        """Update `params` in place from `grads`.

        One array or a sequence of arrays each; float32 or float64, C-contiguous, gradients of the parameters' shape
        and dtype. State belongs to the position in the sequence: later steps take arrays of the same shapes.
        Raises ArrayError, before anything is changed, when an array does not fit; BackendUnavailable for "cuda"
        without a device.
        """
        slots = self._slots
        if not (len(slots) == 1 and slots[0].params is params and slots[0].grads is grads):
            self._bind(_as_sequence("params", params), _as_sequence("grads", grads))
            slots = self._slots
        self.steps += 1
        for slot in slots:
            slot.update(slot.flat, slot.rows, slot.state, self.hyper, self.steps, 1.0)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the compiled updates and the user's arrays behind: an address means nothing in another process."""
        slots = [slot._replace(params=None, grads=None, flat=None, rows=None, update=None) for slot in self._slots]
        return {**self.__dict__, "_slots": slots}

    def __repr__(self) -> str:
        names = [*self.rule.hyper, "clip_value", "weight_decay"]
        unused = {"clip_value": math.inf, "weight_decay": 0.0}
        parts = [f"{n}={v:g}" for n, v in zip(names, self.hyper, strict=True) if unused.get(n) != v]
        return f"{type(self).__name__}({', '.join(parts)}, rule={self.rule.name!r}, backend={self.backend!r})"

    def _bind(self, params: Sequence[Any], grads: Sequence[Any]) -> None:
        """Check every array before any changes, then keep the flat views and the state that an update wants."""
        if len(params) != len(grads):
            raise ArrayError(f"got {len(params)} parameter arrays and {len(grads)} gradient arrays: pass one of each")
        if not params:
            raise ArrayError("got no parameter array: pass at least one")
        old: Sequence[_Slot | None] = [*self._slots] or [None] * len(params)
        if len(params) != len(old):
            raise ArrayError(f"got {len(params)} arrays, this optimizer holds state for {len(old)}: make a new one")
        places = [""] if len(params) == 1 else [f"[{position}]" for position in range(len(params))]
        self._slots = [self._slot(*found) for found in zip(places, params, grads, old, strict=True)]

    def _slot(self, place: str, param: Any, grad: Any, old: _Slot | None) -> _Slot:
        """Return the slot for one parameter array: `old` with what has changed replaced; nothing is written here."""
        if old is not None and old.params is param and old.grads is grad:
            return old
        view = self._view(f"params{place}", param)
        if not _is_writable(view):
            raise ArrayError(f"params{place} is read-only and cannot be updated in place: pass a copy")
        if old is not None and (old.shape != view.shape or old.state.dtype != view.dtype):
            raise ArrayError(
                f"params{place} is {view.dtype} of shape {view.shape}, this optimizer holds state for "
                f"{old.state.dtype} of shape {old.shape}: make a new optimizer"
            )
        gradient = self._view(f"grads{place}", grad)
        if gradient.dtype != view.dtype or gradient.shape != view.shape:
            raise ArrayError(
                f"grads{place} is {gradient.dtype} of shape {gradient.shape}, params{place} is {view.dtype} of shape "
                f"{view.shape}: they must be alike"
            )
        if isinstance(view, np.ndarray) and np.may_share_memory(view, gradient):
            raise ArrayError(f"params{place} and grads{place} share memory: pass a copy of the gradient")
        flat, rows = view.reshape(-1), gradient.reshape(1, -1)
        state = self._zero_state(view.dtype, view.size) if old is None else old.state
        update = old.update if old is not None and old.update is not None else self._update(view.dtype, view.size)
        return _Slot(param, grad, view.shape, flat, rows, state, update)

    def _view(self, name: str, array: Any) -> Any:
        """Return `array` as this backend's loops take it, without copying; raises ArrayError if they cannot."""
        if self.backend == "cuda":
            array = _on_device(name, array)
            contiguous = array.is_c_contiguous() if hasattr(array, "is_c_contiguous") else array.flags.c_contiguous
        elif isinstance(array, np.ndarray):
            contiguous = array.flags.c_contiguous and array.flags.aligned
        else:
            raise ArrayError(f"{name} must be a NumPy array, got {type(array).__name__}")
        if array.dtype not in (np.float32, np.float64):
            raise ArrayError(f"{name} has dtype {array.dtype}, expected float32 or float64: convert it with astype")
        if not contiguous:
            raise ArrayError(f"{name} is not C-contiguous and aligned: pass numpy.ascontiguousarray of it")
        return array

    def _zero_state(self, dtype: npt.DTypeLike, size: int) -> Any:
        """Return zeros, shape (k, size), where this optimizer's backend wants them."""
        if self.backend == "cuda":
            from fastopt.kernels import cuda

            return cuda.allocate_state(len(self.rule.states), size, dtype)
        return np.zeros((len(self.rule.states), size), dtype=dtype)

    def _update(self, dtype: npt.DTypeLike, size: int) -> Update:
        """Return the function that updates arrays of this dtype and size on this optimizer's backend."""
        if self.backend == "cuda":
            from fastopt.kernels import cuda

            return cuda.CudaUpdate(self.rule, dtype, clips=self.clips, decays=self.decays)
        if self.backend == "reference":
            from fastopt.kernels import reference

            return functools.partial(reference.update, self.rule.name)
        from fastopt.kernels.cpu import call_update

        parallel = self.backend == "parallel" or (self.backend == "auto" and size >= PARALLEL_FROM)
        return functools.partial(call_update, self.compiled(dtype, parallel=parallel).address)

    def compiled(self, dtype: npt.DTypeLike, *, parallel: bool) -> Any:
        """Return the compiled update (a Numba cfunc) that this optimizer's options choose."""
        from fastopt.kernels.cpu import compiled_update

        return compiled_update(self.rule, np.dtype(dtype), clips=self.clips, decays=self.decays, parallel=parallel)


class _Slot(NamedTuple):
    """One parameter array with its gradient as the user passed them, flat views of both, its state, and its update.

    Of an optimizer that came out of a pickle only `shape` and `state` are left until its next step.
    """

    params: Any
    grads: Any
    shape: tuple[int, ...]
    flat: Any
    rows: Any
    state: Any
    update: Any  # an Update, or None


class SGD(Optimizer):
    """Stochastic gradient descent, p -= lr g (Robbins & Monro 1951)."""

    def __init__(
        self,
        learning_rate: float = 0.01,
        *,
        weight_decay: float = 0.0,
        clip_value: float | None = None,
        backend: str = "auto",
    ) -> None:
        super().__init__(RULES["sgd"], {"learning_rate": learning_rate}, weight_decay, clip_value, backend)


class Momentum(Optimizer):
    """Gradient descent with momentum, in the form that `form` names.

    "ema" (default)   v = b v + (1-b) g;  p -= lr v     an exponentially weighted average, as in course notes;
                                                        its best rate is 1/(1-b) times that of heavy ball
    "heavy_ball"      v = b v + g;        p -= lr v     PyTorch, optax, TensorFlow 1
    "caffe"           v = b v - lr g;     p += v        Caffe, Keras: a change of rate acts on new gradients only

    `nesterov=True` goes with "heavy_ball" and "caffe", `bias_correction=True` (v / (1 - b^t)) with "ema"; other
    combinations have no textbook meaning and raise ConfigError. Source: Polyak 1964; Sutskever et al. 2013.
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        beta: float = 0.9,
        form: str = "ema",
        nesterov: bool = False,
        bias_correction: bool = False,
        *,
        weight_decay: float = 0.0,
        clip_value: float | None = None,
        backend: str = "auto",
    ) -> None:
        forms = ("ema", "heavy_ball", "caffe")
        if form not in forms:
            raise unknown_name("momentum form", form, forms)
        if nesterov and form == "ema":
            raise ConfigError('nesterov=True has no meaning with form="ema": take "heavy_ball" or "caffe"')
        if bias_correction and form != "ema":
            raise ConfigError(f'bias_correction=True has no meaning with form="{form}": take "ema"')
        name = f"momentum_{form}" + "_nesterov" * nesterov + "_corrected" * bias_correction
        hyper = {"learning_rate": learning_rate, "beta": beta}
        super().__init__(RULES[name], hyper, weight_decay, clip_value, backend)


class RMSprop(Optimizer):
    """RMSprop: s = b s + (1-b) g^2; p -= lr g / (sqrt(s) + eps) (Tieleman & Hinton 2012, lecture 6.5).

    `eps_form="outside"` is PyTorch's; "inside", sqrt(s + eps), is that of Keras, optax and TensorFlow.
    PyTorch's default for b (its alpha) is 0.99.
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        beta: float = 0.9,
        eps: float = 1e-8,
        eps_form: str = "outside",
        *,
        weight_decay: float = 0.0,
        clip_value: float | None = None,
        backend: str = "auto",
    ) -> None:
        rules = {"outside": "rmsprop", "inside": "rmsprop_inside"}
        if eps_form not in rules:
            raise unknown_name("eps_form", eps_form, rules)
        hyper = {"learning_rate": learning_rate, "beta": beta, "eps": eps}
        super().__init__(RULES[rules[eps_form]], hyper, weight_decay, clip_value, backend)


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, Algorithm 1): m and v are averages of g and g^2, corrected for their start at zero.

    `eps_form` says where eps stands: "outside" (default, the paper and PyTorch) sqrt(vhat) + eps; "inside", as some
    lecture notes have it, sqrt(vhat + eps); "hat" (TensorFlow, Keras, Caffe, end of the paper's section 2) adds eps to
    the root of the uncorrected v. Weight decay is coupled L2, as in `torch.optim.Adam`.
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        eps_form: str = "outside",
        clip_value: float | None = None,
        backend: str = "auto",
    ) -> None:
        rules = {"outside": "adam", "inside": "adam_inside", "hat": "adam_hat"}
        if eps_form not in rules:
            raise unknown_name("eps_form", eps_form, rules)
        hyper = {"learning_rate": learning_rate, "beta1": beta1, "beta2": beta2, "eps": eps}
        super().__init__(RULES[rules[eps_form]], hyper, weight_decay, clip_value, backend)


def _check_hyper(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise ConfigError(f"{name} must be a number, got {value!r}")
    if name.startswith("beta"):
        if not 0.0 <= value < 1.0:
            raise ConfigError(f"{name} must lie in [0, 1), got {value!r}")
    elif name == "clip_value":
        if not 0.0 < value < math.inf:
            raise ConfigError(f"clip_value must be positive and finite, got {value!r}; None switches clipping off")
    elif not 0.0 <= value < math.inf:
        raise ConfigError(f"{name} must be finite and not negative, got {value!r}")


def _as_sequence(name: str, arrays: Arrays) -> Sequence[Any]:
    if isinstance(arrays, list | tuple):
        return arrays
    if isinstance(arrays, np.ndarray) or hasattr(arrays, "__cuda_array_interface__"):
        return (arrays,)
    raise ArrayError(f"{name} must be an array or a list of arrays, got {type(arrays).__name__}")


def _on_device(name: str, array: Any) -> Any:
    from fastopt.kernels import cuda

    if reason := cuda.why_unavailable():
        raise BackendUnavailable(reason)
    if cuda.is_simulated():
        return array
    try:
        array.__cuda_array_interface__  # noqa: B018
    except AttributeError:
        raise ArrayError(
            f'{name} must lie on the device for backend "cuda" (CuPy, PyTorch, Numba), got {type(array).__name__}'
        ) from None
    except RuntimeError:  # PyTorch, of a tensor that requires a gradient
        raise ArrayError(f"{name} is a tensor that requires a gradient: pass {name}.detach()") from None
    return cuda.as_device_array(array)


def _is_writable(array: Any) -> bool:
    return bool(array.flags.writeable) if isinstance(array, np.ndarray) else True


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"adam": Adam, "momentum": Momentum, "rmsprop": RMSprop, "sgd": SGD}
