"""The C++ compiler that `torch.compile` needs for the CPU: whether there is one, asked without importing PyTorch."""

from __future__ import annotations

import os
import shutil


def missing_compiler() -> str | None:
    """Return None, or one line that says which compiler `torch.compile` would look for in vain, and the cure.

    Inductor takes what the variable CXX names, else g++ (`torch._inductor.config.cpp.cxx`).
    """
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is not None:
        return None
    return f'torch.compile needs a C++ compiler, and "{compiler}" is not there: apt-get install g++, or name one by CXX'
