"""beta^t for bias corrections."""

from numba.extending import register_jitable

# exp(-38) < 2^-54: whatever is smaller is lost beside 1.
_LOST = 38.0


@register_jitable
def power(beta, step):
    """Return beta^step for 0 <= beta < 1, to be taken from 1: as zero once 1 - beta^step is 1, to the same bits.

    beta^t <= exp(-t (1 - beta)), so that is the case from step 380 on for beta = 0.9, from 38 000 on for 0.999. Where
    nobody looks, the two powers of Adam would take a third of a small step, and more while they are subnormal.
    """
    return 0.0 if step * (1.0 - beta) > _LOST else beta**step
