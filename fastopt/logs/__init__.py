"""Logs of anyone's own training: read, checked, and turned into the records of a study towards a goal.

table      the CSV format, documented there: one line for each look at a run
exports    what TensorBoard and Weights & Biases export, brought into that format
study      runs, their goal, and the records that `fastopt report` makes its page from
"""
