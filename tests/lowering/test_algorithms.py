"""Every algorithm for convolutions equals the reference, exactly on small integers."""

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.broken_twins import caught
from support.geometries import compiled_examples, convolutions, examples
from support.numpy_evaluation import evaluated
from support.profiles import NIGHTLY

import jaxconv as jc
from jaxconv import reference
from jaxconv.lowering import convolution, use_algorithm
from jaxconv.lowering.algorithms import ALGORITHMS, toeplitz
from jaxconv.lowering.algorithms import grouped as grouped_
from jaxconv.lowering.algorithms.algorithm import by_rewrite
from jaxconv.lowering.conv_spec import CONV_OPERANDS, ConvSpec, lax_conv
from jaxconv.testing.configurations import Configuration
from jaxconv.testing.strategies import conv_configurations


def one_wide(case: Configuration) -> Configuration:
    """The case with one tap along each axis and one group."""
    return replace(case, window=(1,) * len(case.window), geometry=case.geometry | {"groups": 1})


def depthwise(case: Configuration) -> Configuration:
    """The case with as many groups as channels."""
    channels = case.channels[0]
    return replace(case, geometry=case.geometry | {"groups": channels}, channels=(channels, channels))


def grouped(case: Configuration) -> Configuration:
    """The case with two or more groups."""
    groups = max(case.groups, 2)
    per_group = [channels // case.groups for channels in case.channels]
    return replace(
        case, geometry=case.geometry | {"groups": groups}, channels=(groups * per_group[0], groups * per_group[1])
    )


def dense(case: Configuration) -> Configuration:
    """The case with one group."""
    return replace(case, geometry=case.geometry | {"groups": 1})


def volume(case: Configuration) -> Configuration:
    """The case with one group and an additional first axis: a strided, dilated window of two, with padding before it."""
    axes = case.axes
    geometry = {
        "stride": (2, *(axis.stride for axis in axes)),
        "padding": (jc.Pad(1, 0), *(axis.pad for axis in axes)),
        "dilation": (3, *(axis.dilation for axis in axes)),
    }
    return dense(replace(case, lengths=(5, *case.lengths), window=(2, *case.window), geometry=geometry))


# Function that makes a case fit each algorithm. A new algorithm needs a row.
FITTING = {
    "matmul": one_wide,
    "depthwise": depthwise,
    "grouped": grouped,
    "toeplitz": dense,
    "conv3d_as_2d": volume,
    "chunked": dense,
    "row_products": dense,
    "nhwc": dense,
}
CONV_ALGORITHMS = sorted(name for name, algorithm in ALGORITHMS.items() if "conv" in algorithm.operations)
every_algorithm = pytest.mark.parametrize("algorithm", CONV_ALGORITHMS)

# Zero padding only: boundaries that copy cells are copied before the convolution.
windows_over_zeros = conv_configurations(padding=st.tuples(st.integers(0, 4), st.integers(0, 4)))


def computed(algorithm, case):
    """The results of `operations`, evaluated with NumPy from the algorithm itself, without differentiating convolutions."""
    spec, given = ConvSpec(case.axes, case.groups), {"kernel": case.params()["kernel"], "x": case.x(), "y": case.dy()}

    def all_three(given):
        asked = {
            operation: [given[role] for role in CONV_OPERANDS[operation][:2]]
            for operation in ("conv", "conv_kernel_grad", "conv_input_grad")
        }
        return [convolution._run(algorithm, operation, spec, *two, lax_conv, None) for operation, two in asked.items()]

    return evaluated(all_three)(given)


def compiled(algorithm, case):
    """(kernel, x, dy) -> y, and the gradients of kernel and x, of a layer with a forced algorithm."""

    @jax.jit
    def all_three(kernel, x, dy):
        with use_algorithm(algorithm):
            y, pull = jax.vjp(lambda kernel, x: jc.conv({"kernel": kernel}, x, **case.geometry), kernel, x)
            return y, *pull(dy)

    return all_three


def operations(algorithm, case, dtype=np.float32):
    """The results of `compiled` for the numbers of the case."""
    return compiled(algorithm, case)(*(a.astype(dtype) for a in (case.params()["kernel"], case.x(), case.dy())))


def by_hand(case):
    """The same three results of the reference."""
    kernel, x, dy = case.params()["kernel"], case.x(), case.dy()
    deltas = reference.conv_deltas(kernel, x, dy, **case.geometry)
    return reference.conv(kernel, 0.0, x, **case.geometry), deltas.kernel, deltas.x


@every_algorithm
def test_every_algorithm_has_cases(algorithm):
    assert algorithm in FITTING


@every_algorithm
@examples(16)
@given(case=windows_over_zeros)
def test_every_operation_is_the_references(algorithm, case):
    case = FITTING[algorithm](case)
    for actual, expected in zip(computed(algorithm, case), by_hand(case), strict=True):
        np.testing.assert_array_equal(actual, expected)


@every_algorithm
@compiled_examples(4)
@given(case=convolutions(max_rank=2))
def test_compiled_convolutions_and_their_deltas_are_the_references(algorithm, case):
    """As a layer, with every kind of padding."""
    case = FITTING[algorithm](case)
    for actual, expected in zip(operations(algorithm, case), by_hand(case), strict=True):
        np.testing.assert_array_equal(actual, expected)


@every_algorithm
@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("stride", [1, 3])
def test_windows_of_one_cell(algorithm, length, stride):
    """The smallest windows: one phase, and a stride larger than x with mostly padding."""
    geometry = {"stride": (stride,), "padding": (jc.Pad(2, 1),), "dilation": (1,), "groups": 1}
    case = FITTING[algorithm](Configuration((length,), (1,), geometry, (2, 2), 1, 0))
    for actual, expected in zip(computed(algorithm, case), by_hand(case), strict=True):
        np.testing.assert_array_equal(actual, expected)


GEOMETRY = {"stride": (2, 1), "padding": ((2, 0), "circular"), "dilation": (1, 2)}
CASE = Configuration((9, 8), (3, 2), GEOMETRY | {"groups": 2}, (4, 6), 2, 0)
# One axis is enough for dtypes, and takes less time to compile.
SMALL = Configuration((8,), (2,), {"stride": (2,), "padding": ((2, 1),), "dilation": (3,), "groups": 2}, (4, 6), 2, 0)


@every_algorithm
@pytest.mark.parametrize("dtype", [jnp.bfloat16, *([jnp.float16, jnp.float32] if NIGHTLY else [])])
def test_every_dtype_is_kept(algorithm, dtype):
    case = FITTING[algorithm](SMALL)
    actual = operations(algorithm, case, dtype)
    assert {a.dtype for a in actual} == {jnp.dtype(dtype)}
    for result, expected in zip(actual, by_hand(case), strict=True):
        np.testing.assert_array_equal(result, expected.astype(dtype))  # the exact sum, rounded once


@every_algorithm
def test_double_precision(algorithm):
    """Also for numbers whose sums are not representable in single precision."""
    case = FITTING[algorithm](SMALL)
    with jax.enable_x64(True):
        run = compiled(algorithm, case)
        kernel, x, dy = (a.astype(np.float64) for a in (case.params()["kernel"], case.x(), case.dy()))
        actual = run(kernel, x, dy)
        assert {a.dtype for a in actual} == {jnp.dtype(np.float64)}
        for result, expected in zip(actual, by_hand(case), strict=True):
            np.testing.assert_array_equal(result, expected)
        for third in map(np.asarray, run(kernel / 3, x / 3, dy)):
            assert np.any(third != third.astype(np.float32))


@every_algorithm
@pytest.mark.parametrize(
    ("dtype", "preferred"), [(np.int32, None), (np.int8, None), (np.int8, np.int32), (jnp.bfloat16, np.float32)]
)
def test_integers_and_wider_results(algorithm, dtype, preferred):
    """As in lax: short integers wrap around unless a wider result is requested."""
    case = FITTING[algorithm](SMALL)
    kernel, x = 9 * case.params()["kernel"].astype(dtype), 9 * case.x().astype(dtype)

    @jax.jit
    def by_both(kernel, x):
        convolve = lambda: jc.conv({"kernel": kernel}, x, **case.geometry, preferred_element_type=preferred)
        with use_algorithm(algorithm):
            actual = convolve()
        with use_algorithm("lax"):
            return actual, convolve()

    actual, expected = by_both(kernel, x)
    assert actual.dtype == expected.dtype == jnp.dtype(preferred or dtype)
    np.testing.assert_array_equal(actual, expected)


@every_algorithm
def test_deltas_of_a_wider_result_have_the_operands_dtype(algorithm):
    case = FITTING[algorithm](SMALL)
    kernel, x = (a.astype(jnp.bfloat16) for a in (case.params()["kernel"], case.x()))

    @jax.jit
    def both(kernel, x, dy):
        wide = lambda kernel, x: jc.conv({"kernel": kernel}, x, **case.geometry, preferred_element_type=jnp.float32)
        y, pull = jax.vjp(wide, kernel, x)
        return y, *pull(dy)

    with use_algorithm(algorithm):
        y, *deltas = both(kernel, x, case.dy())
    assert y.dtype == jnp.float32
    for actual, expected in zip(deltas, by_hand(case)[1:], strict=True):
        assert actual.dtype == jnp.bfloat16
        np.testing.assert_array_equal(actual, expected.astype(jnp.bfloat16))


def with_an_infinite_cell(algorithm):
    """y of a case with one infinite cell that is never covered by padding; and the expected y."""
    case = FITTING[algorithm](replace(CASE, geometry=CASE.geometry | {"padding": "VALID"}))
    kernel, x = np.abs(case.params()["kernel"]) + 1, np.array(case.x())
    x[(0, *(length // 2 for length in case.lengths), 0)] = np.inf
    with use_algorithm(algorithm):
        y = jax.jit(lambda kernel, x: jc.conv({"kernel": kernel}, x, **case.geometry))(kernel, x)
    clean = reference.conv(kernel, 0.0, np.where(np.isinf(x), 0, x), **case.geometry)
    sees = reference.conv(np.ones_like(kernel), 0.0, np.isinf(x).astype(float), **case.geometry) > 0
    assert sees.any()
    assert not sees.all()
    return y, np.where(sees, np.inf, clean)


@every_algorithm
def test_an_infinite_cell_reaches_the_outputs_that_see_it_only(algorithm):
    """An algorithm that multiplies cells by zeros that it adds would turn the other outputs into NaN."""
    np.testing.assert_array_equal(*with_an_infinite_cell(algorithm))


@pytest.mark.parametrize("algorithm", ["toeplitz", "grouped"])
def test_an_infinite_weight_makes_no_more_of_nan_than_lax(algorithm):
    """An algorithm that pads before it multiplies would give more NaNs: lax skips windows in the padding."""
    geometry = {"stride": (1,), "dilation": (1,), "padding": ((2, 1),), "groups": 2}
    case = FITTING[algorithm](Configuration((4,), (1,), geometry, (2, 2), 1, 0))
    kernel, x = np.abs(case.params()["kernel"]) + 1, np.abs(case.x()) + 1
    kernel[..., 0, 0] = np.inf
    spec = ConvSpec(case.axes, case.groups)
    actual, expected = (
        np.asarray(convolution._run(name, "conv", spec, x, kernel, lax_conv, None)) for name in (algorithm, "lax")
    )
    assert np.isinf(expected).any()
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("channels", [1, 2, 3, 8, 16])
@pytest.mark.parametrize("groups", [2, 3, 5, 6, 12, 17, 35, 64])
def test_groups_are_put_together_in_equal_parts(groups, channels):
    """As few groups per part as are wide enough and leave few parts, or all groups together."""
    possible = [m for m in range(1, groups) if m * channels >= grouped_.WIDE and groups / m < grouped_.MOST + 1]
    expected = min([m for m in possible if groups / m == groups // m], default=groups)
    assert grouped_.groups_per_conv(ConvSpec((), groups), groups * channels) == expected


@pytest.mark.parametrize(("algorithm", "rewriting"), [("toeplitz", toeplitz._rewrite), ("grouped", grouped_._rewrite)])
def test_a_kernel_with_more_zeros_spoils_infinite_cells(algorithm, rewriting, monkeypatch):
    """The incorrect variant: two algorithms that add zeros to kernels, used without their guard for infinite cells."""
    monkeypatch.setitem(ALGORITHMS, f"careless {algorithm}", by_rewrite(lambda spec, c, o: True, rewriting))
    monkeypatch.setitem(FITTING, f"careless {algorithm}", FITTING[algorithm])
    y, expected = with_an_infinite_cell(f"careless {algorithm}")
    assert np.isnan(y).any()
    assert not np.isnan(expected).any()


# Incorrect variants: operations that look plausible.


def twin(operation, fault):
    """The depthwise algorithm with a fault in one operation."""
    correct = ALGORITHMS["depthwise"].run

    def run(requested, spec, lhs, rhs, *, inner_conv):
        compute = lambda spec, lhs, rhs: correct(requested, spec, lhs, rhs, inner_conv=inner_conv)
        return fault(compute, spec, lhs, rhs) if requested == operation else compute(spec, lhs, rhs)

    return replace(ALGORITHMS["depthwise"], run=run)


def flipped(correct, spec, lhs, kernel):
    """Flips the kernel, as in a true convolution."""
    return correct(spec, lhs, jnp.flip(kernel, axis=tuple(range(kernel.ndim - 2))))


def without_the_first_row(correct, spec, lhs, rhs):
    """Omits one position."""
    return correct(spec, lhs, rhs.at[:, 0].set(0))


def padded_behind(correct, spec, lhs, rhs):
    """Exchanges the padding before and after the cells."""
    exchanged = lambda pad: replace(pad, lo=pad.hi, hi=pad.lo)
    return correct(replace(spec, axes=tuple(replace(axis, pad=exchanged(axis.pad)) for axis in spec.axes)), lhs, rhs)


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("conv", flipped),
        ("conv", padded_behind),
        ("conv_input_grad", padded_behind),
        ("conv_input_grad", flipped),
        ("conv_kernel_grad", without_the_first_row),
        ("conv_kernel_grad", padded_behind),
    ],
)
def test_broken_twins_are_caught(operation, fault, monkeypatch):
    monkeypatch.setitem(ALGORITHMS, "twin", twin(operation, fault))

    def is_detected(case):
        case = depthwise(case)
        return any(
            not np.array_equal(actual, expected)
            for actual, expected in zip(computed("twin", case), by_hand(case), strict=True)
        )

    assert caught(windows_over_zeros, is_detected)


@pytest.mark.parametrize("operation", ["conv", "conv_input_grad", "conv_kernel_grad"])
def test_inside_of_loops_convolutions_are_in_the_layout_that_xla_has_fast_code_for(operation):
    """[n, *spatial, c] by [*window, c, o]; lax's own gradient keeps its slow layout inside loops."""
    case = Configuration((28, 28), (3, 3), {"stride": 1, "padding": "SAME", "groups": 1}, (16, 24), 4, 0)
    arrays = {"x": case.x(), "kernel": case.params()["kernel"], "y": case.dy()}
    lhs, rhs = (jnp.asarray(arrays[role]) for role in CONV_OPERANDS[operation][:2])
    spec = ConvSpec(case.axes, 1)

    def layouts(algorithm):
        compute = lambda lhs, rhs: convolution._run(algorithm, operation, spec, lhs, rhs, lax_conv, None)
        fn = lambda lhs, rhs: jax.lax.fori_loop(
            0,
            lhs.shape[0],
            lambda i, total: total + compute(lhs + i, rhs),
            jnp.zeros(jax.eval_shape(compute, lhs, rhs).shape),
        )
        return set(re.findall(r"dim_labels=(\w+->\w+)", jax.jit(fn).lower(lhs, rhs).compile().as_text()))

    assert layouts("nhwc") == {"b01f_01io->b01f"}
    assert (layouts("lax") == {"b01f_01io->b01f"}) == (operation == "conv")


@pytest.mark.parametrize(
    ("groups", "channels", "expected"),
    [(4, 64, 1), (32, 64, 8), (16, 64, 4), (8, 64, 2), (3, 6, 3), (32, 1024, 2), (2, 2, 2)],
)
def test_thin_groups_are_computed_together(groups, channels, expected):
    """Groups are merged to 16 or more channels and at most 16 convolutions, or all into one."""
    spec = ConvSpec(CASE.axes, groups)
    assert grouped_.groups_per_conv(spec, channels) == expected
