"""The regression gate: did anything get slower between two sets of records, made at different times?

Both sides are of one form: measurements (`fastopt.measurements`), the JSON of pytest-benchmark, or studies
(`fastopt.records`). `sources.read` finds out which; `times` judges the first two, `convergence` the third, and both
return a `Gated`, which knows its summary and its exit code.
"""
