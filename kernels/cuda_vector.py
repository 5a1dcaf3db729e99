"""128-bit accesses: several neighbours of each array in one instruction, `ld.global.v4.f32` and its kind.

A load or store of an LLVM vector that is aligned to its size becomes one such instruction. Numba has no vectors in its
language, so the two accesses are code generators. The simulator cannot run them, but a CPU can.

Lanes are neighbouring elements: a tuple of `width` tuples, each with one value of every array.
"""

from llvmlite import ir
from numba import types

from .compiling import jitable
from .cuda_element import each

ALIGNMENT = 16  # bytes: the widest access of a thread


def width(dtype):
    """Return how many elements one access moves: 4 of float32, 2 of float64."""
    return ALIGNMENT // dtype.itemsize


def wide_step(update, dtype, zeroes, intrinsic):
    """Return step(params f[n], grads f[n], rows, i, common), which updates element i and its neighbours in place.

    `update` is what `element_update` returned, `rows` the arrays of state, and `intrinsic` Numba's decorator of that
    name for the target. Every array must lie at a multiple of ALIGNMENT bytes, and i be a multiple of the width.
    """
    load, store = intrinsic(load_lanes), intrinsic(store_lanes)
    update_all = each(update, width(dtype))
    zero_lanes = ((dtype.type(0),),) * width(dtype)

    def step(params, grads, rows, i, common):
        store((params, *rows), i, update_all(load((params, grads, *rows), i), common))
        if zeroes:
            store((grads,), i, zero_lanes)

    return jitable(step)


def load_lanes(typing_context, arrays, i):
    """load_lanes(arrays, i) -> lanes: element i and its neighbours of each array f[n]; i counts in elements."""
    dtype = arrays[0].dtype
    lane, n_lanes = types.UniTuple(dtype, len(arrays)), ALIGNMENT * 8 // dtype.bitwidth
    lanes = types.UniTuple(lane, n_lanes)

    def codegen(context, builder, signature, args):
        vectors = [builder.load(pointer, align=ALIGNMENT) for pointer in _pointers(context, builder, signature, args)]
        made = []
        for k in range(n_lanes):
            values = [builder.extract_element(vector, ir.Constant(ir.IntType(32), k)) for vector in vectors]
            made.append(context.make_tuple(builder, lane, values))
        return context.make_tuple(builder, lanes, made)

    return lanes(arrays, i), codegen


def store_lanes(typing_context, arrays, i, lanes):
    """store_lanes(arrays, i, lanes) -> None: the counterpart of `load_lanes`."""

    def codegen(context, builder, signature, args):
        for row, pointer in enumerate(_pointers(context, builder, signature, args)):
            vector = ir.Constant(_vector(context, signature.args[0][0].dtype), ir.Undefined)
            for k in range(len(lanes)):
                value = builder.extract_value(args[2], [k, row])
                value = context.cast(builder, value, lanes[k][row], signature.args[0][row].dtype)
                vector = builder.insert_element(vector, value, ir.Constant(ir.IntType(32), k))
            builder.store(vector, pointer, align=ALIGNMENT)
        return context.get_dummy_value()

    return types.void(arrays, i, lanes), codegen


def _pointers(context, builder, signature, args):
    """Yield, for each array of the tuple args[0], the address of its element args[1] as that of a vector."""
    for k, array_type in enumerate(signature.args[0]):
        array = context.make_array(array_type)(context, builder, builder.extract_value(args[0], k))
        yield builder.bitcast(builder.gep(array.data, [args[1]]), _vector(context, array_type.dtype).as_pointer())


def _vector(context, dtype):
    return ir.VectorType(context.get_value_type(dtype), ALIGNMENT * 8 // dtype.bitwidth)
