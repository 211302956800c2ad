"""Test `falsify`: false laws have a small counterexample that replays, and true laws have none.

`violates` verifies each counterexample independently: NumPy evaluates the function's equations, and NumPy's roll and
slices shift the input.
"""

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bare_proofs import bare
from support.geometries import examples
from support.numpy_evaluation import evaluated
from support.random_programs import random_program

import jaxconv as jc
from jaxconv.testing.strategies import networks
from jaxconv.verify.execution.candidate_laws import Lattice, lattices
from jaxconv.verify.execution.counterexample import Counterexample
from jaxconv.verify.execution.falsify import falsify
from jaxconv.verify.execution.program import Program
from jaxconv.verify.execution.violations import Trials

X = jax.ShapeDtypeStruct((1, 6, 4, 2), "float32")
PARAMS = {"kernel": jax.ShapeDtypeStruct((3, 3, 2, 3), "float32"), "bias": jax.ShapeDtypeStruct((3,), "float32")}
KINDS = pytest.mark.parametrize("kind", ["cyclic", "interior"])


def conv(padding="circular", stride=1):
    return lambda params, x: jc.conv(params, x, padding=padding, stride=stride)


def along(leaf, axis, cells):
    return np.take(leaf, cells, axis)


def violates(fn, counterexample, evaluate=evaluated):
    """Whether the two outputs differ at the position of the counterexample, whose inputs are asserted to be shifts."""
    law, s = counterexample.law, counterexample.shift
    for argument, axis in law.shifted:
        x, y = (np.asarray(side[argument]) for side in (counterexample.arguments, counterexample.shifted))
        i = np.arange(max(0, -s), law.length - max(0, s))
        np.testing.assert_array_equal(along(y, axis, i + s), along(x, axis, i))
        if law.kind == "cyclic":
            np.testing.assert_array_equal(y, np.roll(x, s, axis))
    before, after = (
        np.asarray(jax.tree.leaves(evaluate(fn)(*side))[law.leaf]).astype(complex)
        for side in (counterexample.arguments, counterexample.shifted)
    )
    origin = list(counterexample.origin)
    for axis, t in counterexample.moves:
        origin[axis] = origin[axis] + counterexample.k * t
        origin[axis] %= before.shape[axis] if law.kind == "cyclic" else 10**9
    assert tuple(origin) == counterexample.position
    error = abs(after[counterexample.position] - before[counterexample.origin])
    assert error == pytest.approx(counterexample.error, rel=1e-3)
    assert counterexample.replay(fn) == pytest.approx(error, rel=1e-3)
    return error > 1e-4


FALSE = {
    "zero padding": (conv("same"), (PARAMS, X), {1: (1, 2)}, {}),
    "half a stride": (conv(stride=2), (PARAMS, X), {1: (1,)}, {"shift": 1}),
    "half a stride, inside": (conv("valid", 2), (PARAMS, X), {1: (1,)}, {"shift": -1, "kind": "interior"}),
    "running sum": (lambda x: jnp.cumsum(x, axis=1), (X,), (1,), {}),
    "running sum along the second of two axes": (lambda x: jnp.cumsum(x, axis=2), (X,), (1, 2), {}),
    "running sum, inside": (lambda x: jnp.cumsum(x, axis=1), (X,), (1,), {"kind": "interior"}),
    "global mean, inside": (lambda x: x.mean((1, 2)), (X,), (2,), {"kind": "interior"}),
    "softmax behind zero padding": (lambda p, x: jax.nn.softmax(conv("same")(p, x), axis=2), (PARAMS, X), {1: (1, 2)}, {}),
    "dense": (lambda x: x.reshape(1, -1) @ jnp.arange(48.0, dtype="float32")[:, None], (X,), (2,), {}),
    "moves, said to stay": (conv(), (PARAMS, X), {1: (1,)}, {"invariant": True}),
    "reversed, said to be not": (lambda x: x[:, ::-1], (X,), (1,), {"moves": [(1, {1: 1})]}),
    "one of two leaves": (lambda p, x: [x, conv("same")(p, x)], (PARAMS, X), {1: (2,)}, {}),
    "a mask that stays": (lambda x, mask: x * mask, (X, X), {0: (1,)}, {}),
    "integers": (lambda x: x.at[:, 0].set(0), (jax.ShapeDtypeStruct((1, 5, 1), "uint8"),), (1,), {}),
    "complex numbers": (lambda x: x.at[:, 0].set(0), (jax.ShapeDtypeStruct((1, 5, 1), "complex64"),), (1,), {}),
    "dropout": (lambda key, x: jnp.where(jax.random.bernoulli(key, 0.5, x.shape), x, 0 * x), (jax.random.key(0), jax.ShapeDtypeStruct((1, 3, 1), "float32")), {1: (1,)}, {}),
    "seen by many negative integers only": (lambda x: jnp.where((x < 0).sum() > 4, jnp.cumsum(x, axis=1), x), (jax.ShapeDtypeStruct((1, 12, 1), "int32"),), (1,), {}),
    "seen by dense images only": (lambda x: jnp.where((x != 0).sum() > 12, jnp.cumsum(x, axis=1), x), (X,), (1,), {}),
}  # fmt: skip
TRUE = {
    "circular padding": (conv(), (PARAMS, X), {1: (1, 2)}, {}),
    "whole strides": (conv(stride=2), (PARAMS, X), {1: (1, 2)}, {}),
    "two strides": (conv(stride=2), (PARAMS, X), {1: (1,)}, {"shift": 4}),
    "inside": (conv("same"), (PARAMS, X), {1: (1, 2)}, {"kind": "interior"}),
    "global maximum": (lambda x: x.max((1, 2)), (X,), (1, 2), {}),
    "softmax": (lambda x: jax.nn.softmax(x, axis=1), (X,), (1, 2), {}),
    "reversed": (lambda x: x[:, ::-1], (X,), (1,), {}),
    "up-sampled": (lambda x: jnp.repeat(x, 2, axis=1), (X,), (1,), {}),
    "a mask that moves along": (lambda x, mask: x * mask, (X, X), {0: (1,), 1: (1,)}, {}),
    "without a rule": (lambda x: jnp.cumsum(x, axis=1)[:, -1], (X,), (1,), {}),
    "not a number": (lambda x: jnp.log(-1 - jnp.abs(x)), (X,), (1,), {}),
}


@pytest.mark.parametrize("name", FALSE)
def test_what_is_false_is_violated_by_something_that_replays(name):
    fn, arguments, axes, options = FALSE[name]
    result = falsify(fn, *arguments, axes=axes, **options)
    assert result.counterexample is not None
    assert violates(fn, result.counterexample)
    assert "violated (" in str(result)


@pytest.mark.parametrize("name", TRUE)
def test_what_is_true_is_not_violated(name):
    fn, arguments, axes, options = TRUE[name]
    result = falsify(fn, *arguments, axes=axes, examples=30, **options)
    assert result.counterexample is None
    assert result.examples >= 10
    assert result.shifts > 0
    assert f"no violation found ({result.examples} examples, {result.shifts} shifts of each" in str(result)


@pytest.mark.parametrize("name", ["zero padding", "integers", "complex numbers", "dropout"])
def test_json_brings_the_counterexample_back(name):
    fn, arguments, axes, options = FALSE[name]
    found = falsify(fn, *arguments, axes=axes, examples=10, **options).counterexample
    text = found.to_json()
    read = Counterexample.from_json(text, *arguments)
    assert violates(fn, read)
    assert read.to_json() == text
    assert read.law == found.law
    assert isinstance(json.loads(text), dict)
    with pytest.raises(ValueError, match="the number of arrays in the arguments is"):
        Counterexample.from_json(text, *[X] * (1 if len(arguments) > 1 else 2))


MALFORMED = {
    "no JSON": (lambda data: "{", "from_json: the text is invalid JSON"),
    "a list": (lambda data: "[]", "from_json: the JSON is a list of 0, but should be an object of law, k, moves"),
    "a key less": (lambda data: json.dumps({k: v for k, v in data.items() if k != "k"}), "should be an object of law, k"),
    "k in words": (lambda data: json.dumps(data | {"k": "1"}), "counterexample.k is '1', but should be an integer"),
    "a kind nobody knows": (
        lambda data: json.dumps(data | {"law": data["law"] | {"kind": "twisted"}}),
        "counterexample.law.kind is 'twisted', but should be one of 'cyclic', 'interior'",
    ),
    "one value": (lambda data: json.dumps(data | {"values": [[1, 0]]}), "counterexample.values is a sequence of 1, but"),
    "no arrays": (lambda data: json.dumps(data | {"leaves": [{"a": 1}]}), r"leaves\[0\] is a dict of 1, but should be an array"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_counterexample_is_refused_by_the_place(name):
    change, message = MALFORMED[name]
    text = falsify(conv("same"), PARAMS, X, axes={1: (1,)}, examples=5).counterexample.to_json()
    with pytest.raises(ValueError, match=message):
        Counterexample.from_json(change(json.loads(text)), PARAMS, X)


def test_a_counterexample_is_small():
    """It has one nonzero pixel, the smallest shift, and parameters of ones."""
    found = falsify(conv("same"), PARAMS, X, axes={1: (1, 2)}).counterexample
    params, x = found.arguments
    assert abs(found.shift) == 1
    assert (np.count_nonzero(x), x.max()) == (1, 1)
    assert set(params["kernel"].ravel()) == {1}
    assert str(found).splitlines()[1] == "argument 1: zeros (1, 6, 4, 2) but for [0, 0, 0, 0] = 1"


def test_pixels_that_do_not_matter_are_left_out():
    """A violation that needs thirteen nonzero pixels has a counterexample of thirteen, which are whole numbers."""
    fn, arguments, axes, _ = FALSE["seen by dense images only"]
    (x,) = falsify(fn, *arguments, axes=axes).counterexample.arguments
    assert np.count_nonzero(x) == 13
    np.testing.assert_array_equal(x, np.rint(x))


def test_what_enters_an_interior_window_is_new():
    """Every shifted input is a slice of one longer image; no cell wraps around from the other end."""
    law = Lattice("interior", 0, "", (1, 6, 1), ((0, 1),), 6, 1, (((1, 1),),), (), "given")
    trials = Trials(lambda x: x, (jax.ShapeDtypeStruct((1, 6, 1), "float32"),), (law,), keep=True)
    (shape,) = trials.windows.sources.values()
    source = np.arange(shape[1], dtype=np.float32).reshape(shape)
    assert {cells for _, cells in trials.rows} == {-5, -4, -3, -2, -1, 1, 2, 3, 4, 5}
    for row in trials.rows:
        (window,) = trials.windows.window({0: source}, row).values()
        assert set(np.diff(window.ravel())) == {1}


def test_a_mended_function_replays_to_nothing():
    found = falsify(conv("same"), PARAMS, X, axes={1: (1, 2)}).counterexample
    assert found.replay(conv("same")) >= 1
    assert found.replay(conv("circular")) == 0


def test_the_same_seed_finds_the_same():
    first, second = (falsify(conv("same"), PARAMS, X, axes={1: (1,)}, seed=3) for _ in range(2))
    assert first.counterexample.to_json() == second.counterexample.to_json()
    assert (first.examples, first.shifts) == (second.examples, second.shifts)


@examples(8)
@given(network=networks(2), seed=st.integers(0, 9))
def test_networks_are_exact_so_nothing_is_found(network, seed):
    result = falsify(network, network.params(), network.x(), axes={1: (1,)}, examples=6, seed=seed)
    assert result.counterexample is None


def test_given_parameters_are_kept_if_asked():
    scale = np.ones((1, 6, 1, 1), np.float32)
    fn = lambda scale, x: x * scale
    assert falsify(fn, scale, X, axes={1: (1,)}, values=True, examples=20).counterexample is None
    assert falsify(fn, scale, X, axes={1: (1,)}, moves=[(1, {1: 1})]).counterexample is not None


def test_an_older_certificate_is_held_against_the_new_code():
    """A pull request changes the padding: a claim that was proved before is violated now."""
    before = jc.certify(conv(), PARAMS, X, axes={1: (1,)}, search=False)
    result = falsify(conv("same"), PARAMS, X, axes={1: (1,)}, certificate=before)
    assert result.laws[0].origin == "proved"
    assert violates(conv("same"), result.counterexample)


def test_one_compiled_call_for_an_example():
    """The function is traced for its certificate, its outputs, and once for all shifts, but never for an example."""
    traces = []

    def fn(x):
        traces.append(x.shape)
        return jc.max_pool(x, (3, 3), stride=1, padding="circular")

    result = falsify(fn, X, axes=(1,), examples=40)
    assert result.examples > 20
    assert len(traces) <= 4


def test_a_function_that_cannot_be_batched_is_run_in_turn():
    def fn(x):
        return jax.pure_callback(lambda x: np.cumsum(np.asarray(x), 1), jax.ShapeDtypeStruct(X.shape, X.dtype), x)

    assert violates(
        fn, falsify(fn, X, axes=(1,)).counterexample, evaluate=jax.jit
    )  # the NumPy evaluation does not support callbacks


def test_an_output_that_never_changes_tests_nothing():
    result = falsify(lambda x: jax.nn.relu(x * 0), X, axes=(1,), examples=10)
    assert not result.responded
    assert "nothing was tested: the output was the same for every example" in str(result)
    assert falsify(jax.nn.relu, X, axes=(1,), examples=10).responded


@pytest.mark.parametrize("turns", [1, 2])
def test_whole_turns_leave_nothing_to_compare(turns):
    result = falsify(lambda x: x, X, axes=(1,), shift=6 * turns)
    assert (result.counterexample, result.shifts, result.examples) == (None, 0, 0)
    assert "no shift of this size leaves anything to compare" in str(result)


def all_there(x):
    """A softmax sums to 1 up to rounding. Whether the sum reaches 1 depends on the order of the terms."""
    return x * (jnp.sum(jax.nn.softmax(x, axis=1), axis=1, keepdims=True) >= 1).astype(x.dtype)


def test_rounding_and_ties_are_no_violation():
    x = jax.ShapeDtypeStruct((1, 37, 1), "float32")
    assert falsify(all_there, x, axes=(1,), examples=30).counterexample is None
    normed = lambda x: jax.nn.standardize(jnp.exp(x) / 7, axis=1)
    assert falsify(normed, x, axes=(1,), examples=30).counterexample is None


def test_without_doubt_ties_would_be_violations(monkeypatch):
    """The broken variant: without rounding bounds, ties are reported as violations."""
    monkeypatch.setattr(Program, "rounding_bounds", lambda self, number, leaves, stacks, exact: np.zeros(exact.shape))
    x = jax.ShapeDtypeStruct((1, 37, 1), "float32")
    assert falsify(all_there, x, axes=(1,)).counterexample is not None


@KINDS
@pytest.mark.parametrize(
    ("fn", "shift", "expected"),
    [
        (conv(), None, (1, (((1, 1),),))),
        (conv(stride=2), 4, (4, (((1, 2),),))),
        (conv(stride=2), -2, (-2, (((1, -1),),))),
        (lambda params, x: conv()(params, x)[:, ::-1], 2, (2, (((1, -2),),))),
    ],
)
def test_laws_are_scaled_from_what_is_proved(fn, shift, expected, kind):
    x = jax.ShapeDtypeStruct((1, 12, 4, 2), "float32")
    (law,) = lattices(jc.certify(fn, PARAMS, x, axes={1: (1,)}, search=False).leaves, (PARAMS, x), kind, shift)
    assert (law.shift, law.moves) == expected
    assert law.origin == "proved"


def test_a_shift_by_half_a_step_may_move_the_output_by_any_whole_step_beside_it():
    x = jax.ShapeDtypeStruct((1, 12, 4, 2), "float32")
    report = jc.certify(conv(stride=2), PARAMS, x, axes={1: (1,)}, search=False).leaves
    (law,) = lattices(report, (PARAMS, x), "interior", 3)
    assert sorted(law.moves) == [((1, 0),), ((1, 1),), ((1, 2),)]


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (lambda x: jnp.cumsum(x, axis=1), (1, (((1, 1),),))),
        (lambda x: jnp.cumsum(x, axis=1)[:, ::2], (2, (((1, 1),),))),
        (lambda x: jnp.repeat(jnp.cumsum(x, axis=1), 3, axis=1), (1, (((1, 3),),))),
        (lambda x: jnp.cumsum(x, axis=1).sum((1, 2)), (1, ((),))),
        (lambda x: jnp.cumsum(x, axis=1).sum((1, 2), keepdims=True), (1, ((),))),
    ],
)
def test_natural_laws_come_from_the_shapes(fn, expected):
    (law,) = lattices(jc.certify(fn, X, axes=(1,), search=False).leaves, (X,), "cyclic")
    assert (law.shift, law.moves) == expected
    assert law.origin == "natural"


@given(length=st.integers(1, 20), shift=st.integers(-6, 6).filter(bool), most=st.integers(4, 30))
def test_multiples_are_all_cyclic_shifts_but_none(length, shift, most):
    x = jax.ShapeDtypeStruct((length,), "float32")
    report = jc.certify(lambda x: x, x, axes=(0,), search=False).leaves
    (law,) = lattices(report, (x,), "cyclic", shift)
    ks = law.multiples(most)
    assert len(ks) <= most
    assert len({k * shift % length for k in ks}) == len(ks)
    assert 0 not in {k * shift % length for k in ks}
    if len(ks) < most:
        assert {k * shift % length for k in ks} | {0} == {k * shift % length for k in range(length)}
    (law,) = lattices(report, (x,), "interior", shift)
    assert all(abs(k * shift) < length for k in law.multiples(most))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kind": "zero"}, ValueError, 'falsify: kind is \'zero\', but should be "cyclic" or "interior"'),
        ({"shift": 0}, ValueError, "falsify: shift is 0, but should be a non-zero number"),
        ({"examples": 0}, ValueError, "falsify: examples is 0, but should be 1 or more"),
        ({"moves": [(1, {4: 1})]}, ValueError, r"falsify: an output axis in moves is 4, but should be from 0 to 3"),
        ({"moves": [(1, {1: 0})]}, ValueError, "a step in moves is 0, .* Leave its axis out"),
        (
            {"moves": []},
            ValueError,
            r"falsify: moves is \[\], but should be one \(shift, \{output axis: t\}\) for each of 1",
        ),
        ({"moves": [(0, {})]}, ValueError, "but should be of shifts that are not 0"),
        (
            {"moves": [(1, {})], "invariant": True},
            ValueError,
            "left out where a shift, a certificate or invariance is given",
        ),
        ({"axes": (7,)}, ValueError, "falsify: an axis is 7"),
        (
            {"axes": (2,), "certificate": jc.certify(jnp.sin, X, axes=(1,), search=False)},
            ValueError,
            "the certificate is of sin, but should be one of the same function, shapes and axes",
        ),
    ],
)
def test_bad_requests_are_refused_by_name(options, error, message):
    with pytest.raises(error, match=message):
        falsify(lambda x: x, X, **{"axes": (1,), **options})


def test_without_hypothesis_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.delitem(sys.modules, "jaxconv.verify.execution.strategies", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"falsify: hypothesis is not installed.*pip install hypothesis"):
        falsify(lambda x: x, X, axes=(1,))


@pytest.mark.parametrize("seed", range(4))
@KINDS
def test_random_programs_are_violated_only_where_nothing_is_proved(seed, kind):
    """Each counterexample replays and violates a law that is not proved, nor known from the program's construction."""
    program = random_program(seed)
    with bare():
        result = falsify(program.fn, *program.arguments, axes={0: program.axes}, kind=kind, examples=10)
    if result.counterexample is not None:
        assert result.counterexample.law.origin == "natural"
        assert violates(program.fn, result.counterexample)
        if kind == program.world:
            along = result.counterexample.law.shifted[0][1]
            assert program.expected[program.axes.index(along)] is None
