"""A file with any one thing wrong in it is compared, or refused in one line: nothing else comes out of the gate."""

import copy
import json
import math
import random

import pytest

from fastopt.bench.gate import sources, thresholds, times
from fastopt.bench.gate.machines import check_alike
from fastopt.errors import FastoptError
from fastopt.measurements import FILE_NAME
from tests.bench.gate_runs import pytest_file, run

GONE = object()
VALUES = [None, -1, 0, "x", [], {}, math.inf, True, GONE]


def files(folder):
    run(1, sizes=(1_000,), optimizers=("sgd",)).write(folder)
    return folder / FILE_NAME, pytest_file(folder / "bench.json")


def places(value, path=()):
    if path:
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, item in inside:
        yield from places(item, (*path, key))


def damaged(document, path, value):
    changed = copy.deepcopy(document)
    inside = changed
    for key in path[:-1]:
        inside = inside[key]
    if value is GONE:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return changed


@pytest.mark.parametrize("which", [0, 1], ids=["measurement", "pytest-benchmark"])
@pytest.mark.parametrize("value", VALUES, ids=lambda value: "gone" if value is GONE else repr(value))
def test_one_wrong_value_anywhere_is_compared_or_refused_in_one_line(tmp_path, which, value):
    path = files(tmp_path)[which]
    whole, document = sources.read(path), json.loads(path.read_text())
    everywhere = list(places(document))
    refusals = []
    for place in random.Random(0).sample(everywhere, min(len(everywhere), 120)):
        path.write_text(json.dumps(damaged(document, place, value)))
        try:
            changed = sources.read(path)
            for sides in ((whole, changed), (changed, whole)):
                check_alike(*(side.meta.get("environment") or {} for side in sides), any_machine=False)
                times.judge(*sides, thresholds.parse(None, 0.05))
        except FastoptError as error:
            refusals.append(str(error))
    assert refusals
    assert not [refusal for refusal in refusals if "\n" in refusal]


def test_the_binary_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe\x00")
    with pytest.raises(FastoptError, match=r"picture\.png is not JSON"):
        sources.read(path)
