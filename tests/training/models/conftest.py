"""All that these tests multiply is small: one BLAS thread, as when a driver runs."""

import pytest

from fastopt.training.threads import one_blas_thread


@pytest.fixture(autouse=True)
def _one_blas_thread():
    with one_blas_thread():
        yield
