"""Update kernels: every rule once as scalar maths, compiled for CPU and CUDA, and an independent oracle beside them.

Needs numpy, numba and llvmlite only; knows no data set, no file, no person.
"""
