"""What NumPy computes of constants has the bits that XLA computes, or is left to XLA."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.primitive_examples import MET, defined

from jaxconv.jaxprs import evaluate
from jaxconv.jaxprs.primitives import PRIMITIVES
from jaxconv.verify import constant_program, numpy_rows
from jaxconv.verify.constant_program import Pending, Task
from jaxconv.verify.domain import bits

RNG = np.random.default_rng(0)
FLOATS = [np.float32, np.float64]
INTEGERS = [np.int8, np.int32, np.uint8, np.uint32, np.int64]
SHAPE = (5, 9)
SPECIAL = [
    0.0,
    -0.0,
    np.inf,
    -np.inf,
    np.nan,
    0.5,
    -0.5,
    1.5,
    2.5,
    1e-45,
    1e-39,
    -1e-300,
    3e38,
    2.0**31,
    -(2.0**31),
    255.0,
    -1.0,
]
UNARY = [lax.neg, lax.abs, lax.sqrt, lax.floor, lax.ceil, lax.sign, lax.square, lax.is_finite,
         lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN), lambda x: lax.integer_pow(x, 2)]  # fmt: skip
BINARY = [lax.add, lax.sub, lax.mul, lax.div, lax.rem, lax.max, lax.min, lax.eq, lax.ne, lax.lt, lax.le, lax.gt, lax.ge]
OF_INTEGERS = [lax.bitwise_and, lax.bitwise_or, lax.bitwise_xor, lax.shift_left, lax.shift_right_arithmetic,
               lax.shift_right_logical]  # fmt: skip
ALONG = [
    lambda x: lax.reduce_sum(x, (0,)), lambda x: lax.reduce_sum(x, (1,)), lambda x: lax.reduce_max(x, (0, 1)),
    lambda x: lax.reduce_min(x, (1,)), lambda x: lax.argmax(x, 1, np.int32), lambda x: lax.argmin(x, 0, np.int32),
    lambda x: lax.cumsum(x, 1), lambda x: lax.cumsum(x, 0, reverse=True), lambda x: lax.reduce_sum(x, (0, 1)),
]  # fmt: skip


def drawn(dtype, shape=SHAPE):
    if np.issubdtype(dtype, np.floating):
        return (RNG.normal(size=shape) * 10.0 ** RNG.integers(-3, 4, shape)).astype(dtype)
    limits = np.iinfo(dtype)
    return RNG.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def only_equation(fn, *operands):
    (equation,) = jax.make_jaxpr(fn)(*operands).eqns
    return equation


def assert_alike(equation, operands):
    """If NumPy computes an equation, it is what XLA computes, bit by bit. Return whether it does."""
    found = numpy_rows.computed(equation, operands)
    if found is None:
        return False
    for ours, xla in zip(found, evaluate.executed(equation, operands), strict=True):
        xla = np.asarray(xla)
        assert (ours.shape, ours.dtype) == (xla.shape, xla.dtype), equation
        np.testing.assert_array_equal(bits(ours.reshape(-1)), bits(xla.reshape(-1)), err_msg=str(equation))
    return True


@pytest.fixture(autouse=True)
def _wide():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
def test_arithmetic_is_that_of_xla(dtype):
    """Of random numbers, none of which is left to XLA, and of numbers that are close to each other or equal."""
    x, y = drawn(dtype), drawn(dtype)
    y = np.where(np.abs(y) < 1, 3, y).astype(dtype)
    unary = UNARY if np.issubdtype(dtype, np.floating) else [lax.sign, lax.square, lambda x: lax.integer_pow(x, 3)]
    unary = [*unary, lax.abs] if np.issubdtype(dtype, np.signedinteger) else unary
    positive = {lax.sqrt: np.abs(x)}
    for fn in unary:
        operand = positive.get(fn, x)
        assert assert_alike(only_equation(fn, operand), [operand]), fn
    for fn in BINARY + (OF_INTEGERS if np.issubdtype(dtype, np.integer) else []):
        by = (y % (8 * y.itemsize)).astype(dtype) if "shift" in fn.__name__ else y
        by = np.where(by == -1, 7, by).astype(dtype) if fn is lax.rem else by
        a, b = (x // 2, by // 2 * 2 + 1) if fn is lax.div and np.issubdtype(dtype, np.integer) else (x, by)
        assert assert_alike(only_equation(fn, a, b), [a, b]), fn
        assert_alike(only_equation(fn, x, x), [x, x])
    for fn in ALONG:
        assert assert_alike(only_equation(fn, x), [x]) or np.issubdtype(dtype, np.floating)


@pytest.mark.parametrize("dtype", FLOATS)
def test_special_numbers_are_those_of_xla_or_left_to_it(dtype):
    """NaN, infinities, zeros of both signs and subnormal numbers, each with each."""
    pairs = list(itertools.product(SPECIAL, repeat=2))
    with np.errstate(all="ignore"):
        for a, b in pairs:
            x, y = np.asarray([a], dtype), np.asarray([b], dtype)
            for fn in BINARY:
                assert_alike(only_equation(fn, x, y), [x, y])
            assert_alike(only_equation(lambda x, y: lax.clamp(x, y, x), x, y), [x, y, x])
        for a in SPECIAL:
            x = np.asarray([a], dtype)
            for fn in UNARY:
                assert_alike(only_equation(fn, x), [x])
            for to in FLOATS + INTEGERS + [bool]:
                if to != dtype:
                    assert_alike(only_equation(lambda x, to=to: lax.convert_element_type(x, to), x), [x])


@pytest.mark.parametrize("dtype", ["int32", "uint8"])
@pytest.mark.parametrize("fn", [lax.div, lax.rem])
def test_division_by_zero_is_left_to_xla(fn, dtype):
    """Its result depends on the device."""
    operands = [np.array([7, 6, 5], dtype), np.array([2, 0, 3], dtype)]
    assert numpy_rows.computed(only_equation(fn, *operands), operands) is None


@pytest.mark.parametrize("fn", [lax.max, lax.min])
def test_the_larger_of_two_zeros_is_left_to_xla(fn):
    """IEEE 754 does not say which it is. NumPy and XLA may agree on this machine, and not on the next."""
    zeros = [np.float32([0.0]), np.float32([-0.0])]
    assert numpy_rows.computed(only_equation(fn, *zeros), zeros) is None
    with numpy_rows.other_bits():
        assert numpy_rows.computed(only_equation(fn, *zeros), zeros) is not None


@pytest.mark.parametrize(("dtype", "to"), list(itertools.permutations([*FLOATS, *INTEGERS], 2)))
def test_casts_are_those_of_xla(dtype, to):
    x = drawn(dtype)
    assert_alike(only_equation(lambda x: lax.convert_element_type(x, to), x), [x])
    small = (x.astype(np.float64) % 100).astype(dtype)
    assert assert_alike(only_equation(lambda x: lax.convert_element_type(x, to), small), [small])


@pytest.mark.parametrize("terms", [1, 2, 7, 16, 31, 32])
@pytest.mark.parametrize("dtype", FLOATS)
def test_short_sums_add_in_the_order_of_xla(dtype, terms):
    for axis, shape in ((0, (terms,)), (0, (terms, 33)), (1, (33, terms)), (1, (3, terms, 5))):
        x = drawn(dtype, shape)
        assert assert_alike(only_equation(lambda x, axis=axis: lax.reduce_sum(x, (axis,)), x), [x])


def test_longer_sums_are_left_to_xla():
    """XLA splits a sum of 33 terms: the order of additions differs."""
    x = drawn(np.float32, (33, 100))
    assert numpy_rows.computed(only_equation(lambda x: lax.reduce_sum(x, (0,)), x), [x]) is None


@pytest.mark.parametrize(
    "name", sorted({*numpy_rows.rows} & {*defined()} - {"cumsum", "round"})
)  # whose examples are left to XLA
def test_examples_of_each_row_are_those_of_xla(name):
    """With the operands' dtypes of JAX's own examples; at least one of them is computed by NumPy."""
    counts = []
    for equation in MET.get(name, []):
        avals = [atom.aval for atom in equation.invars]
        if all(hasattr(aval, "dtype") and not jnp.issubdtype(aval.dtype, jax.dtypes.extended) for aval in avals):
            operands = [(np.arange(aval.size) % 5 + 1).astype(aval.dtype).reshape(aval.shape) for aval in avals]
            counts.append(assert_alike(equation, operands))
    assert any(counts), name


@pytest.mark.parametrize(
    "name", sorted((numpy_rows.element_wise | {*numpy_rows.of_stack}) & {*defined()} - {"round", "cumsum"})
)
def test_a_row_computes_all_trials_at_once(name):
    """With one more axis before those of the operands."""
    counts = []
    for equation in MET.get(name, []):
        avals = [atom.aval for atom in equation.invars]
        alike = len({aval.shape for aval in avals if hasattr(aval, "dtype")}) == 1
        if (alike or name in numpy_rows.of_stack) and not any(
            jnp.issubdtype(aval.dtype, jax.dtypes.extended) for aval in avals
        ):
            stacks = [(np.arange(3 * aval.size) % 5 + 1).astype(aval.dtype).reshape(3, *aval.shape) for aval in avals]
            found = numpy_rows.evaluation(equation)(stacks, (3,))
            for trial, operands in enumerate(zip(*stacks, strict=True)):
                alone = numpy_rows.computed(equation, operands)
                assert (found is None) == (alone is None)
                for together, result in zip(found or (), alone or (), strict=True):
                    np.testing.assert_array_equal(together[trial], result)
            counts.append(found is not None)
    assert any(counts), name


def test_an_unknown_parameter_is_left_to_xla():
    """A row reads every parameter that is understood; one that is added would not be read."""
    equation = only_equation(lambda x: lax.mul(x, x), np.float32([1, 2]))
    assert numpy_rows.computed(equation, [np.float32([1, 2])] * 2) is not None
    for name, value in {"out_dtype": np.dtype(np.float64), "new": 0}.items():
        other = equation.replace(params=equation.params | {name: value})
        assert numpy_rows.computed(other, [np.float32([1, 2])] * 2) is None
    other = equation.replace(params=equation.params | {"new": None})
    assert numpy_rows.computed(other, [np.float32([1, 2])] * 2) is not None


@pytest.mark.parametrize("name", sorted(numpy_rows.rows))
def test_each_row_is_of_a_primitive(name):
    """The table itself does not know which primitives exist."""
    assert name in PRIMITIVES


def test_element_wise_rows_are_the_same_at_every_position_if_bits_do_not_matter():
    """Also for NaN, infinities, subnormal numbers, and zeros of both signs: in lanes of vectors, and in the remainder."""
    pairs = np.float32(list(itertools.product(SPECIAL, repeat=2)))
    with numpy_rows.other_bits(), np.errstate(all="ignore"):
        for fn in [*BINARY, *(lambda x, y, fn=fn: fn(x) for fn in UNARY)]:
            alone = numpy_rows.computed(only_equation(fn, *pairs[:1].T), list(pairs[:1].T))
            if alone is None:
                continue
            for count in (1, 7, 33):
                columns = [np.repeat(column, count) for column in pairs.T]
                (found,) = map(np.float32, numpy_rows.computed(only_equation(fn, *columns), columns))
                rows = found.reshape(len(pairs), count)
                same = (rows == rows[:, :1]) & (np.signbit(rows) == np.signbit(rows[:, :1]))
                assert (same | (np.isnan(rows) & np.isnan(rows[:, :1]))).all(), fn


def tasks_of(fn, *operands):
    """One task for each equation of a function."""
    jaxpr = jax.make_jaxpr(fn)(*operands).jaxpr
    known = dict(zip(jaxpr.invars, operands, strict=True))
    tasks = []
    for number, equation in enumerate(jaxpr.eqns):
        tasks.append(Task(equation, [known[atom] for atom in equation.invars], (number,)))
        known |= {variable: Pending((number,), n) for n, variable in enumerate(equation.outvars)}
    return tasks


def test_a_program_computes_what_its_equations_compute():
    x = np.float32([[1, 2], [3, 5]])
    tasks = tasks_of(lambda x: jnp.fft.fft(lax.exp(lax.sin(x))), x)
    together, apart = constant_program.together(tasks), constant_program.one_by_one(tasks)
    assert together.keys() == apart.keys() == {task.path for task in tasks}
    for path, results in together.items():
        for one, other in zip(results, apart[path], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)


def test_programs_of_equal_structure_are_compiled_once():
    constant_program._compiled.cache_clear()
    for x in (np.float32([1, 2]), np.float32([3, 4])):
        constant_program.together(tasks_of(lambda x: lax.exp(lax.sin(x)), x))
    assert constant_program._compiled.cache_info().currsize == 1
    constant_program.together(tasks_of(lambda x: lax.sin(lax.exp(x)), np.float32([1, 2])))
    constant_program.together(tasks_of(lambda x: lax.exp(lax.sin(x)), np.float32([1, 2, 3])))
    assert constant_program._compiled.cache_info().currsize == 3


def test_programs_of_equal_equations_and_other_operands_are_others():
    x = np.float32([1, 2])
    for fn in (lax.atan2, lambda s, c: lax.atan2(c, s)):
        tasks = tasks_of(lambda x, fn=fn: fn(lax.sin(x), lax.cos(x)), x)
        (found,) = constant_program.together(tasks)[tasks[-1].path]
        np.testing.assert_allclose(found, fn(np.sin(x), np.cos(x)), rtol=1e-5)


def test_parameters_that_python_takes_for_equal_are_not():
    """0.0 == -0.0, and True == 1, but not as parameters."""
    assert constant_program._identity(0.0) != constant_program._identity(-0.0)
    assert constant_program._identity(True) != constant_program._identity(1)


def test_a_failing_equation_fails_alone(monkeypatch):
    """Those that need no result of it are computed."""
    x = np.float32([1, 2])
    tasks = tasks_of(lambda x: (lax.exp(lax.sin(x)), lax.cos(x)), x)
    executed = evaluate.executed

    def failing(equation, operands):
        if equation.primitive is lax.sin_p:
            raise NotImplementedError
        return executed(equation, operands)

    monkeypatch.setattr(evaluate, "executed", failing)
    constant_program._compiled.cache_clear()
    (path,) = constant_program.computed(tasks)
    assert tasks[path[0]].equation.primitive is lax.cos_p
