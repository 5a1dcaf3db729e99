"""What was asked for becomes comparisons: sizes, threads, peers, and who stands for us."""

import json

import pytest

from fastopt.bench import requests
from fastopt.bench.contenders import find
from fastopt.bench.protocol import Measuring, Protocol
from fastopt.bench.requests import EpochRequest, GatherRequest, OrderRequest, UpdateRequest, size
from fastopt.errors import ConfigError
from fastopt.measurements import PEER, TIMED


def updates(optimizers=("adam",), threads=(1,), **options):
    return UpdateRequest(optimizers=optimizers, threads=threads, **options)


def epochs(optimizers=("adam",), threads=(1,), **options):
    return EpochRequest(optimizers=optimizers, threads=threads, **options)


SMALL = updates(("sgd",), peers=("numpy",), sizes=(1_000,), tensors=0)
EVERY_KIND = [
    SMALL,
    epochs(("sgd",), (1, 2), peers=("numpy",), batch_sizes=(2, 4)),
    OrderRequest(threads=(1,), sizes=(10, 20)),
    GatherRequest(threads=(2,), batch_sizes=(3,), n_rows=10),
]


def test_every_optimizer_size_and_number_of_threads_is_a_comparison():
    plan = updates(("adam", "sgd"), (1, 2), sizes=(10, 1_000_000), tensors=3).plan()
    found = [(p.case.optimizer, p.case.threads, p.case.n, p.case.n_tensors) for p in plan]
    assert found == [
        (optimizer, threads, n, tensors)
        for optimizer in ("adam", "sgd")
        for threads in (1, 2)
        for n, tensors in ((10, 1), (1_000_000, 1), (3_000, 3))
    ]
    assert {p.baseline for p in plan if p.case.threads == 1 and p.case.n_tensors == 1} == {"fastopt serial"}
    assert {p.baseline for p in plan if p.case.threads == 2 and p.case.n == 1_000_000} == {"fastopt parallel"}
    assert {p.baseline for p in plan if p.case.n_tensors == 3} == {"fastopt flat"}


def test_all_peers_take_part_unless_some_are_named_and_ours_always():
    (everyone,), (one,), (none,) = (
        updates(peers=peers, sizes=(1_000,), tensors=0).plan() for peers in (None, ("optax",), ())
    )
    peers = [name for name in everyone.contenders if find("update", name).role == PEER]
    assert {"numpy", "torch fused", "optax", "deepspeed"} <= set(peers)
    assert set(one.contenders) - set(none.contenders) == {"optax"}
    assert "fastopt serial" in none.contenders
    assert not set(none.contenders) & set(peers)


def test_a_named_baseline_takes_part_where_it_can():
    one, many = updates(peers=(), baseline="numpy", sizes=(1_000,), tensors=2).plan()
    assert one.baseline == many.baseline == "numpy"
    one, many = updates(peers=(), baseline="fastopt list", sizes=(1_000,), tensors=2).plan()
    assert (one.baseline, many.baseline) == ("fastopt serial", "fastopt list")


def test_orders_and_gathers_are_comparisons_too():
    orders = OrderRequest(threads=(1,), sizes=(10, 20)).plan()
    assert [(p.case.n, p.baseline) for p in orders] == [(10, "fastopt"), (20, "fastopt")]
    (gather,) = GatherRequest(threads=(2,), batch_sizes=(3,), n_rows=10).plan()
    assert (gather.case.batch_size, gather.case.n_rows, gather.case.threads) == (3, 10, 2)
    assert "ceiling" in gather.contenders


def test_small_batches_have_fewer_rows_so_that_an_epoch_stays_short():
    plan = epochs(threads=(2,), batch_sizes=(1, 32, 4096)).plan()
    assert [p.case.n_rows for p in plan] == [2_000, 60_000, 60_000]
    assert {p.baseline for p in plan} == {"fastopt"}


@pytest.mark.parametrize("request_", EVERY_KIND, ids=lambda request: request.kind)
def test_a_request_is_recorded_with_its_kind(request_):
    record = json.loads(json.dumps(request_.record()))
    assert record.pop("kind") == request_.kind
    assert {name: tuple(v) if isinstance(v, list) else v for name, v in record.items()} == vars(request_)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: updates(peers=("abacus",)), 'unknown peer "abacus"'),
        (lambda: updates(peers=("fastopt serial",)), "unknown peer"),
        (lambda: updates(baseline="abacus"), 'unknown baseline "abacus"'),
        (lambda: updates(("adam", "adam")), "optimizers names something twice: adam, adam"),
        (lambda: updates(("adagrad",)).plan(), 'unknown optimizer "adagrad"'),
        (lambda: updates(threads=(0,)).plan(), "threads must be"),
        (lambda: updates(dtype="float16").plan(), "dtype must be"),
        (lambda: epochs(batch_sizes=(0,)).plan(), "batch_size must be"),
        (lambda: epochs(model="cnn").plan(), 'unknown model of an epoch case "cnn"'),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(make, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("word", "n"), [("1e3", 1_000), ("123", 123), ("5e7", 50_000_000)])
def test_sizes_are_written_as_users_write_them(word, n):
    assert size(word) == n


@pytest.mark.parametrize("word", ["0", "-1", "1.5", "many", "", "inf", "nan", "1e30"])
def test_what_is_no_size_is_refused(word):
    with pytest.raises(ConfigError, match="a size is a whole number of elements"):
        size(word)


def test_a_measurement_is_made_again_from_its_record():
    protocol = Protocol(launches=1, rounds=2, min_block_s=1e-3, settle_s=0.0)
    first = Measuring(SMALL.plan(), protocol, {"kind": "update", "request": SMALL.record()}).run()
    again = requests.rerun(first)
    assert again.meta["settings"] == first.meta["settings"]
    assert again.meta["request"] == first.meta["request"]
    (before,), (now,) = first.comparisons, again.comparisons
    assert now.case == before.case
    assert [(row.name, row.role, row.status) for row in now.rows] == [
        (row.name, row.role, row.status) for row in before.rows
    ]
    assert {row.status for row in now.rows} == {TIMED}
    first.meta["settings"]["colour"] = "red"
    with pytest.raises(ConfigError, match="not known here"):
        requests.rerun(first)
