"""Compiled pieces of one fixed signature, called by address.

A driver that takes addresses compiles once, whatever optimizer, model and schedule it is given: M models, R rules and
S schedules compile once each, not M x R x S times. Passing a `cfunc` itself as a first-class function works too, but
costs 10 us a function and call from Python, an address 0.1 us.
"""

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic


def _call_by_address(return_type):
    def call(typing_context, address, arguments):
        """Call the cfunc at `address` (int64) with a tuple of arguments of exactly its types: nothing is converted."""

        def codegen(context, builder, signature, values):
            # A lowered cfunc takes each argument by value, as Numba's own value type, in order.
            value_types = [context.get_value_type(kind) for kind in signature.args[1]]
            function_type = ir.FunctionType(context.get_value_type(return_type), value_types)
            function = builder.inttoptr(values[0], function_type.as_pointer())
            result = builder.call(function, cgutils.unpack_tuple(builder, values[1]))
            return context.get_dummy_value() if return_type is types.void else result

        return return_type(types.int64, arguments), codegen

    return intrinsic(call)


call_void = _call_by_address(types.void)
call_float64 = _call_by_address(types.float64)


class Direct:
    """A function compiled for one signature of no result, which `call_direct` calls at its `address`, with no wrapper.

    The C wrapper of a cfunc loads some arguments two words at a time that were stored one by one. No processor forwards
    such a pair, so the call waits until all before it is done. Updates called without it: a step of 21 parameters takes
    82 ns instead of 95 with Adam, 67 instead of 76 with SGD (medians of 30 processes, 2026-11-22). What models do that
    way scatters from process to process, so they are cfuncs; see DESIGN.md.

    cache_hits  1 when it was found in Numba's cache, else 0
    """

    def __init__(self, signature, function, **options):
        dispatcher = njit(signature, **options)(function)
        (self._compiled,) = dispatcher.overloads.values()
        self.cache_hits = sum(dispatcher.stats.cache_hits.values())
        self.address = self._compiled.library.get_pointer_to_function(self._compiled.fndesc.llvm_func_name)

    def llvm(self):
        """Return the LLVM code, for a look at what was compiled; a function from the cache has none."""
        return self._compiled.library.get_llvm_str()


@intrinsic
def call_direct(typing_context, address, arguments):
    """Call the Direct at `address` (int64) with a tuple of arguments of exactly its types: nothing is converted.

    What it raises is raised to the caller.
    """

    def codegen(context, builder, signature, values):
        convention, kinds = context.call_conv, tuple(signature.args[1])
        function_type = convention.get_function_type(types.void, kinds)
        function = builder.inttoptr(values[0], function_type.as_pointer())
        result, error = (cgutils.alloca_once(builder, kind.pointee) for kind in function_type.args[:2])
        arguments = context.get_arg_packer(kinds).as_arguments(builder, cgutils.unpack_tuple(builder, values[1]))
        code = builder.call(function, [result, error, *arguments])
        status = convention._get_return_status(builder, code, builder.load(error))
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.void(types.int64, arguments), codegen


@intrinsic
def borrowed(typing_context, array):
    """Return `array` without its owner, for code that the caller's own reference outlives.

    Then there is nothing to count references of. Each count is an atomic addition, every view in a loop counts, and
    threads that take rows of one array get in each other's way: a step of batch size 1 with 21 parameters took 450 ns
    instead of 200 (2026-11-21).
    """

    def codegen(context, builder, signature, values):
        view = context.make_array(array)(context, builder, values[0])
        view.meminfo = cgutils.get_null_value(view.meminfo.type)
        view.parent = cgutils.get_null_value(view.parent.type)
        return view._getvalue()

    return array(array), codegen
