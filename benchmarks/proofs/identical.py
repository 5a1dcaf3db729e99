"""A plugin: our kernels once more under another name, for A/A runs."""

from __future__ import annotations

import fastopt
from fastopt.bench.contenders.updates import FastoptParallel, FastoptSerial
from fastopt.measurements import PEER


class SerialAgain(FastoptSerial):
    """The same as "fastopt serial", called a peer so that it is judged."""

    name = "same serial"
    role = PEER


class ParallelAgain(FastoptParallel):
    """The same as "fastopt parallel"."""

    name = "same parallel"
    role = PEER


for contender in (SerialAgain, ParallelAgain):
    fastopt.register_contender("update", contender)
