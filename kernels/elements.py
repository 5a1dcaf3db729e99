"""Elements of arrays that have no memory in common, read and written so that LLVM knows it.

Where arrays might overlap, a loop asks whether they do before its vector instructions begin: 65 instructions for Adam's
four arrays, at each call. A step of 21 parameters took 17.1 ns with them and 13.6 without (SGD 7.3 and 4.2), and a loop
over the rows of a matrix asks at each row (2026-11-22).

So each array of an update has a number here, and what is read or written under one number lies apart from all that is
under another (LLVM's alias.scope and noalias metadata). Who calls an update answers for it: `Optimizer.step` refuses
arrays that overlap, the driver has arrays of its own.
"""

from numba import types
from numba.core import cgutils
from numba.extending import lower_builtin, type_callable

from .memory import pointer

# The number of each array, a constant where it is passed; the first, second and third row of state have one each, and
# what a gradient is formed from (factors.py).
PARAMS, GRADS, FIRST, SECOND, THIRD, INPUTS, SLOPES = _ARRAYS = range(7)


# No intrinsics: those pickle anew in each process, a loop is pickled with what it calls, and Numba's cache would not
# find it again. Functions of a module are pickled by name.


def read(like, where, i, array):
    """Return element i of those that lie from address `where` on, of the dtype that class `like` is. Compiled only."""
    raise NotImplementedError


def write(like, where, i, value, array):
    """Make `value` element i of those that lie from address `where` on, cast to the dtype that class `like` is."""
    raise NotImplementedError


@type_callable(read)
def _type_read(context):
    def typer(like, where, i, array):
        return like.dtype if isinstance(array, types.IntegerLiteral) else None

    return typer


@type_callable(write)
def _type_write(context):
    def typer(like, where, i, value, array):
        return types.void if isinstance(array, types.IntegerLiteral) else None

    return typer


@lower_builtin(read, *[types.Any] * 4)
def _lower_read(context, builder, signature, args):
    like, _, _, array = signature.args
    value = builder.load(_place(context, builder, like, *args[1:3]))
    _keep_apart(builder.module, value, array.literal_value)
    return value


@lower_builtin(write, *[types.Any] * 5)
def _lower_write(context, builder, signature, args):
    like, _, _, given, array = signature.args
    value = context.cast(builder, args[3], given, like.dtype)
    _keep_apart(builder.module, builder.store(value, _place(context, builder, like, *args[1:3])), array.literal_value)
    return context.get_dummy_value()


def _place(context, builder, like, where, i):
    return cgutils.gep(builder, pointer(context, builder, like, where), i)


def _keep_apart(module, access, array):
    domain = module.add_metadata(["arrays of an update"])
    scopes = [module.add_metadata([f"array {number}", domain]) for number in _ARRAYS]
    access.set_metadata("alias.scope", module.add_metadata([scopes[array]]))
    access.set_metadata("noalias", module.add_metadata([scope for scope in scopes if scope is not scopes[array]]))
