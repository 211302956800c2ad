"""Test `check` on equivariant functions, on broken variants that it must detect, and on bad arguments.

`brute_force` computes the errors independently, one shift at a time, with NumPy's roll.
"""

from dataclasses import replace
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.geometries import examples
from support.numeric_subjects import (
    KERNEL,
    H,
    W,
    X,
    biased,
    circular,
    correlate,
    pooled,
    reversed_rows,
    strided,
    zero_padded,
)
from support.numpy_evaluation import evaluated
from support.profiles import NIGHTLY
from support.random_programs import random_program

import jaxconv as jc
from jaxconv.verify.claims import Verdict
from jaxconv.verify.execution.check import check
from jaxconv.verify.execution.check_report import Finding
from jaxconv.verify.measures import equivariance_error


def running_sum(x):
    return jnp.cumsum(x, axis=2)


def brute_force(fn, x):
    """`{shift: the largest error}` for cyclic shifts along axes 1 and 2, by one evaluation each."""
    (errors,) = brute_forces(lambda x: [fn(x)], x)
    return errors


def brute_forces(fn, x):
    """The errors of `brute_force` for each of several outputs."""
    wide = lambda outputs: [np.asarray(y).astype(float) for y in outputs]
    shifts = list(product(range(x.shape[1]), range(x.shape[2])))
    before, after = wide(fn(x)), [wide(fn(np.roll(x, shift, (1, 2)))) for shift in shifts]
    error = lambda number, shift, ys: float(np.abs(ys[number] - np.roll(before[number], shift, (1, 2))).max())
    return [
        {shift: error(number, shift, ys) for shift, ys in zip(shifts, after, strict=True)}
        for number in range(len(before))
    ]


def by_shift(leaf):
    """The errors of the check as a dict `{shift: the largest error}`."""
    return {tuple(map(int, shift)): float(error) for shift, error in zip(leaf.shifts, leaf.errors, strict=True)}


@pytest.mark.parametrize(
    ("fn", "shifts"),
    [(circular, 48), (strided, 12), (pooled, 48), (jnp.negative, 48)],
    ids=["circular", "strided", "pooled", "negative"],
)
def test_what_holds(fn, shifts):
    report = check(fn, X, axes=(1, 2))
    (leaf,) = report.leaves
    assert report.finding == Finding.HELD
    assert leaf.shifts.shape == (shifts, 2)
    assert leaf.errors.max() <= leaf.tolerance.absolute
    assert leaf.reason == ""


@pytest.mark.parametrize("fn", [zero_padded, biased, running_sum, reversed_rows])
def test_broken_twins_are_found_with_their_errors(fn):
    """The error of every shift equals that of a loop over shifts."""
    (leaf,) = check(fn, X, axes=(1, 2)).leaves
    expected = brute_force(fn, X)
    assert leaf.finding == Finding.VIOLATED
    assert len(expected) == len(leaf.shifts) == H * W
    assert by_shift(leaf) == pytest.approx(expected, abs=1e-4)
    assert leaf.worst.error == leaf.errors.max() == pytest.approx(max(expected.values()), abs=1e-4)
    # Both values of the worst case can be recomputed at its shift and position.
    after = np.asarray(fn(np.roll(X, leaf.worst.shift, (1, 2))))[leaf.worst.position]
    before = np.roll(np.asarray(fn(X)), leaf.worst.shift, (1, 2))[leaf.worst.position]
    assert (leaf.worst.found, leaf.worst.expected) == pytest.approx((after, before), abs=1e-5)


def test_zero_padding_shows_at_the_border_only():
    """After one shift down, rows 0 and 5 of f(shifted) read the padding, and row 1 is compared with such a row."""
    (leaf,) = check(zero_padded, X, axes=(1,), shifts=[[1]]).leaves
    rows = leaf.positions.max((0, 2, 3))
    assert (rows[[0, 1, 5]] > 0.1).all()
    assert (rows[2:5] < 1e-5).all()


def test_errors_by_position_are_those_of_a_loop():
    """The largest and the mean error over the shifts, at each position of f(shifted)."""
    (leaf,) = check(zero_padded, X, axes=(1, 2)).leaves
    before = np.asarray(zero_padded(X))
    errors = [
        np.abs(np.asarray(zero_padded(np.roll(X, shift, (1, 2)))) - np.roll(before, shift, (1, 2)))
        for shift in product(range(H), range(W))
    ]
    np.testing.assert_allclose(leaf.positions, np.max(errors, axis=0), atol=1e-5)
    np.testing.assert_allclose(leaf.means, np.mean(errors, axis=0), atol=1e-5)


def test_a_scalar_is_invariant_or_not():
    (leaf,) = check(lambda x: jnp.square(x).sum(), X, axes=(1, 2)).leaves
    assert (leaf.finding, leaf.shape, leaf.worst.position, leaf.positions.shape) == (Finding.HELD, (), (), ())
    report = check(lambda x: x[0, 0, 0, 0], X, axes=(2,))
    assert report.finding == Finding.VIOLATED
    np.testing.assert_allclose(report.leaves[0].errors, np.abs(np.roll(X[0, 0, ::-1, 0], 1) - X[0, 0, 0, 0]), rtol=1e-6)


PADDED = list(product([(1, 1), (3, 1), (2, 3)], ["wrap", "constant", "reflect", "edge"]))


def padded(kernels, x):
    """One output for each window and padding mode."""
    margins = [[(0, 0), *[((k - 1) // 2, k // 2) for k in window], (0, 0)] for window, _ in PADDED]
    images = [jnp.pad(x, margin, mode=mode) for margin, (_, mode) in zip(margins, PADDED, strict=True)]
    return [correlate(image, kernel) for image, kernel in zip(images, kernels, strict=True)]


@examples(4)
@given(st.integers(0, 2**16))
def test_every_shift_agrees_with_brute_force(seed):
    """Circular and other padding on integers: the errors are equal, and the finding is HELD only if all are 0."""
    rng = np.random.default_rng(seed)
    kernels = [rng.integers(-2, 3, (*window, 2, 3)).astype(np.int32) for window, _ in PADDED]
    x = rng.integers(-4, 5, (1, 4, 5, 2)).astype(np.int32)
    leaves = check(padded, kernels, x, axes={1: (1, 2)}).leaves
    errors = brute_forces(lambda x: by_numpy(kernels, x), x)
    for (window, mode), leaf, expected in zip(PADDED, leaves, errors, strict=True):
        assert by_shift(leaf) == expected
        assert leaf.finding == (Finding.VIOLATED if max(expected.values()) else Finding.HELD)
        assert leaf.finding == Finding.HELD or (mode != "wrap" and window != (1, 1))


by_numpy = evaluated(padded)


def test_an_unhashable_function_is_checked_too():
    class Model:
        __hash__ = None

        def __call__(self, x):
            return circular(x)

    report = check(Model(), X, axes=(1,))
    assert report.finding == Finding.HELD
    assert report.function == "Model"


def test_arguments_that_shift_together_and_outputs_of_several_strides():
    """Two images with different strides; the shifts tried move every output by whole positions."""
    fn = lambda params, a, b: {
        "fine": circular(a + b, params["kernel"]),
        "coarse": circular(a, params["kernel"])[:, ::2] * params["scale"],
    }
    params = {"kernel": jnp.asarray(KERNEL), "scale": 2.0}
    report = check(fn, params, X, X[:, :, ::-1], axes={1: (1,), 2: (1,)})
    assert report.finding == Finding.HELD
    assert [leaf.path for leaf in report.leaves] == ["['coarse']", "['fine']"]
    assert [leaf.shifts.tolist() for leaf in report.leaves] == [[[0], [2], [4]]] * 2
    assert "output['fine']" in str(report)
    crossed = lambda a, b: a + b[:, ::-1]
    assert check(crossed, X, X, axes={0: (1,), 1: (1,)}).finding == Finding.VIOLATED
    assert check(crossed, X, X, axes={0: (2,), 1: (2,)}).finding == Finding.HELD


@pytest.mark.parametrize("seed", range(12))
def test_what_is_proved_holds(seed):
    """The law of `check`, for random programs on whole numbers: no claim that a certificate proves is VIOLATED."""
    program = random_program(seed)
    models = ("cyclic", "interior", "zero") if NIGHTLY else ("cyclic", ("interior", "zero")[seed % 2])
    for axis in program.axes:
        alone = jc.certify(program.fn, *program.arguments, axes={0: (axis,)}, search=False)
        report = alone.leaves[0].axes[0]
        for model in models:
            if (report.cyclic if model == "cyclic" else report.interior).verdict == Verdict.PROVED:
                result = check(program.fn, *program.arguments, axes={0: (axis,)}, certificate=alone, model=model)
                assert result.finding != Finding.VIOLATED, f"{program}\n{result}"


SHAPE = jax.ShapeDtypeStruct(X.shape, np.float32)
CERTIFICATE = jc.certify(circular, SHAPE, axes=(1, 2), search=False)


@pytest.mark.parametrize(
    ("fn", "arguments", "settings", "error", "match"),
    [
        (circular, (X,), {"axes": (4,)}, ValueError, "check: an axis is 4, but should be from -4 to 3"),
        (circular, (X,), {"axes": ()}, ValueError, "one axis or more"),
        (circular, (X,), {"axes": (1, -3)}, ValueError, "each axis once"),
        (
            circular,
            (X,),
            {"axes": {1: (1,)}},
            ValueError,
            "the argument's number in axes is 1, but should be from 0 to 0",
        ),
        (jnp.add, (X, X), {"axes": (1,)}, ValueError, "a dict, since there are several arguments"),
        (
            jnp.add,
            (X, X),
            {"axes": {0: (1,), 1: (2,)}},
            ValueError,
            "the length of argument 1 along axis 2 is 8, but should be 6",
        ),
        (jnp.add, ({"x": X}, X), {"axes": {0: (1,)}}, TypeError, "argument 0 is dict, but should be an array"),
        (circular, (SHAPE,), {"axes": (1,)}, TypeError, "Pass arrays, or integers=True, which draws them"),
        (
            circular,
            (X,),
            {"axes": (1,), "model": "periodic"},
            ValueError,
            'model is .periodic., but should be "cyclic", "interior" or "zero"',
        ),
        (circular, (X,), {"axes": (1,), "batch": 0}, ValueError, "batch is 0, but should be 1 or more"),
        (circular, (X,), {"axes": (1,), "shifts": 0}, ValueError, "shifts is 0, but should be positive"),
        (circular, (X,), {"axes": (1,), "shifts": 1.5}, TypeError, "shifts is 1.5, but should be integers"),
        (
            circular,
            (X,),
            {"axes": (1, 2), "shifts": [1, 2, 3]},
            ValueError,
            r"Write \[\[1, 1\], \[2, 2\]\] for a sample",
        ),
        (circular, (X,), {"axes": (1,), "shifts": [[0]]}, ValueError, "not all 0"),
        (
            strided,
            (X,),
            {"axes": (1,), "shifts": [[3]]},
            ValueError,
            "a shift is 3 along axis 1 of argument 0, but should be a multiple of 2",
        ),
        (strided, (X,), {"axes": (1,), "shifts": 3}, ValueError, "should be a multiple of 2"),
        (circular, (X,), {"axes": (1,), "moves": []}, ValueError, "for each of 1 axes"),
        (circular, (X,), {"axes": (1,), "moves": [(0, {})]}, ValueError, "the shift in moves is 0"),
        (
            circular,
            (X,),
            {"axes": (1,), "moves": [(1, {5: 1})]},
            ValueError,
            "an output axis in moves is 5, but should be from -4 to 3",
        ),
        (
            circular,
            (X,),
            {"axes": (1,), "moves": [(1, {})], "invariant": True},
            ValueError,
            "left out where moves are given",
        ),
        (
            zero_padded,
            (X,),
            {"axes": (1,), "model": "interior"},
            ValueError,
            r"region along output axis 1 \(axis 1 of argument 0\) is None",
        ),
        (
            zero_padded,
            (X,),
            {"axes": (1,), "model": "zero", "region": {1: (2, 3)}},
            ValueError,
            "positions are left to compare",
        ),
        (
            circular,
            (X[:, :, :4],),
            {"axes": (1, 2), "certificate": CERTIFICATE},
            ValueError,
            "one of the same function, shapes and axes",
        ),
        (
            circular,
            (X,),
            {"axes": (3,), "certificate": CERTIFICATE},
            ValueError,
            "one of the same function, shapes and axes",
        ),
        (
            lambda x: x.sum(3),
            (X,),
            {"axes": (1,)},
            ValueError,
            "of as many axes as the input, 4, or without the shifted axis",
        ),
        (lambda x: x[None], (X,), {"axes": (1,)}, ValueError, r"Pass certificate=jc.certify\(...\)"),
    ],
)
def test_errors_name_the_cure(fn, arguments, settings, error, match):
    with pytest.raises(error, match=match):
        check(fn, *arguments, **settings)


def test_a_certificate_of_more_axes_gives_the_law_of_the_axis_that_is_asked_for():
    """The law is looked up by axis, not by index in the list of axes."""
    halved = lambda x: jc.avg_pool(x, (1, 2))
    certificate = jc.certify(halved, SHAPE, axes=(1, 2), search=False)
    (leaf,) = check(halved, X, axes=(2,), certificate=certificate).leaves
    assert leaf.finding == Finding.HELD
    assert leaf.axes[0].law.shift == 2


def changed_claim(**changes):
    """A certificate of a circular layer whose cyclic claim says something else."""
    certificate = jc.certify(circular, X, axes=(1,), search=False)
    (leaf,) = certificate.leaves
    (axis,) = leaf.axes
    axis = replace(axis, claims={**axis.claims, "cyclic": replace(axis.claims["cyclic"], **changes)})
    return replace(certificate, leaves=(replace(leaf, axes=(axis,)),))


@pytest.mark.parametrize(
    "changes",
    [
        {"shift": None},
        {"shift": 0},
        {"shift": -1},
        {"moves": ((4, 1),)},
        {"moves": ((-1, 1),)},
        {"moves": ((1, 0),)},
        {"moves": ((1, 1), (1, 2))},
        {"region": ((1, 0, 7),)},
        {"region": ((1, -1, 3),)},
        {"region": ((2, 0, 3),)},
    ],
    ids=str,
)
@pytest.mark.parametrize("verb", [check, jc.falsify, equivariance_error])
def test_a_claim_that_no_output_can_satisfy_is_refused(verb, changes):
    assert verb(circular, X, axes=(1,), certificate=changed_claim()) is not None
    message = "its cyclic claim is shift .*, but should be a law of an output .*Make it by jc.certify"
    with pytest.raises(ValueError, match=message):
        verb(circular, X, axes=(1,), certificate=changed_claim(**changes))


@pytest.mark.parametrize("verb", [check, jc.falsify, equivariance_error])
def test_a_certificate_of_other_outputs_is_refused(verb):
    """Whether it has another shape, or one output less or more."""
    certificate = jc.certify(circular, X, axes=(1,), search=False)
    message = "the certificate is of circular, but should be one of the same function, shapes and axes"
    for other in (lambda x: x[:, ::2], lambda x: (x, x), lambda x: x[0]):
        with pytest.raises(ValueError, match=message):
            verb(other, X, axes=(1,), certificate=certificate)


def test_falsify_tries_the_axes_that_are_asked_for():
    certificate = jc.certify(circular, X, axes=(1, 2), search=False)
    (law,) = jc.falsify(circular, X, axes=(2,), certificate=certificate).laws
    assert law.shifted == ((0, 2),)


def test_numbers_of_python_keep_their_weak_type():
    """A number drawn in place of 2.0 made a float32 output of bfloat16 cells."""
    dtypes = []

    def scaled(scale, x):
        dtypes.append((scale * x).dtype)
        return scale * x

    assert check(scaled, 2.0, X.astype(jnp.bfloat16), axes={1: (1,)}, integers=True)
    assert dtypes == [jnp.bfloat16]
