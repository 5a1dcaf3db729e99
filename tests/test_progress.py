"""Progress without a terminal is a line now and then, with the time left."""

import io

from rich.console import Console

from fastopt import progress


def test_without_a_terminal_there_is_a_line_for_each_stage_and_one_every_so_often(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    console = Console(file=io.StringIO(), width=80)
    with progress.ProgressBar(console) as bar:
        bar.begin(10)
        bar.stage("training")
        for _ in range(10):
            now[0] += 3.0
            bar.advance(1)
    lines = console.file.getvalue().splitlines()
    assert lines[0] == "training"
    assert [line.split(",")[0] for line in lines[1:]] == ["training 40 %", "training 80 %"]


def test_work_that_turns_out_to_be_more_or_less_moves_the_share_that_is_done(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    console = Console(file=io.StringIO(), width=80)
    with progress.ProgressBar(console) as bar:
        bar.begin(10)
        bar.stage("training")
        bar.revise(10)
        now[0] = 10.0
        bar.advance(5)
        bar.revise(-15)
        bar.stage("timing")
        now[0] = 20.0
        bar.advance(0)
    lines = [line.split(",")[0] for line in console.file.getvalue().splitlines()]
    assert lines == ["training", "training 25 %", "timing", "timing 100 %"]
