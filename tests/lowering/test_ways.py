"""Every way to compute a convolution: equal to the reference bit for bit on small integers, and no less exact than lax."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import find, given

import jaxconv as jc
from jaxconv import reference
from jaxconv.lowering import forced
from jaxconv.lowering.table import way_for
from jaxconv.lowering.ways import WAYS
from jaxconv.testing.configurations import Configuration
from jaxconv.testing.strategies import conv_configurations


def one_wide(case: Configuration) -> Configuration:
    """One tap along each axis, and one group."""
    return replace(case, window=(1,) * len(case.window), geometry=case.geometry | {"groups": 1})


def depthwise(case: Configuration) -> Configuration:
    """As many groups as channels."""
    channels = case.channels[0]
    return replace(case, geometry=case.geometry | {"groups": channels}, channels=(channels, channels))


def grouped(case: Configuration) -> Configuration:
    """Two groups or more."""
    groups = max(case.groups, 2)
    per_group = [channels // case.groups for channels in case.channels]
    return replace(
        case, geometry=case.geometry | {"groups": groups}, channels=(groups * per_group[0], groups * per_group[1])
    )


# What makes a case fit each way. A new way needs a row.
FITTING = {"product": one_wide, "taps": depthwise, "split": grouped}
every_way = pytest.mark.parametrize("way", sorted(WAYS))


def faces(way, case, dtype=np.float32):
    """y, and the deltas of kernel and x, in the way that is forced."""
    kernel, x, dy = (a.astype(dtype) for a in (case.params()["kernel"], case.x(), case.dy()))
    with forced(way):

        @jax.jit
        def both(kernel, x, dy):
            y, pull = jax.vjp(lambda kernel, x: jc.conv({"kernel": kernel}, x, **case.geometry), kernel, x)
            return y, *pull(dy)

        return both(kernel, x, dy)


def by_hand(case):
    """The same by the reference."""
    kernel, x, dy = case.params()["kernel"], case.x(), case.dy()
    deltas = reference.conv_deltas(kernel, x, dy, **case.geometry)
    return reference.conv(kernel, 0.0, x, **case.geometry), deltas.kernel, deltas.x


@every_way
def test_every_way_has_cases(way):
    assert way in FITTING


@every_way
@given(case=conv_configurations())
def test_every_face_is_the_references(way, case):
    case = FITTING[way](case)
    for found, expected in zip(faces(way, case), by_hand(case), strict=True):
        np.testing.assert_array_equal(found, expected)


GEOMETRY = {"stride": (2, 1), "padding": ((2, 0), "circular"), "dilation": (1, 2)}
CASE = Configuration((9, 8), (3, 2), GEOMETRY | {"groups": 2}, (4, 6), 2, 0)


@every_way
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_every_dtype_is_kept(way, dtype):
    case = FITTING[way](CASE)
    found = faces(way, case, dtype)
    assert {a.dtype for a in found} == {jnp.dtype(dtype)}
    for one, expected in zip(found, by_hand(case), strict=True):
        np.testing.assert_array_equal(one, expected.astype(dtype))  # one rounding, of the exact sum


@every_way
def test_double_precision(way):
    case = FITTING[way](CASE)
    with jax.enable_x64(True):
        y, *_ = found = faces(way, case, np.float64)
        assert {a.dtype for a in found} == {jnp.dtype(np.float64)}
        third = faces(way, replace(case, seed=1), np.float64)[0] / 3
        np.testing.assert_array_equal(y, by_hand(case)[0])
        assert jnp.any(third != third.astype(jnp.float32).astype(jnp.float64))


@every_way
@pytest.mark.parametrize(
    ("dtype", "preferred"), [(np.int32, None), (np.int8, None), (np.int8, np.int32), (jnp.bfloat16, np.float32)]
)
def test_integers_and_wider_results(way, dtype, preferred):
    """As lax has it: short integers wrap around, unless a wider result is asked for."""
    case = FITTING[way](CASE)
    kernel, x = 9 * case.params()["kernel"].astype(dtype), 9 * case.x().astype(dtype)
    convolve = lambda: jc.conv({"kernel": kernel}, x, **case.geometry, preferred_element_type=preferred)
    with forced(way):
        found = convolve()
    with forced("lax"):
        expected = convolve()
    assert found.dtype == expected.dtype == jnp.dtype(preferred or dtype)
    np.testing.assert_array_equal(found, expected)


@every_way
def test_deltas_of_a_wider_result_have_the_operands_dtype(way):
    case = FITTING[way](CASE)
    kernel, x = (jnp.asarray(a, jnp.bfloat16) for a in (case.params()["kernel"], case.x()))
    with forced(way):
        wide = lambda kernel, x: jc.conv({"kernel": kernel}, x, **case.geometry, preferred_element_type=jnp.float32)
        y, pull = jax.vjp(wide, kernel, x)
    assert y.dtype == jnp.float32
    for found, expected in zip(pull(jnp.asarray(case.dy())), by_hand(case)[1:], strict=True):
        assert found.dtype == jnp.bfloat16
        np.testing.assert_array_equal(found, expected.astype(jnp.bfloat16))


LARGE = {
    "product": Configuration((28, 28), (1, 1), {"stride": 1, "padding": "VALID", "groups": 1}, (64, 32), 4, 0),
    "taps": Configuration((28, 28), (5, 5), {"stride": 1, "padding": "SAME", "groups": 32}, (32, 32), 4, 0),
    "split": Configuration((28, 28), (3, 3), {"stride": 1, "padding": "SAME", "groups": 4}, (64, 64), 4, 0),
}


# lax adds up groups in another order than dense convolutions; "split" has the error of lax's dense ones.
AT_MOST = {"product": 1.05, "taps": 1.05, "split": 2.0}


@every_way
def test_no_less_exact_than_lax(way):
    """Root mean square of the error in float32 on normal numbers, each face against float64 by lax."""
    case = LARGE[way]
    generator = np.random.default_rng(0)
    normal = lambda a: generator.normal(size=a.shape)
    arrays = [normal(a) for a in (case.params()["kernel"], case.x(), case.dy())]

    def run(way, dtype):
        with forced(way):
            convolve = lambda kernel, x: jc.conv({"kernel": kernel}, x, **case.geometry)
            kernel, x, dy = (jnp.asarray(a, np.float32).astype(dtype) for a in arrays)
            y, pull = jax.vjp(convolve, kernel, x)
            return [np.asarray(a, np.float64) for a in (y, *pull(dy))]

    with jax.enable_x64(True):
        exact = run("lax", np.float64)
    error = lambda found: [np.sqrt(np.mean((a - b) ** 2)) for a, b in zip(found, exact, strict=True)]
    for ours, laxs in zip(error(run(way, np.float32)), error(run("lax", np.float32)), strict=True):
        assert 0 < ours <= AT_MOST[way] * laxs


@every_way
def test_an_infinite_cell_reaches_the_outputs_that_see_it_only(way):
    """A way that multiplies cells by zeros of its own making would make NaNs of the others."""
    case = FITTING[way](replace(CASE, geometry=CASE.geometry | {"padding": "VALID"}))
    kernel, x = np.abs(case.params()["kernel"]) + 1, np.array(case.x())
    x[0, 4, 3, 0] = np.inf
    with forced(way):
        y = jc.conv({"kernel": kernel}, x, **case.geometry)
    clean = reference.conv(kernel, 0.0, np.where(np.isinf(x), 0, x), **case.geometry)
    sees = reference.conv(np.ones_like(kernel), 0.0, np.isinf(x).astype(float), **case.geometry) > 0
    np.testing.assert_array_equal(y, np.where(sees, np.inf, clean))


# The broken twins: faces that look right and are not.


def twin(face, fault):
    """The taps with a fault in one face."""
    right = getattr(WAYS["taps"], face)
    return replace(WAYS["taps"], **{face: lambda form, one, other: fault(right, form, one, other)})


def flipped(right, form, one, kernel):
    """The kernel of true convolution, which flips."""
    return right(form, one, jnp.flip(kernel, axis=tuple(range(kernel.ndim - 2))))


def without_the_first_row(right, form, one, other):
    """One position forgotten."""
    return right(form, one, other.at[:, 0].set(0))


def padded_behind(right, form, one, other):
    """The zeros before the cells counted as if they stood behind them."""
    turned = lambda pad: replace(pad, lo=pad.hi, hi=pad.lo)
    return right(replace(form, axes=tuple(replace(axis, pad=turned(axis.pad)) for axis in form.axes)), one, other)


@pytest.mark.parametrize(
    ("face", "fault"),
    [
        ("conv", flipped),
        ("conv", padded_behind),
        ("conv_dx", padded_behind),
        ("conv_dx", flipped),
        ("conv_dkernel", without_the_first_row),
        ("conv_dkernel", padded_behind),
    ],
)
def test_broken_twins_are_caught(face, fault, monkeypatch):
    monkeypatch.setitem(WAYS, "twin", twin(face, fault))

    def caught(case):
        case = depthwise(case)
        return any(
            not np.array_equal(found, expected)
            for found, expected in zip(faces("twin", case), by_hand(case), strict=True)
        )

    assert find(conv_configurations(max_rank=1), caught)


@pytest.mark.parametrize(
    ("window", "channels", "groups", "expected"),
    [
        ((1, 1), (16, 8), 1, "product"),
        ((1,), (3, 3), 3, "taps"),
        ((3, 3), (64, 64), 64, "taps"),
        ((3, 3), (64, 64), 32, "lax"),
        ((3, 3), (16, 16), 1, "lax"),
    ],
)
@pytest.mark.parametrize("face", ["conv", "conv_dx", "conv_dkernel"])
def test_the_table(face, window, channels, groups, expected):
    case = Configuration(
        (8,) * len(window), window, {"stride": 1, "padding": "VALID", "groups": groups}, channels, 2, 0
    )
    shapes = {"x": case.x().shape, "kernel": case.kernel_shape, "y": case.dy().shape}
    roles = {"conv": ("x", "kernel"), "conv_dx": ("y", "kernel"), "conv_dkernel": ("x", "y")}[face]
    form = jc.lowering.form.Form(case.axes, groups)
    assert way_for(face, form, *(shapes[role] for role in roles)) == expected


def test_only_the_kernels_delta_is_split():
    form = jc.lowering.form.Form(CASE.axes, 4)
    x, kernel, y = (2, 9, 8, 64), (3, 2, 16, 32), (2, 5, 8, 32)
    assert way_for("conv", form, x, kernel) == way_for("conv_dx", form, y, kernel) == "lax"
    assert way_for("conv_dkernel", form, x, y) == "split"
