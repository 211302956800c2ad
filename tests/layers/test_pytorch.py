"""Pooling compared with PyTorch: ceil mode, dilation, adaptive windows, ties. Run with `-m torch`."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv as jc

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
functional = torch.nn.functional

X = np.random.default_rng(0).integers(-4, 5, (2, 7, 8, 3)).astype(np.float32)  # with many ties
WINDOWS = list(itertools.product([(2, 3), (3, 3)], [1, 2, (3, 2)], [0, 1], [1, 2], [False, True]))


def both(ours, theirs):
    """Outputs and input gradients of our layer [n, h, w, c] and of PyTorch's [n, c, h, w], in our layout."""
    y, pull = jax.vjp(ours, jnp.asarray(X))
    x = torch.from_numpy(np.moveaxis(X, -1, 1).copy()).requires_grad_()
    their_y = theirs(x)
    dy = np.random.default_rng(1).integers(-4, 5, y.shape).astype(np.float32)
    (their_dx,) = torch.autograd.grad(their_y, x, torch.from_numpy(np.moveaxis(dy, -1, 1).copy()))
    back = lambda a: np.moveaxis(a.detach().numpy(), 1, -1)
    return (y, pull(dy)[0]), (back(their_y), back(their_dx))


@pytest.mark.parametrize(("window", "stride", "pad", "dilation", "ceil_mode"), WINDOWS)
def test_max_pool(window, stride, pad, dilation, ceil_mode):
    """Also min pooling as -max_pool(-x). In both libraries the first of equal cells gets the gradient."""
    ours = {"stride": stride, "padding": ((pad, pad),) * 2, "dilation": dilation, "ceil_mode": ceil_mode}
    theirs = ours | {"padding": pad}
    largest = lambda x: functional.max_pool2d(x, window, **theirs)
    for layer, theirs_layer in ((jc.max_pool, largest), (jc.min_pool, lambda x: -largest(-x))):
        actual, expected = both(lambda x, layer=layer: layer(x, window, **ours), theirs_layer)
        jax.tree.map(np.testing.assert_array_equal, actual, expected)


@pytest.mark.parametrize(
    ("pad", "ceil_mode", "count_include_pad", "divisor"),
    [(1, False, True, "window"), (1, False, False, "inside"), (0, True, True, "inside"), (1, True, False, "inside")],
)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_avg_pool(stride, pad, ceil_mode, count_include_pad, divisor):
    """All settings of PyTorch that correspond to one of our divisors, as the docstring of `avg_pool` lists them."""
    settings = {"stride": stride, "ceil_mode": ceil_mode}
    actual, expected = both(
        lambda x: jc.avg_pool(x, (2, 3), padding=((pad, pad),) * 2, divisor=divisor, **settings),
        lambda x: functional.avg_pool2d(x, (2, 3), padding=pad, count_include_pad=count_include_pad, **settings),
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), actual, expected)


def test_with_padding_and_ceil_mode_pytorch_counts_neither():
    """Six cells, one zero on each side, windows of three: PyTorch's last average divides by two, for the 6 and one zero."""
    x = np.float32([1, 2, 3, 4, 5, 6])
    theirs = functional.avg_pool1d(torch.from_numpy(x)[None], 3, 3, 1, ceil_mode=True, count_include_pad=True)
    ours = lambda divisor: jc.avg_pool(
        x.reshape(1, 6, 1), (3,), padding=((1, 1),), ceil_mode=True, divisor=divisor
    ).ravel()
    assert theirs.ravel().tolist() == [1, 4, 3]
    assert ours("inside").tolist() == [1.5, 4, 6]
    assert ours("window").tolist() == [1, 4, 2]


@pytest.mark.parametrize("counts", [(7, 8), (3, 4), (5, 3), (1, 1), (10, 9), (14, 12), (4, 8)])
def test_adaptive_pools(counts):
    actual, expected = both(
        lambda x: jc.adaptive_max_pool(x, counts), lambda x: functional.adaptive_max_pool2d(x, counts)
    )
    jax.tree.map(np.testing.assert_array_equal, actual, expected)
    actual, expected = both(
        lambda x: jc.adaptive_avg_pool(x, counts), lambda x: functional.adaptive_avg_pool2d(x, counts)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), actual, expected)


def test_lp_pool():
    """Where PyTorch computes a norm: for even p, and without overhanging windows, which it scales."""
    theirs = functional.lp_pool2d(torch.from_numpy(np.moveaxis(X, -1, 1).copy()), 2, (2, 3), 2)
    actual = jc.lp_pool(X, (2, 3), norm=2, stride=2)
    np.testing.assert_allclose(actual, np.moveaxis(theirs.numpy(), 1, -1), rtol=1e-5)
    signal = torch.tensor([[3.0, 4.0, -2.0]])
    assert functional.lp_pool1d(signal, 2, 2, ceil_mode=True).ravel().tolist() == pytest.approx([5, 8**0.5])
    assert functional.lp_pool1d(-signal, 3, 2).isnan().all()
    ours = lambda norm: jc.lp_pool(signal.numpy().reshape(1, 3, 1), (2,), norm=norm, ceil_mode=True).ravel()
    np.testing.assert_allclose(ours(2), [5, 2], rtol=1e-6)
    np.testing.assert_allclose(ours(3), [91 ** (1 / 3), 2], rtol=1e-6)


@pytest.mark.parametrize(("window", "stride", "pad", "dilation", "ceil_mode"), WINDOWS)
def test_indices_and_unpooling(window, stride, pad, dilation, ceil_mode):
    """Ties have the same index, and unpooling keeps the same of several values."""
    theirs = {"stride": stride, "padding": pad, "dilation": dilation, "ceil_mode": ceil_mode, "return_indices": True}
    their_y, their_indices = functional.max_pool2d(torch.from_numpy(np.moveaxis(X, -1, 1).copy()), window, **theirs)
    ours = {"stride": stride, "padding": ((pad, pad),) * 2, "dilation": dilation, "ceil_mode": ceil_mode}
    y, indices = jc.max_pool_with_indices(X, window, **ours)
    np.testing.assert_array_equal(np.moveaxis(their_y.numpy(), 1, -1), y)
    np.testing.assert_array_equal(np.moveaxis(their_indices.numpy(), 1, -1), indices)
    values = torch.arange(their_y.numel()).reshape(their_y.shape).float()
    up = torch.ops.aten.max_unpool2d(values, their_indices, X.shape[1:3])
    actual = jc.max_unpool(np.moveaxis(values.numpy(), 1, -1), indices, X.shape[1:3])
    np.testing.assert_array_equal(np.moveaxis(up.numpy(), 1, -1), actual)


@pytest.mark.parametrize(("window", "stride", "pad", "dilation"), [(w, s, p, d) for w, s, p, d, c in WINDOWS if c])
def test_unfolding_and_folding(window, stride, pad, dilation):
    """PyTorch orders features by channel, and has one axis for all positions."""
    settings = {"stride": stride, "dilation": dilation}
    by_channel = lambda y: np.asarray(y).reshape(2, -1, np.prod(window), 3).swapaxes(-1, -2).reshape(2, -1, y.shape[-1])
    y = jc.unfold(X, window, padding=((pad, pad),) * 2, **settings)
    theirs = functional.unfold(torch.from_numpy(np.moveaxis(X, -1, 1).copy()), window, padding=pad, **settings)
    np.testing.assert_array_equal(by_channel(y), theirs.numpy().swapaxes(1, 2))
    x = jc.fold(y, window, X.shape[1:3], padding=((pad, pad),) * 2, **settings)
    back = functional.fold(theirs, X.shape[1:3], window, padding=pad, **settings)
    np.testing.assert_array_equal(np.asarray(x), np.moveaxis(back.numpy(), 1, -1))
