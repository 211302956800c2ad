"""Common behaviour of all `init_*` functions: default dtypes, and errors for wrong results of initializers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import by_numpy

import jaxconv as jc

KEY = jax.random.key(0)
# name -> (init(**settings), layer(params, x)) on x [1, 4, 4, 2]; with groups, so that c and c/groups differ in a kernel.
DRAWN = {
    "init_conv": (lambda **settings: jc.init_conv(KEY, (3, 2), 2, 4, groups=2, **settings), lambda p, x: jc.conv(p, x, groups=2)),
    "init_conv_transpose": (lambda **settings: jc.init_conv_transpose(KEY, (3, 2), 2, 4, **settings), jc.conv_transpose),
    "init_dense": (lambda **settings: jc.init_dense(KEY, 2, 3, **settings), jc.dense),
    "init_separable_conv": (lambda **settings: jc.init_separable_conv(KEY, (3, 2), 2, 4, **settings), jc.separable_conv),
    "init_locally_connected": (lambda **settings: jc.init_locally_connected(KEY, (4, 4), (3, 2), 2, 4, **settings), jc.locally_connected),
    "init_regional_conv": (lambda **settings: jc.init_regional_conv(KEY, ((1, 1), (3,)), (3, 2), 2, 4, **settings), lambda p, x: jc.regional_conv(p, x, regions=((1, 1), (3,)))),
    "init_tiled_conv": (lambda **settings: jc.init_tiled_conv(KEY, 2, (3, 2), 2, 4, **settings), jc.tiled_conv),
}  # fmt: skip
CONSTANT = {
    "init_norm": (lambda **settings: jc.init_norm(2, **settings), jc.layer_norm),
    "init_batch_norm": (
        lambda **settings: jc.init_batch_norm(2, **settings),
        lambda both, x: jc.batch_norm(*both, x, training=True)[0],
    ),
}
ALL = DRAWN | CONSTANT


def test_none_is_missing():
    """But for those of normalised kernels, which are made from parameters of another layer."""
    others = {"init_spectral_norm", "init_weight_norm"}
    assert ALL.keys() | others == {name for name in jc.__all__ if name.startswith("init_")}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("x64", [False, True])
def test_the_default_dtype_is_that_of_jax_random_normal(name, x64):
    """A layer thus accepts what `jax.random.normal` draws, also under x64. Tracing is enough to know the dtypes."""
    init, layer = ALL[name]
    with jax.enable_x64(x64):
        x = jax.eval_shape(lambda: jax.random.normal(KEY, (1, 4, 4, 2)))
        params = jax.eval_shape(init)
        assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {x.dtype} == {np.dtype(f"float{32 << x64}")}
        assert jax.eval_shape(layer, params, x).dtype == x.dtype


@pytest.mark.parametrize("name", ALL)
def test_a_dtype_that_is_given_is_kept(name):
    with jax.enable_x64(True):
        params = jax.eval_shape(lambda: ALL[name][0](dtype=jnp.float32))
        assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", DRAWN)
def test_an_initializer_returns_the_shape_that_it_is_asked_for(name):
    """A kernel with the right number of weights but exchanged axes would otherwise be reshaped to another kernel."""
    turned = lambda key, shape, dtype: jnp.ones(shape[::-1], dtype)
    with pytest.raises(
        ValueError, match=rf"{name}: the array that kernel_init returns is \(.*\), but should be \(.*\)"
    ):
        jax.eval_shape(lambda: DRAWN[name][0](kernel_init=turned))
    longer = lambda key, shape, dtype: jnp.ones((*shape, 1), dtype)
    with pytest.raises(ValueError, match=rf"{name}: the array that bias_init returns is \(.*1\), but should be \("):
        jax.eval_shape(lambda: DRAWN[name][0](bias_init=longer))


@pytest.mark.parametrize("name", DRAWN)
def test_an_initializer_returns_the_dtype_that_it_is_asked_for(name):
    other = lambda key, shape, dtype: jnp.ones(shape, jnp.float32)
    with pytest.raises(
        TypeError, match=f"{name}: the array that kernel_init returns is float32, but should be bfloat16"
    ):
        jax.eval_shape(lambda: DRAWN[name][0](kernel_init=other, dtype=jnp.bfloat16))


def test_kernel_and_bias_are_drawn_independently():
    """With the same key, one initializer would draw the same numbers for both."""
    normal = jax.nn.initializers.normal()
    params = by_numpy.init_conv(jax.random.key(0), (1,), 1, 4, kernel_init=normal, bias_init=normal)
    assert (params["kernel"].ravel() != params["bias"]).all()
