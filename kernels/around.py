"""What happens around a rule, in the same pass over memory: the same on the CPU and on a CUDA device.

Before it, a gradient is scaled, clipped to +-clip_value and increased by weight_decay * param (PyTorch's and Caffe's
order). After it, state too small to matter is flushed to zero, and the gradient may be cleared. What is not asked for
is not compiled: there is no run-time switch in a loop.
"""

import functools
from dataclasses import dataclass

import numpy as np
from numba.extending import register_jitable

# State below the smallest normal number times this becomes zero. Not 1: an average that fades is multiplied by
# 1 - beta, and a product that is subnormal costs as much as a subnormal operand (2.6 times the step on a Zen 5,
# 2026-11-21). 2^24 leaves room for any beta up to 1 - 2^-24. In float32 the limit is 2.0e-31: a second moment that
# small belongs to gradients of 4e-16, and its root is lost beside any usual eps.
FLUSH_MARGIN = 2.0**24


@dataclass(frozen=True)
class Around:
    """Which of these steps a compiled update has: `flushes` by default, the others when they are used."""

    clips: bool = False
    decays: bool = False
    zeroes: bool = False
    flushes: bool = True

    def __str__(self) -> str:
        return f"clips{self.clips:d}_decays{self.decays:d}_zeroes{self.zeroes:d}_flushes{self.flushes:d}"


PLAIN = Around()


def prepare(around):
    """Return prepare(grad, param, clip, decay), which is what the rule sees as the gradient."""
    return _PREPARE[around.clips, around.decays]


def flush_below(dtype):
    """Return the magnitude below which state counts as zero, a number of `dtype`."""
    dtype = np.dtype(dtype)
    return dtype.type(np.finfo(dtype).tiny * FLUSH_MARGIN)


@functools.cache
def flush(around, dtype):
    """Return flush(x), applied to every state value before it is stored."""
    if not around.flushes:
        return _as_computed
    zero, limit = np.dtype(dtype).type(0), flush_below(dtype)

    def flush(x):
        return zero if abs(x) < limit else x  # a NaN stays

    return register_jitable(flush)


@register_jitable
def _as_computed(x):
    return x


@register_jitable
def _as_it_is(grad, param, clip, decay):
    return grad


@register_jitable
def _decayed(grad, param, clip, decay):
    return grad + decay * param


@register_jitable
def _clipped(grad, param, clip, decay):
    return -clip if grad < -clip else (clip if grad > clip else grad)  # a NaN passes, as in numpy.clip


@register_jitable
def _clipped_decayed(grad, param, clip, decay):
    return _clipped(grad, param, clip, decay) + decay * param


_PREPARE = {
    (False, False): _as_it_is,
    (False, True): _decayed,
    (True, False): _clipped,
    (True, True): _clipped_decayed,
}
