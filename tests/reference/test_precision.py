"""The reference computes in float64 for every input dtype."""

import numpy as np
import pytest

from jaxconv import reference

X = (1 + np.arange(24) / 3).reshape(2, 4, 3)  # thirds, of which float32 keeps seven digits
KERNEL = (1 / (2 + np.arange(12))).reshape(2, 3, 2)
DY = (np.arange(12) / 7).reshape(2, 3, 2)
LOCAL = np.stack([KERNEL, 2 * KERNEL, KERNEL / 7])

CALLS = {
    "conv": lambda kernel, local, x, dy: reference.conv(kernel, 0.0, x),
    "conv_deltas": lambda kernel, local, x, dy: reference.conv_deltas(kernel, x, dy),
    "kernel_deltas_per_overlay": lambda kernel, local, x, dy: reference.kernel_deltas_per_overlay(kernel, x, dy),
    "locally_connected": lambda kernel, local, x, dy: reference.locally_connected(local, 0.0, x),
    "locally_connected_deltas": lambda kernel, local, x, dy: reference.locally_connected_deltas(local, x, dy),
    "avg_pool": lambda kernel, local, x, dy: reference.avg_pool(x, (3,), stride=1),
    "avg_pool_deltas": lambda kernel, local, x, dy: reference.avg_pool_deltas(x[..., :2], dy, (2,), stride=1),
    "max_pool": lambda kernel, local, x, dy: reference.max_pool(x, (3,), stride=1),
    "max_pool_deltas": lambda kernel, local, x, dy: reference.max_pool_deltas(x[..., :2], dy, (2,), stride=1),
    "dense": lambda kernel, local, x, dy: reference.dense(kernel[0], 0.0, x[:, 0]),
    "dense_deltas": lambda kernel, local, x, dy: reference.dense_deltas(kernel[0], x[:, 0], dy[:, 0]),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_single_precision_is_widened_before_the_first_sum(call):
    """float32 arguments give exactly the results of the same numbers as float64."""
    single = [value.astype(np.float32) for value in (KERNEL, LOCAL, X, DY)]
    widened = [value.astype(np.float64) for value in single]
    actual, expected = call(*single), call(*widened)
    for one, other in zip(*((r if isinstance(r, tuple) else (r,)) for r in (actual, expected)), strict=True):
        assert one.dtype == np.float64
        np.testing.assert_array_equal(one, other)
