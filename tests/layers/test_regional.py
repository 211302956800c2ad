"""Convolution by regions: its law within a region, certificates and errors. tests/laws covers the other laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import by_numpy
from support.whole_parameters import whole_like

import jaxconv as jc

X = np.random.default_rng(0).integers(-4, 5, (2, 5, 6, 4)).astype(np.float32)
REGIONS = ((1, 2), (2, 3))
GEOMETRY = {"stride": (2, 1), "padding": ("circular", "valid"), "groups": 2}
PARAMS = whole_like(jc.init_regional_conv, REGIONS, (3, 2), 4, 6, groups=2)


def regional_conv(params, x, *, regions=REGIONS, **changes):
    return by_numpy.regional_conv(params, x, regions=regions, **(GEOMETRY | changes))


def test_each_region_is_a_convolution_by_its_own_kernel():
    """Also at the border of a region, where windows read cells of the next region."""
    y = regional_conv(PARAMS, X)
    rows, columns = (slice(0, 1), slice(1, 3)), (slice(0, 2), slice(2, 5))
    for i, j in np.ndindex(2, 2):
        region_params = jax.tree.map(lambda leaf, i=i, j=j: leaf[i, j], PARAMS)
        np.testing.assert_array_equal(
            y[:, rows[i], columns[j]], by_numpy.conv(region_params, X, **GEOMETRY)[:, rows[i], columns[j]]
        )


def test_certificates_prove_the_largest_region_and_refute_shifts_of_the_whole():
    """Region 1 has the positions 3 to 11 of 12; its last window reads padding."""
    params = {"kernel": np.arange(1.0, 7.0, dtype=np.float32).reshape(2, 3, 1, 1), "bias": np.float32([[1.0], [2.0]])}
    layer = lambda params, x: jc.regional_conv(params, x, regions=((3, 9),), padding="same")
    image = jax.ShapeDtypeStruct((1, 12, 1), "float32")
    (axis,) = jc.certify(layer, params, image, axes={1: (1,)}).leaves[0].axes
    assert axis.cyclic.verdict.value == "REFUTED"
    interior = axis.interior
    assert (interior.verdict.value, interior.shift, interior.moves) == ("PROVED", 1, ((1, 1),))
    assert interior.region == ((1, 3, 11),)
    assert (interior.receptive_field.first, interior.receptive_field.last) == (-1, 1)


def test_layouts_batches_and_dtypes():
    y = regional_conv(PARAMS, X)
    np.testing.assert_array_equal(regional_conv(PARAMS, X[1], batched=False), y[1])
    first = regional_conv(PARAMS, np.moveaxis(X, -1, 1), layout="channels_first")
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), y)
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), PARAMS)
    assert regional_conv(half, X.astype(jnp.bfloat16)).dtype == jnp.bfloat16
    assert regional_conv(half, X.astype(jnp.bfloat16), preferred_element_type=np.float32).dtype == np.float32


def test_init_draws_each_kernel_as_conv_would():
    params = by_numpy.init_regional_conv(jax.random.key(0), ((5,) * 20, (5,) * 20), (3, 3), 8, 8)
    np.testing.assert_allclose(np.std(params["kernel"]), (3 * 3 * 8) ** -0.5, rtol=0.02)
    assert params["bias"].shape == (20, 20, 8)
    assert "bias" not in by_numpy.init_regional_conv(jax.random.key(0), ((2, 3),), (3,), 1, 1, bias=False)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"regions": ((1, 2), (2, 2))}, ValueError, r"regions along axis w is \(2, 2\), 4 long, but should be lengths that sum to 5"),
        ({"regions": ((1, 2), (5,))}, ValueError, r"kernel's \*regions is \(2, 2\), but should be \(2, 1\), the numbers of regions"),
        ({"regions": ((3, 0), (2, 3))}, ValueError, "regions along axis h is 0, but should be 1 or more"),
        ({"regions": ((1.5, 1.5), (2, 3))}, TypeError, r"regions along axis h is \(1\.5, 1\.5\), but should be an integer"),
        ({"regions": (1, 2)}, TypeError, r"regions is \(1, 2\), but should be the lengths of regions along each of 2 axes. For one"),
        ({"regions": ((1, 2),)}, ValueError, r"regions is \(\(1, 2\),\), but should be the lengths of regions along each of 2 axes"),
        ({"regions": ((), (2, 3))}, ValueError, r"regions is \(\(\), \(2, 3\)\), but should be the lengths of regions along each of 2 axes"),
        ({"x": X[0]}, ValueError, r"x is \(5, 6, 4\), 3 axes, but should be \[n, h, w, c\], 4 axes"),
        ({"x": X.astype(np.float16)}, TypeError, "x is float16, but should be float32"),
        ({"params": {"kernel": np.ones((3, 3, 2, 6, 1), np.float32)}}, ValueError, r"kernel is .*, 5 axes, but should be \[\*regions, \*window"),
        ({"params": PARAMS | {"bias": np.zeros(6, np.float32)}}, ValueError, r"bias is \(6,\), but should be \(2, 2, 6\) \[\*regions, o\]"),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_cure(change, error, message):
    arguments = {"params": PARAMS, "x": X} | change
    with pytest.raises(error, match=f"regional_conv: {message}"):
        regional_conv(arguments.pop("params"), arguments.pop("x"), **arguments)


def test_init_errors():
    with pytest.raises(TypeError, match=r"init_regional_conv: regions is \(2, 2\), but should be the lengths"):
        jc.init_regional_conv(jax.random.key(0), (2, 2), (3, 3), 1, 1)
