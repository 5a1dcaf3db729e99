"""Progress without a terminal is a line now and then, with the time left."""

import io

from rich.console import Console

from fastopt import progress


def test_without_a_terminal_there_is_a_line_for_each_stage_and_one_every_so_often(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    console = Console(file=io.StringIO(), width=80)
    with progress.ProgressBar(console) as bar:
        bar.stage("training", 10)
        for _ in range(10):
            now[0] += 3.0
            bar.advance(1)
    lines = console.file.getvalue().splitlines()
    assert lines[0] == "training"
    assert [line.split(",")[0] for line in lines[1:]] == ["training 40 %", "training 80 %"]
