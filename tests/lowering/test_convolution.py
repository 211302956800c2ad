"""A convolution is one equation for every algorithm and transformation; on platforms other than CPU it is lax's."""

import re
from collections import Counter
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from jax.sharding import AxisType, PartitionSpec
from support.geometries import examples
from support.numpy_evaluation import evaluated
from support.profiles import NIGHTLY

import jaxconv as jc
from jaxconv.lowering import use_algorithm
from jaxconv.testing.strategies import conv_configurations

GENERATOR = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def table_conv():
    """Every test uses the table unless it forces an algorithm."""
    with use_algorithm("table"):
        yield


def integers(*shape):
    return GENERATOR.integers(-4, 5, shape).astype(np.float32)


# name -> kernel, x, settings: one per algorithm, and one for lax. A stride wider than the window skips cells.
LAYERS = {
    "dense": (integers(3, 2, 2, 4), integers(4, 6, 7, 2), {"stride": (2, 1), "padding": ("circular", "same")}),
    "pointwise": (integers(1, 1, 2, 4), integers(4, 6, 7, 2), {"stride": 2, "padding": ((1, 0), (0, 1))}),
    "depthwise": (integers(3, 2, 1, 4), integers(4, 6, 7, 4), {"groups": 4, "padding": "same", "stride": (2, 3)}),
    "grouped": (integers(3, 3, 8, 16), integers(4, 6, 7, 16), {"groups": 2, "padding": "same"}),
}
every_layer = pytest.mark.parametrize(("kernel", "x", "settings"), LAYERS.values(), ids=LAYERS)


def with_gradients(kernel, x, settings):
    """The layer; and a function that returns its output and both gradients, for cotangents from -2 to 2."""
    layer = lambda kernel, x: jc.conv({"kernel": kernel}, x, **settings)

    def all_three(kernel, x):
        y, pull = jax.vjp(layer, kernel, x)
        return y, *pull(jnp.arange(y.size, dtype=y.dtype).reshape(y.shape) % 5 - 2)

    return layer, all_three


def lax_conv(fn):
    """The same function with lax's operation."""

    def run(*arguments):
        with use_algorithm("lax"):
            return fn(*arguments)

    return run


same = partial(jax.tree.map, np.testing.assert_array_equal)


@every_layer
def test_each_face_is_one_equation_with_the_parameters_of_laxs(kernel, x, settings):
    """The certifier thus reads the same parameters from our equations as from lax's gradients."""
    _, all_three = with_gradients(kernel, x, settings)
    ours = [e for e in jax.make_jaxpr(all_three)(kernel, x).eqns if "conv" in e.primitive.name]
    laxs = [e for e in jax.make_jaxpr(lax_conv(all_three))(kernel, x).eqns if "conv" in e.primitive.name]
    assert {e.primitive.name for e in ours} == {"jaxconv_conv", "jaxconv_conv_input_grad", "jaxconv_conv_kernel_grad"}
    assert {e.primitive.name for e in laxs} == {"conv_general_dilated"}
    names = ["window_strides", "padding", "lhs_dilation", "rhs_dilation", "dimension_numbers"]
    names += ["feature_group_count", "batch_group_count"]
    read = lambda e: str([[tuple(map(tuple, e.params[n])) if n == "padding" else e.params[n] for n in names]])
    assert sorted(map(read, ours)) == sorted(map(read, laxs))


@examples(20)
@given(case=conv_configurations())
def test_parameters_are_laxs_for_every_geometry(case):
    kernel, x = case.params()["kernel"], case.x()
    _, all_three = with_gradients(kernel, x, case.geometry)
    read = lambda fn: Counter(
        str((e.params["window_strides"], tuple(map(tuple, e.params["padding"])), e.params["lhs_dilation"]))
        for e in jax.make_jaxpr(fn)(kernel, x).eqns
        if "conv" in e.primitive.name
    )
    assert read(all_three) == read(lax_conv(all_three))


@every_layer
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0), (-1, 2)])
def test_vmap_over_kernel_and_input(kernel, x, settings, axes):
    """Each operation, batched in one or both operands, along the first or another axis, equals a loop."""
    _, all_three = with_gradients(kernel, x, settings)
    arrays, batches = (kernel, x), []
    for a, axis in zip(arrays, axes, strict=True):
        batches.append([a] * 3 if axis is None else [a, 2 * a, a - 1])
    stacked = [a if axis is None else np.stack(b, axis) for a, b, axis in zip(arrays, batches, axes, strict=True)]
    # Other tests compile the other cases.
    compute = jax.jit if axes == (-1, 2) and (NIGHTLY or kernel is LAYERS["grouped"][0]) else evaluated
    actual = compute(jax.vmap(all_three, in_axes=axes))(*stacked)
    one = evaluated(all_three)
    one_by_one = [one(*pair) for pair in zip(*batches, strict=True)]
    same(actual, jax.tree.map(lambda *leaves: np.stack(leaves), *one_by_one))


@every_layer
def test_vmap_in_vmap_and_over_nothing(kernel, x, settings):
    _, all_three = with_gradients(kernel, x, settings)
    kernels, inputs = np.stack([kernel, 2 * kernel]), np.stack([x, x + 1, -x])
    over_inputs = jax.vmap(all_three, (None, 0))
    actual = evaluated(jax.vmap(over_inputs, (0, None)))(kernels, inputs)
    one = evaluated(over_inputs)
    same(actual, jax.tree.map(lambda *a: np.stack(a), *[one(k, inputs) for k in kernels]))
    shapes = jax.tree.map(jnp.shape, jax.jit(over_inputs)(kernel, inputs[:0]))
    assert shapes == jax.tree.map(lambda a: (0, *a.shape), jax.eval_shape(all_three, kernel, x))


@every_layer
def test_gradients_of_no_examples_are_zero(kernel, x, settings):
    y, of_kernel, of_x = jax.jit(with_gradients(kernel, x, settings)[1])(kernel, x[:0])
    assert (y.shape[0], of_x.shape) == (0, x[:0].shape)
    assert not np.any(of_kernel)


@every_layer
@pytest.mark.parametrize("outer", [jax.jacfwd, jax.jacrev])
def test_second_order(kernel, x, settings, outer):
    """The form is bilinear: the mixed derivative of <conv(kernel, x), dy> is constant, in either order."""
    layer, _ = with_gradients(kernel, x[:1, :4, :3], settings)
    x = x[:1, :4, :3]
    loss = lambda kernel, x: jnp.sum(layer(kernel, x) * 3)
    mixed = outer(jax.grad(loss, argnums=0), argnums=1)
    same(evaluated(mixed)(kernel, x), jax.jit(lax_conv(mixed))(kernel, x))


@every_layer
@pytest.mark.parametrize("check_vma", [True, False])
def test_shard_map(kernel, x, settings, check_vma):
    """A shared kernel and a split batch: its gradients are summed over the mesh exactly once."""
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Auto,))
    split = PartitionSpec("batch")
    layer, _ = with_gradients(kernel, x, settings)
    loss = lambda kernel, x: jnp.sum(layer(kernel, x) ** 2)
    total = jax.shard_map(
        lambda kernel, x: jax.lax.psum(loss(kernel, x), "batch"),
        mesh=mesh,
        in_specs=(PartitionSpec(), split),
        out_specs=PartitionSpec(),
        check_vma=check_vma,
    )
    expected = evaluated(jax.value_and_grad(loss, (0, 1)))(kernel, x)
    same(jax.jit(jax.value_and_grad(total, argnums=(0, 1)))(kernel, x), expected)

    def inside(kernel, x):
        if check_vma:
            kernel = jax.lax.pcast(kernel, "batch", to="varying")
        of_kernel, of_x = jax.grad(loss, argnums=(0, 1))(kernel, x)
        return jax.lax.psum(of_kernel, "batch"), of_x

    actual = jax.shard_map(
        inside, mesh=mesh, in_specs=(PartitionSpec(), split), out_specs=(PartitionSpec(), split), check_vma=check_vma
    )
    same(jax.jit(actual)(kernel, x), expected[1])


def operations(exported):
    """The number of occurrences of each operation in a module."""
    actual = Counter(re.findall(r"stablehlo\.(\w+)", exported.mlir_module()))
    return {name: count for name, count in actual.items() if name != "constant"}


@every_layer
@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_other_platforms_get_laxs_own_path(kernel, x, settings, platform):
    _, all_three = with_gradients(kernel, x, settings)
    export = lambda fn: jax.export.export(jax.jit(fn), platforms=(platform,))(kernel, x)
    assert operations(export(all_three)) == operations(export(lax_conv(all_three)))


@every_layer
def test_one_export_for_three_platforms_and_any_batch(kernel, x, settings):
    _, all_three = with_gradients(kernel, x, settings)
    (batch,) = jax.export.symbolic_shape("batch")
    shape = jax.ShapeDtypeStruct((batch, *x.shape[1:]), x.dtype)
    exported = jax.export.export(jax.jit(all_three), platforms=("cpu", "cuda", "tpu"))(kernel, shape)
    same(exported.call(kernel, x), evaluated(all_three)(kernel, x))


@every_layer
def test_donated_arrays(kernel, x, settings):
    step = lambda kernel, x: kernel - with_gradients(kernel, x, settings)[1](kernel, x)[1]
    same(jax.jit(step, donate_argnums=0)(jnp.array(kernel), x), evaluated(step)(kernel, x))


def test_precision_is_read_where_the_convolution_is_traced():
    kernel, x, settings = LAYERS["dense"]
    with jax.default_matmul_precision("highest"):
        traced = jax.jit(with_gradients(kernel, x, settings)[1]).trace(kernel, x)
    assert traced.lower().as_text().count("HIGHEST") >= 3
    assert "HIGHEST" not in jax.jit(with_gradients(kernel, x, settings)[1]).lower(kernel, x).as_text()


def test_forced_to_lax_the_equation_is_laxs():
    kernel, x, settings = LAYERS["pointwise"]
    layer, _ = with_gradients(kernel, x, settings)

    def names():
        """Uses a new function for each trace, because JAX caches the jaxpr of a function."""
        return [equation.primitive.name for equation in jax.make_jaxpr(partial(layer))(kernel, x).eqns]

    with use_algorithm("lax"):
        assert "conv_general_dilated" in names()
        with use_algorithm("matmul"):
            assert "jaxconv_conv" in names()
    assert "jaxconv_conv" in names()


def test_a_forced_algorithm_holds_on_every_platform():
    kernel, x, settings = LAYERS["pointwise"]
    with use_algorithm("matmul"):
        exported = jax.export.export(jax.jit(with_gradients(kernel, x, settings)[1]), platforms=("tpu",))(kernel, x)
    assert "convolution" not in operations(exported)


def test_forced_names_what_does_not_fit():
    kernel, x, settings = LAYERS["dense"]
    with pytest.raises(
        ValueError,
        match=r"use_algorithm: algorithm is 'fft', but should be one of lax, table, .*, argmax_per_image\.",
    ):
        use_algorithm("fft").__enter__()
    with (
        use_algorithm("depthwise"),
        pytest.raises(ValueError, match=r"'depthwise', which does not fit .* in 1 groups.*Use \"lax\""),
    ):
        jc.conv({"kernel": kernel}, x, **settings)


def test_certificates_of_our_equations_stand_a_recheck():
    """The layer and its gradient: each of our equations is executed separately and compared with its claim."""
    layer = lambda x: jc.conv({"kernel": integers(3, 3, 1, 4)}, x, groups=4, padding="circular")
    x = jax.ShapeDtypeStruct((1, 10, 8, 4), "float32")
    for fn in (layer, jax.grad(lambda x: jnp.sum(layer(x) ** 2))):
        certificate = jc.certify(fn, x, axes=(1, 2), search=False)
        assert (certificate.cyclic, certificate.interior) == ("PROVED", "PROVED")
        assert any(row.primitive.startswith("jaxconv_conv") for row in certificate.derivations[0]["cyclic"])
        assert jc.recheck(certificate, fn, x) == ()
