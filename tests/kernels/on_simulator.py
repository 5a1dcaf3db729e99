"""Running a module on the CUDA simulator, in a process of its own: numba-cuda decides at its import."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


def arrays_from(module, path):
    """Run `python -m module path` on the simulator and return the arrays that it left in the .npz file `path`."""
    command = [sys.executable, "-W", "error", "-m", module, str(path)]
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(path) as found:
        return dict(found)
