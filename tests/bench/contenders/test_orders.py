"""The orders of PyTorch's DataLoader are those of the sampler that is timed."""

import numpy as np
import pytest

from fastopt.bench.contenders.orders import OrderCase, TorchSampler
from tests.bench.contenders.checking import assert_passes_its_checks


def test_the_sampler_gives_right_orders_in_a_process_of_its_own(worker):
    assert_passes_its_checks(worker("order", "torch sampler"), OrderCase(5000, threads=1))


def test_the_sampler_is_what_a_shuffling_loader_takes_and_gives_whole_numbers_of_python():
    if missing := TorchSampler().available():
        pytest.skip(f"{missing}, or fastopt[peers]")
    from torch.utils.data import DataLoader

    contender = TorchSampler()
    contender.prepare(OrderCase(30, threads=1))
    assert type(DataLoader(range(30), shuffle=True).sampler) is type(contender.sampler)
    contender.run(1)
    first = contender.order
    assert {type(row) for row in first} == {int}
    contender.run(2)
    assert sorted(contender.order) == sorted(first) == list(range(30))
    assert not np.array_equal(contender.result(), first)
