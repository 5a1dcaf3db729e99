"""Measuring: timing, statistics, the machine, and the contenders that are timed."""
