"""Compiled pieces of one fixed signature, called by address.

A driver that takes addresses compiles once, whatever optimizer, model and schedule it is given: M models, R rules and
S schedules compile once each, not M x R x S times. Passing a `cfunc` itself as a first-class function works too, but
costs 10 us a function and call from Python, an address 0.1 us.

Pieces take whole numbers and float64 numbers only, as many as fit into registers or one more: an array is its address,
many arrays are the address of an argument buffer (argument_buffer.py, which says what arrays by value cost).
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _call_by_address(return_type):
    def call(typing_context, address, arguments):
        """Call the cfunc at `address` (int64) with a tuple of arguments of exactly its types: nothing is converted."""

        def codegen(context, builder, signature, values):
            value_types = [context.get_value_type(kind) for kind in signature.args[1]]
            function_type = ir.FunctionType(context.get_value_type(return_type), value_types)
            function = builder.inttoptr(values[0], function_type.as_pointer())
            result = builder.call(function, cgutils.unpack_tuple(builder, values[1]))
            return context.get_dummy_value() if return_type is types.void else result

        return return_type(types.int64, arguments), codegen

    return intrinsic(call)


call_void = _call_by_address(types.void)
call_float64 = _call_by_address(types.float64)
