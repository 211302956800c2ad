"""The choice of algorithms: rows of the table, and the criteria between them."""

import jax
import pytest

from jaxconv.lowering import table
from jaxconv.lowering.conv_spec import CONV_OPERANDS, ConvSpec, lax_conv
from jaxconv.lowering.machine import Machine
from jaxconv.lowering.table import ROWS, algorithm_for, forced_algorithm, forced_pool_algorithm, use_algorithm
from jaxconv.lowering.version import jax_in
from jaxconv.window import slide

OLD = jax_in("<0.12")

MATMUL, DEPTHWISE, GROUPED, CONV3D_AS_2D = (
    3 * [algorithm] for algorithm in ("matmul", "depthwise", "grouped", "conv3d_as_2d")
)


@pytest.fixture(autouse=True)
def facts(monkeypatch):
    """The facts of one machine, on whatever machine the tests run."""
    change = lambda **facts: monkeypatch.setattr(table, "machine", lambda: Machine(**facts))
    change(cores=2, l2_bytes=2**20, l3_bytes=2**25, vector_bytes=64)
    return change


@pytest.mark.parametrize(
    ("window", "channels", "settings", "expected"),
    [
        ((1, 1), (32, 8), {}, MATMUL),
        ((1, 1), (16, 8), {}, ["lax", "nhwc", "matmul"]),  # small: lax is as fast
        ((1, 1), (64, 64), {"stride": 2}, ["lax", "nhwc", "matmul"]),
        ((1, 1, 1), (2, 32), {}, MATMUL),
        ((8, 8), (16, 4), {}, MATMUL),  # a single window position
        ((1,), (3, 3), {"groups": 3}, DEPTHWISE),
        ((3, 3), (64, 64), {"groups": 64}, DEPTHWISE),
        ((3, 3), (64, 64), {"groups": 32}, GROUPED),
        ((3, 3), (64, 128), {"groups": 64}, GROUPED),
        ((3, 3), (16, 16), {}, ["lax", "nhwc", "nhwc"]),
        ((3, 3), (7, 1), {}, ["lax", "nhwc", "nhwc"]),
        ((5, 5), (1, 8), {}, ["toeplitz", "toeplitz", "toeplitz"]),
        ((5, 5), (3, 8), {}, ["toeplitz", "toeplitz", "chunked" if OLD else "toeplitz"]),
        ((5, 5), (3, 16), {}, ["toeplitz", "toeplitz", "chunked"]),
        ((5, 5), (6, 16), {}, ["lax", "toeplitz", "chunked" if OLD else "nhwc"]),
        ((5, 5), (3, 64), {}, ["lax", "nhwc", "chunked"]),
        ((5, 5), (3, 8), {"stride": 2}, ["lax", "nhwc", "nhwc"]),
        ((7,), (1, 8), {}, ["toeplitz", "toeplitz", "toeplitz"]),
        ((3, 3), (512, 512), {}, ["lax", "nhwc", "row_products"]),
        ((3, 3), (512, 128), {}, ["lax", "nhwc", "row_products"]),
        ((3, 3, 3), (8, 8), {}, CONV3D_AS_2D),
    ],
)
def test_the_table(window, channels, settings, expected):
    """For a convolution, its input gradient and its kernel gradient, with 8 cells along each axis."""
    axes = slide((8,) * len(window), window, settings.get("stride", 1))
    spec = ConvSpec(axes, settings.get("groups", 1))
    assert [
        algorithm_for(operation, spec, 256, *channels) for operation in ("conv", "conv_input_grad", "conv_kernel_grad")
    ] == expected


@pytest.mark.parametrize(
    ("operation", "window", "channels", "algorithm"),
    [("conv", (1, 1), (64, 64), "matmul"), ("conv_input_grad", (5, 5), (6, 16), "toeplitz")],
)
def test_small_batches_are_laxs(operation, window, channels, algorithm):
    """The table's algorithm has a larger constant cost. A symbolic batch size, as in `jax.export`, is not small."""
    spec = ConvSpec(slide((20, 20), window), 1)
    small = "lax" if operation == "conv" else "nhwc"
    (any_batch,) = jax.export.symbolic_shape("n")
    assert [algorithm_for(operation, spec, n, *channels) for n in (1, 32, any_batch)] == [small, algorithm, algorithm]


def test_a_large_product_is_laxs_where_lax_has_become_as_fast():
    spec = ConvSpec(slide((8, 8), (1, 1)), 1)
    assert algorithm_for("conv", spec, 64, 128, 128) == ("matmul" if OLD else "lax")


@pytest.mark.parametrize(
    ("length", "window", "channels", "before", "since"),
    [
        (
            14,
            5,
            (6, 16),
            ["nhwc", "chunked", "chunked", "chunked", "chunked"],
            ["nhwc", "nhwc", "nhwc", "nhwc", "chunked"],
        ),
        (
            28,
            3,
            (16, 24),
            ["nhwc", "nhwc", "row_products", "row_products", "row_products"],
            ["nhwc", "nhwc", "row_products", "row_products", "row_products"],
        ),
        (28, 3, (3, 16), *[["toeplitz", "chunked", "chunked", "chunked", "chunked"]] * 2),
        (28, 3, (1, 8), *[["toeplitz", "toeplitz", "toeplitz", "toeplitz", "chunked"]] * 2),
    ],
)
def test_the_kernels_delta_of_large_batches(length, window, channels, before, since):
    """lax is slow beyond the processor's caches, before JAX 0.12 and with few channels much sooner."""
    spec = ConvSpec(slide((length, length), (window, window)), 1)
    actual = [algorithm_for("conv_kernel_grad", spec, n, *channels) for n in (4, 32, 128, 512, 8192)]
    assert actual == (before if OLD else since)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ["nhwc", "nhwc", "row_products"]),
        ({"l2_bytes": 2**19}, ["nhwc", "nhwc", "row_products"]),  # 2 MiB do not exceed 2 MiB
        ({"l2_bytes": 2**18}, ["nhwc", "row_products", "row_products"]),
        ({"cores": 4}, ["nhwc", "nhwc", "chunked" if OLD else "nhwc"]),
        ({"l3_bytes": 2**30}, ["nhwc", "nhwc", "row_products"]),
    ],
)
def test_the_kernels_delta_beyond_the_second_level_caches(facts, changed, expected):
    """32 examples of 8x8, 16x16 and 32x32 with 32 channels, of x and of y: 0.5, 2 and 8 MiB."""
    facts(**{"cores": 2, "l2_bytes": 2**20, "l3_bytes": 2**25} | changed)
    specs = [ConvSpec(slide((side, side), (3, 3), padding="same"), 1) for side in (8, 16, 32)]
    actual = [algorithm_for("conv_kernel_grad", spec, 32, 32, 32) for spec in specs]
    assert actual == expected


@pytest.mark.parametrize(
    ("n", "o", "expected"),
    [(1, 16, "row_products"), (4, 16, "row_products"), (5, 16, "nhwc"), (2, 31, "row_products"), (1, 32, "nhwc")],
)
def test_the_kernels_delta_of_few_examples(n, o, expected):
    """lax has the batch innermost, and copies each window number by number."""
    spec = ConvSpec(slide((8, 8), (3, 3), padding="same"), 1)
    assert algorithm_for("conv_kernel_grad", spec, n, 16, o) == expected


@pytest.mark.parametrize(
    ("window", "stride", "channels", "wide"),
    [
        ((3, 3), 1, (11, 11), True),
        ((3, 3), 1, (10, 11), False),
        ((3, 3), 1, (11, 10), False),
        ((2, 4), 1, (8, 16), True),  # x has a copy for each tap of the second axis, and y of the first
        ((4, 2), 1, (8, 16), False),
        ((2, 5), 1, (64, 64), False),  # more taps than nine
        ((3, 3), 2, (16, 16), True),  # one product with two taps of the first axis, and one with the other
        ((3, 3), 2, (16, 15), False),
        ((3,), 1, (64, 64), False),
    ],
)
def test_the_sides_of_a_product_of_rows(window, stride, channels, wide):
    spec = ConvSpec(slide((64,) * len(window), window, stride, padding="same"), 1)
    large = 2**14 if len(window) == 1 else 2**9
    algorithm = algorithm_for("conv_kernel_grad", spec, large, *channels)
    assert (algorithm == "row_products") == wide


def test_an_algorithm_is_forced_inside_only():
    """For convolutions and pooling, also nested, and after an exception."""
    spec, shapes = ConvSpec(slide((8,), (3,), 1), 2), ((1, 8, 2), (3, 1, 2))
    algorithms = lambda: (forced_algorithm(spec, *shapes), forced_pool_algorithm())
    assert algorithms() == (None, None)
    with use_algorithm("depthwise"):
        with use_algorithm("lax"):
            assert algorithms() == ("lax", "lax")
        assert algorithms() == ("depthwise", None)
    with use_algorithm("window_slices"):
        assert algorithms() == (None, "window_slices")
    with pytest.raises(RuntimeError, match="inside"), use_algorithm("lax"):
        raise RuntimeError("inside")
    assert algorithms() == (None, None)


@pytest.mark.parametrize("empty", ["x", "kernel"])
@pytest.mark.parametrize("operation", CONV_OPERANDS)
def test_nothing_is_convolved_with_nothing(operation, empty):
    """lax's kernels for empty operands are not used."""
    axes = slide((8,), (3,), 1)
    batch, channels = (0, 2) if empty == "x" else (1, 0)
    shapes = {"x": (batch, 8, channels), "kernel": (3, channels, 4), "y": (batch, axes[0].out, 4)}
    *operands, result = (jax.ShapeDtypeStruct(shapes[role], "float32") for role in CONV_OPERANDS[operation])
    jaxpr = jax.make_jaxpr(lambda one, other: lax_conv(operation, ConvSpec(axes, 1), one, other))(*operands)
    assert [one.shape for one in jaxpr.out_avals] == [result.shape]
    assert "conv" not in str(jaxpr)


@pytest.mark.parametrize(
    ("versions", "version", "inside"),
    [
        ("", (0, 10, 0), True),
        (">=0.12", (0, 12, 0), True),
        (">=0.12", (0, 11, 9), False),
        ("<0.12", (0, 11, 9), True),
        (">=0.10,<0.12", (0, 12, 1), False),
        ("==0.12", (0, 12, 3), True),  # a bound of two numbers compares two
        (">0.9", (0, 10, 0), True),  # numbers, and not letters
    ],
)
def test_ranges_of_versions(versions, version, inside):
    assert jax_in(versions, version) == inside


def test_a_range_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"versions is '0\.12', but should be a range such as"):
        jax_in("0.12")


def test_every_operation_has_the_same_algorithms_on_each_version():
    """A row for one range has a counterpart for the others, so no version loses an algorithm."""
    every = lambda version: {(row.algorithm, op) for row in ROWS for op in row.operations if jax_in(row.jax, version)}
    assert every((0, 10, 0)) == every((0, 12, 0))
