"""Test `check` under actions: subjects whose symmetry is known, their broken twins, and errors that NumPy computes."""

import json
import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.compilations import compilations
from support.geometries import examples
from support.numeric_subjects import correlate
from support.symmetric_subjects import (
    BROKEN,
    HOLDING,
    ISOTROPIC,
    KERNEL,
    MIRRORED,
    ROTATIONAL,
    X,
    gradient,
    isotropic,
    mirrored,
    rotated_field,
    rotational,
    same,
    unsymmetric,
)

from jaxconv.verify.execution.check import InsensitiveWarning, check
from jaxconv.verify.execution.check_report import Finding

SQUARE = X[:, :6, :6]


def findings(leaf):
    """{name: finding} of the elements."""
    return {element.name: element.finding.value for element in leaf.elements}


@pytest.mark.parametrize("name", HOLDING)
def test_what_holds(name):
    fn, action, axes = HOLDING[name]
    report = check(fn, X, action=action, axes=axes)
    (leaf,) = report.leaves
    assert report.finding == Finding.HELD
    assert set(findings(leaf).values()) == {"HELD"}
    assert leaf.errors.max() <= leaf.tolerance.absolute
    assert leaf.shifts.shape == (len(leaf.elements), 0)
    assert (leaf.reason, report.warnings) == ("", ())


@pytest.mark.parametrize("name", BROKEN)
def test_broken_twins_are_found(name):
    fn, action, axes = BROKEN[name]
    report = check(fn, X, action=action, axes=axes)
    assert report.finding == Finding.VIOLATED
    assert report.leaves[0].reason in ("the error is larger than rounding explains", "the two sides are not equal")


def test_each_element_has_its_finding():
    """Rotations hold, and reflections do not."""
    (leaf,) = check(rotational, X, action="dihedral", axes=(1, 2)).leaves
    assert list(findings(leaf).values()) == ["HELD"] * 3 + ["VIOLATED"] * 4
    (leaf,) = check(mirrored, X, action="flip", axes=(1, 2)).leaves
    assert list(findings(leaf).values()) == ["HELD", "VIOLATED", "VIOLATED"]


TURNS = {
    "rot90 by 1 quarter turn": lambda x: np.rot90(x, 1, (1, 2)),
    "rot90 by 2 quarter turns": lambda x: np.rot90(x, 2, (1, 2)),
    "rot90 by 3 quarter turns": lambda x: np.rot90(x, 3, (1, 2)),
}


def test_errors_are_those_of_a_loop():
    """For an image that is not square, whose function is traced at both shapes."""
    (leaf,) = check(unsymmetric, X, action="rot90", axes=(1, 2)).leaves
    errors = [
        np.abs(np.asarray(unsymmetric(turn(X).copy())) - turn(np.asarray(unsymmetric(X)))) for turn in TURNS.values()
    ]
    assert [element.name for element in leaf.elements] == list(TURNS)
    np.testing.assert_allclose(leaf.errors, [error.max() for error in errors], atol=1e-4)
    np.testing.assert_allclose(leaf.positions, errors[1], atol=1e-4)  # the half turn alone keeps the shape
    for element, error, turn in zip(leaf.elements, errors, TURNS.values(), strict=True):
        position = element.worst.position
        assert error[position] == pytest.approx(element.worst.error, abs=1e-4)
        assert element.worst.expected == pytest.approx(turn(np.asarray(unsymmetric(X)))[position], abs=1e-4)
        assert element.worst.found == pytest.approx(np.asarray(unsymmetric(turn(X).copy()))[position], abs=1e-4)


def test_errors_by_position_are_those_of_a_loop():
    (leaf,) = check(unsymmetric, SQUARE, action="rot90", axes=(1, 2)).leaves
    errors = [
        np.abs(np.asarray(unsymmetric(turn(SQUARE).copy())) - turn(np.asarray(unsymmetric(SQUARE))))
        for turn in TURNS.values()
    ]
    np.testing.assert_allclose(leaf.positions, np.max(errors, axis=0), atol=1e-4)
    np.testing.assert_allclose(leaf.means, np.mean(errors, axis=0), atol=1e-4)
    assert leaf.worst.error == leaf.errors.max()


@pytest.mark.parametrize("batch", [None, 1, 2])
def test_batches_change_nothing(batch):
    (leaf,) = check(unsymmetric, SQUARE, action="dihedral", axes=(1, 2), batch=batch).leaves
    (other,) = check(unsymmetric, SQUARE, action="dihedral", axes=(1, 2)).leaves
    np.testing.assert_allclose(leaf.errors, other.errors, atol=1e-5)


def parametrised(kernel, x):
    return correlate(x, kernel, padding="SAME")


def test_whole_numbers_are_compared_exactly():
    """The kernel is an argument, so that whole numbers replace it; half of it makes it symmetric."""
    symmetric = lambda kernel, x: parametrised(kernel + kernel[::-1], x)
    report = check(symmetric, KERNEL, X, action="flip", axes={1: (1,)}, integers=True)
    assert (report.finding, report.leaves[0].tolerance.absolute) == (Finding.HELD, 0)
    assert report.leaves[0].errors.max() == 0
    (leaf,) = check(parametrised, KERNEL, X, action="flip", axes={1: (1,)}, integers=True).leaves
    assert (leaf.finding, leaf.reason) == (Finding.VIOLATED, "the two sides are not equal")
    assert leaf.errors.max() == int(leaf.errors.max()) > 0


def exponential(x):
    return jnp.exp(x)


def test_inexact_operations_on_whole_numbers_are_undecided():
    (leaf,) = check(exponential, X, action="flip", axes=(1,), integers=True).leaves
    assert leaf.finding == Finding.UNDECIDED
    assert leaf.reason.startswith("not exact: exp at test_check_action.py:")
    summed = lambda x: exponential(x[..., 0]) + exponential(x[..., 1]) + exponential(x[..., 2])
    (leaf,) = check(summed, X[..., :3], action=(lambda x: x[..., ::-1], lambda y: y), integers=True).leaves
    assert leaf.errors.max() > 0  # of rounding, since the terms are added in another order
    assert leaf.finding == Finding.UNDECIDED


def test_shapes_are_drawn_as_whole_numbers():
    x = jax.ShapeDtypeStruct((2, 3, 5, 1), "float32")
    assert check(lambda x: x * x, x, action="rot90", axes=(1, 2), integers=True).finding == Finding.HELD


def test_integers_are_compared_as_they_are():
    x = np.arange(2**30, 2**30 + 12, dtype=np.int32).reshape(1, 3, 4)
    assert check(lambda x: x + 1, x, action="rot90", axes=(1, 2)).finding == Finding.HELD
    (leaf,) = check(lambda x: x.at[:, 0].add(1), x, action="flip", axes=(1,)).leaves
    assert (leaf.finding, leaf.errors.tolist()) == (Finding.VIOLATED, [1])


def test_a_vector_field_turns_with_its_vectors():
    """By hand: a quarter turn takes the direction right to up, and down to right."""
    x = SQUARE[..., :1]
    turns = {f"{k}": (lambda x, k=k: np.rot90(x, k, (1, 2)), rotated_field(k)) for k in (1, 2, 3)}
    assert check(gradient, x, action=turns).finding == Finding.HELD
    scalars = {name: (on_input, on_input) for name, (on_input, _) in turns.items()}
    assert check(gradient, x, action=scalars).finding == Finding.VIOLATED


def test_a_graph_network_commutes_with_permutations_of_the_nodes():
    """Both axes of the adjacency matrix and the rows of the features move together; the weights do not."""
    rng = np.random.default_rng(0)
    a, x, w = (rng.normal(size=shape).astype(np.float32) for shape in ((5, 5), (5, 3), (3, 2)))
    layer = lambda w, graph: {"x": jnp.tanh(graph["a"] @ graph["x"] @ w), "total": graph["a"].sum()}
    order = np.array([3, 0, 4, 1, 2])
    permuted = lambda w, graph: (w, {"a": graph["a"][order][:, order], "x": graph["x"][order]})
    kept = lambda y: y | {"x": y["x"][order]}
    report = check(layer, w, {"a": a, "x": x}, action={"a permutation": (permuted, kept)})
    assert [leaf.finding for leaf in report.leaves] == [Finding.HELD, Finding.HELD]
    half = lambda w, graph: (w, {"a": graph["a"][order], "x": graph["x"][order]})
    report = check(layer, w, {"a": a, "x": x}, action={"rows alone": (half, kept)})
    assert {leaf.path: leaf.finding.value for leaf in report.leaves} == {"['total']": "HELD", "['x']": "VIOLATED"}


def halfway(x):
    return (x + jnp.roll(x, 1, 1)) / 2


def test_interpolations_are_measured_and_not_judged():
    """A shift by half a cell: whether its error is 0 or not, it has no verdict."""
    circular = lambda x: correlate(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap"), KERNEL)
    (leaf,) = check(circular, X, action={"half a cell": (halfway, halfway)}).leaves
    (element,) = leaf.elements
    assert (element.finding, element.measured) == (Finding.UNDECIDED, True)
    assert element.reason.startswith("measured, not judged")
    assert leaf.errors.max() < 1e-4
    (leaf,) = check(jnp.square, X, action={"half a cell": (halfway, halfway)}).leaves
    expected = np.abs(np.square(np.asarray(halfway(X))) - np.asarray(halfway(np.square(X)))).max()
    assert leaf.errors.tolist() == pytest.approx([expected], rel=1e-5)
    assert (leaf.finding, leaf.elements[0].measured) == (Finding.UNDECIDED, True)


@pytest.mark.parametrize("side", [0, 1])
def test_one_side_that_interpolates_is_enough(side):
    pair = [lambda x: x[:, ::-1], lambda x: x[:, ::-1]]
    pair[side] = halfway
    assert check(jnp.square, X, action=tuple(pair)).leaves[0].elements[0].measured


def test_a_violation_beside_a_measurement_is_a_violation():
    actions = {"half a cell": (halfway, halfway), "a flip": (lambda x: x[:, ::-1], lambda y: y)}
    (leaf,) = check(jnp.square, X, action=actions).leaves
    assert findings(leaf) == {"half a cell": "UNDECIDED", "a flip": "VIOLATED"}
    assert leaf.finding == Finding.VIOLATED


def test_a_function_that_computes_at_this_input_only_is_measured():
    """It moves small numbers, so arrays of them do not show that it clips."""
    clipped = lambda x: jnp.where(x > 1e30, 0, x)[:, ::-1]
    pair = (clipped, lambda y: y[:, ::-1])
    assert not check(jnp.square, X, action=pair).leaves[0].elements[0].measured
    large = X.copy()
    large[0, 0, 0, 0] = 1e35
    assert check(jnp.tanh, large, action=pair).leaves[0].elements[0].measured


def left_to_right(x):
    return x[:, 0] + x[:, 1] + x[:, 2]


def test_a_tie_is_undecided():
    """Left to right, both small numbers are lost; right to left, their sum is not: only rounding passes the threshold."""
    x = np.float32([[1, 2**-24, 2**-24]])
    above = lambda x: jnp.where(left_to_right(x) > 1, left_to_right(x), 0.0)
    (leaf,) = check(above, x, action=(lambda x: x[:, ::-1], lambda y: y)).leaves
    assert leaf.errors.tolist() == pytest.approx([1])
    assert (leaf.finding, leaf.reason.split(" (")[0]) == (Finding.UNDECIDED, "rounding alone moves the output as far")
    (leaf,) = check(
        above, np.float32([[1, -1, 2]]), action=(lambda x: x * np.float32([[1, 1, -1]]), lambda y: y)
    ).leaves
    assert leaf.finding == Finding.VIOLATED


def test_not_finite_values():
    """A NaN equals nothing, and the same infinity on both sides counts as equal."""
    (leaf,) = check(lambda x: x.at[0, 0, 0, 0].set(jnp.nan), X, action="flip", axes=(1,)).leaves
    assert (leaf.finding, leaf.nans.tolist()) == (Finding.VIOLATED, [2])
    x = X.copy()
    x[0, 2, 1, 0] = np.nan
    (leaf,) = check(jnp.negative, x, action="flip", axes=(1,)).leaves
    assert (leaf.finding, leaf.nans.tolist(), leaf.errors.tolist()) == (Finding.VIOLATED, [1], [np.inf])
    assert "NaN after 1 elements, in up to 1 cells: never equal" in str(
        check(jnp.negative, x, action="flip", axes=(1,))
    )
    x = X.copy()
    x[0, 1] = np.inf
    (leaf,) = check(jnp.exp, x, action="flip", axes=(1,)).leaves
    assert (leaf.finding, leaf.infinities.tolist()) == (Finding.HELD, [8 * 4])


def test_an_input_that_the_action_does_not_change_warns():
    with pytest.warns(InsensitiveWarning, match="the input is the same after every element of the action"):
        check(unsymmetric, np.ones_like(SQUARE), action="rot90", axes=(1, 2))
    with pytest.warns(InsensitiveWarning, match="the output hardly depends on the input: replacing it"):
        check(lambda x: unsymmetric(x) * 0, X, action="flip", axes=(1,))
    with pytest.warns(
        InsensitiveWarning, match="the output is the same after every element at this input, but not at a"
    ):
        check(lambda x: jnp.where(x < 100, 0, x) + jnp.abs(x - X).sum() * x, X, action="flip", axes=(1,))


def quiet(fn, x, actions):
    """The check without warnings of outputs that hardly depend on the input."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InsensitiveWarning)
        return check(fn, x, action=actions)


def test_the_tolerance_is_that_of_the_output_that_is_moved():
    """The law exchanges a small output and a large one, whose rounding is larger than the small one."""
    fn = lambda x: (jnp.sum(x, 1), 1e9 * jnp.sum(x[:, ::-1], 1))
    x = np.random.default_rng(5).normal(size=(4, 50)).astype(np.float32)
    pair = (lambda x: x[::-1], lambda y: (y[0][::-1], y[1][::-1]))
    assert check(fn, x, action=pair).finding == Finding.HELD
    order = np.random.default_rng(0).permutation(50)
    sums = lambda x: (jnp.sum(x, 1) * jnp.float32(1e-9), jnp.sum(x * 3, 1) * jnp.float32(1e9))
    exchanged = (lambda x: x[:, order], lambda y: (y[1], y[0]))
    small, large = quiet(sums, x, exchanged).leaves
    assert (small.finding, large.finding) == (Finding.VIOLATED, Finding.VIOLATED)
    assert small.tolerance.absolute == large.tolerance.absolute > 1


@examples(20)
@given(st.integers(0, 2**16))
def test_any_permutations_give_the_errors_of_numpy(seed):
    """Random permutations of all cells with signs, on both sides, of a function that mixes cells; whole numbers."""
    rng = np.random.default_rng(seed)
    x, table = rng.integers(-9, 10, (2, 3)).astype(np.int32), rng.integers(0, 6, 8)
    fn = lambda x: {"a": jnp.square(x.ravel()[table]) + x.ravel()[table[::-1]], "b": x.ravel()[:2] * 3}
    orders = {f"{i}": (rng.permutation(6), rng.choice([-1, 1], 6), rng.permutation(10)) for i in range(3)}

    def pair(order, signs, out):
        signs = signs.astype(np.int32)
        on_input = lambda x: (x.ravel()[order] * signs).reshape(3, 2).T
        return on_input, lambda y: split(np.concatenate([np.asarray(y["a"]), np.asarray(y["b"])])[out])

    split = lambda y: {"a": jnp.asarray(y[:8]), "b": jnp.asarray(y[8:])}
    actions = {name: pair(*order) for name, order in orders.items()}
    report = quiet(fn, x, actions)
    before = {name: np.asarray(y) for name, y in fn(x).items()}
    for leaf, name in zip(report.leaves, "ab", strict=True):
        for element, error in zip(leaf.elements, leaf.errors, strict=True):
            on_input, on_output = actions[element.name]
            after = np.asarray(fn(np.asarray(on_input(x)))[name])
            expected = np.abs(after - np.asarray(on_output(before)[name])).max()
            assert error == expected
            assert element.finding == (Finding.VIOLATED if expected else Finding.HELD)


def test_the_report_names_each_element():
    report = check(rotational, X, action="dihedral", axes=(1, 2))
    head, measured, output, *lines = str(report).splitlines()
    assert head == "rotational: VIOLATED for 7 elements of dihedral"
    assert measured == "  measured on the given input: evidence, not a proof"
    assert output == "  output (3, 6, 8, 5) float32: VIOLATED"
    assert lines[0].startswith("    rot90 by 1 quarter turn: HELD, error ")
    number = r"-?[0-9.e-]+"
    pattern = rf"    flip along axis 1 of argument 0: VIOLATED, error {number} \(relative {number}, .* ULPs\) at position .*: "
    assert [line for line in lines if re.match(pattern, line)]
    assert lines[-1].startswith("    tolerance ")
    assert "for 1 element of the given action" in str(check(jnp.sin, X, action=(lambda x: -x, lambda y: -y)))


def test_long_reports_list_violations_first():
    x = np.random.default_rng(0).normal(size=(1, 6)).astype(np.float32)
    text = str(check(lambda x: x.at[:, 4].set(0), x, action="permute", axes=(1,)))
    assert "for 24 elements of permute" in text
    assert text.count("permutation [") == 12
    assert re.search(r"and 12 more elements, (HELD|VIOLATED) at worst", text)
    listed = re.findall(r"argument 0: ([A-Z]+), error", text)
    assert listed == sorted(listed, reverse=True)


def test_json_has_the_elements():
    data = json.loads(check(mirrored, X, action="flip", axes=(1, 2)).to_json())
    assert (data["model"], data["action"], data["finding"]) == ("action", "flip", "VIOLATED")
    assert [element["finding"] for element in data["leaves"][0]["elements"]] == ["HELD", "VIOLATED", "VIOLATED"]


def test_a_second_check_compiles_nothing():
    check(isotropic, X, action="dihedral", axes=(1, 2))
    with compilations() as compiled:
        check(isotropic, X + 1, action="dihedral", axes=(1, 2))
    assert compiled == []


def test_the_kernels_are_what_their_names_say():
    for kernel, turned, mirrored_too in ((ISOTROPIC, True, True), (ROTATIONAL, True, False), (MIRRORED, False, True)):
        assert np.allclose(kernel, np.rot90(kernel)) == turned
        assert np.allclose(kernel, kernel[::-1]) == mirrored_too
    assert same(X, KERNEL).shape == (3, 6, 8, 5)
