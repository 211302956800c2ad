"""Effects, random numbers of the device, mutable references, and constants that cannot be executed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental import io_callback
from jax.extend.core import Primitive

import jaxconv as jc
from jaxconv.verify.certificate import Verdict

N = 8
X = jax.ShapeDtypeStruct((N,), "float32")
MAP = jax.ShapeDtypeStruct((N, 2), "float32")


def verdicts(fn, x=X, **settings):
    (leaf,) = jc.certify(fn, x, axes=(0,), search=False, **settings).leaves
    return leaf.axes[0].cyclic, leaf.axes[0].interior


def uniform(shape=()):
    """Return random numbers from the state of the device, which do not depend on the operands."""
    return lax.rng_uniform(jnp.float32(0), jnp.float32(1), shape)


IMPURE = {
    "a number of the device": lambda x: x + uniform(),
    "numbers of the device": lambda x: x + uniform((1,)),
    "a branch on one": lambda x: lax.cond(uniform() > 0.5, jnp.sin, jnp.cos, x),
    "one for each position, by a map": lambda x: lax.map(lambda v: v + uniform(), x),
    "one inside a call": jax.jit(lambda v: v + uniform()),
    "one inside a loop": lambda x: lax.fori_loop(0, 3, lambda _, v: v + uniform(), x),
    "one that is reduced": lambda x: x * jnp.max(uniform((5,))),
    "one in each window": lambda x: lax.reduce_window(
        x, np.float32(0), lambda a, b: a + b * uniform(), (3,), (1,), [(0, 0)]
    ),
    "a callback without operands": lambda x: (
        x + jax.pure_callback(lambda: np.float32(1), jax.ShapeDtypeStruct((), "f4"))
    ),
    "a callback that acts": lambda x: x + io_callback(lambda: np.float32(1), jax.ShapeDtypeStruct((), "float32")),
}


@pytest.mark.parametrize("name", IMPURE)
def test_what_is_no_function_of_its_operands_is_not_proved(name):
    for claim in verdicts(IMPURE[name]):
        assert claim.verdict is Verdict.UNDECIDED
        assert "not a function of its operands" in claim.culprit.reason


def test_a_primitive_that_nobody_knows_is_no_function_of_what_stays():
    """An unknown primitive may read a state. Its result is unknown even if its operands are invariant."""
    unknown = Primitive("unknown")
    unknown.def_abstract_eval(lambda x: x)
    for claim in verdicts(lambda x: x + unknown.bind(jnp.float32(1))):
        assert claim.verdict is Verdict.UNDECIDED
        assert "the primitive unknown is not known" in claim.culprit.reason


def test_random_numbers_of_a_key_are_a_function_of_it():
    """The counterpart of `IMPURE`: random numbers of a key are pure."""
    fn = lambda x: x + jax.random.uniform(jax.random.key(0), (1,))
    assert [claim.verdict for claim in verdicts(fn)] == [Verdict.PROVED] * 2


@pytest.mark.parametrize("values", [False, True])
def test_callbacks_of_constants_are_not_executed(values):
    calls = []

    def callback(*operands):
        calls.append(operands)
        raise RuntimeError("executed")

    like = jax.ShapeDtypeStruct((N,), "float32")
    fn = lambda x: x + jax.pure_callback(callback, like, jnp.arange(N))
    assert [claim.verdict for claim in verdicts(fn, values=values)] == [Verdict.UNDECIDED] * 2
    assert calls == []


def test_a_closed_over_reference_is_not_read():
    reference = jax.new_ref(jnp.ones(()))

    def fn(x):
        reference[...] += 1.0
        return x + reference[...]

    cyclic, interior = verdicts(fn)
    assert (cyclic.verdict, interior.verdict) == (Verdict.UNDECIDED, Verdict.UNDECIDED)
    assert "get" in cyclic.culprit.reason


def test_a_reference_that_a_loop_changes_is_not_read():
    def fn(x):
        reference = jax.new_ref(jnp.zeros(()))
        lax.fori_loop(0, 3, lambda i, c: (reference.__setitem__(..., reference[...] + 1.0), c)[1], 0)
        return x + jax.freeze(reference)

    assert [claim.verdict for claim in verdicts(fn)] == [Verdict.UNDECIDED] * 2


SPOILS_NOTHING = {
    "a print": lambda x: (jax.debug.print("{}", x[0]), jnp.sin(x))[1],
    "a print inside a call": jax.jit(lambda v: (jax.debug.print("{}", v[0]), jnp.sin(v))[1]),
    "a print inside a map": lambda x: lax.map(lambda v: (jax.debug.print("{}", v), jnp.sin(v))[1], x),
    "a print inside a loop": lambda x: lax.fori_loop(0, 3, lambda i, v: (jax.debug.print("{}", i), jnp.sin(v))[1], x),
    "a print inside a branch": lambda x: lax.cond(
        x.sum() * 0 > 1, lambda v: (jax.debug.print("{}", v[0]), jnp.sin(v))[1], jnp.sin, x
    ),
    "a callback whose result nobody reads": lambda x: (jax.pure_callback(np.sin, x, x), jnp.sin(x))[1],
    "numbers of the device that nobody reads": lambda x: (uniform(), jnp.sin(x))[1],
}


@pytest.mark.parametrize("name", SPOILS_NOTHING)
def test_an_effect_that_reaches_no_output_spoils_nothing(name):
    cyclic, _ = verdicts(SPOILS_NOTHING[name])
    assert (cyclic.verdict, cyclic.shift, cyclic.moves) == (Verdict.PROVED, 1, ((0, 1),))


def shard_mapped(constant):
    mesh = jax.make_mesh((1,), ("d",), axis_types=(jax.sharding.AxisType.Auto,), devices=jax.devices()[:1])
    spec = jax.sharding.PartitionSpec("d")
    return jax.shard_map(lambda v: v + lax.psum(v, "d"), mesh=mesh, in_specs=spec, out_specs=spec)(constant)


NOT_COMPUTED = {
    "a shard_map of constants": lambda x: x + shard_mapped(np.ones(N, np.float32)),
    "a solution in bfloat16": lambda x: x + jnp.linalg.solve(jnp.eye(N), jnp.arange(N, dtype=jnp.float32)),
    "a constant that raises": lambda x: x + jnp.linalg.cholesky(jnp.eye(3, dtype=jnp.bfloat16).astype(x.dtype))[0, 0],
}


@pytest.mark.parametrize("name", NOT_COMPUTED)
@pytest.mark.parametrize("values", [False, True])
def test_a_constant_that_cannot_be_computed_is_one_that_is_not_known(name, values):
    """An exception while a constant is folded ends the folding, not `certify`."""
    jc.certify(NOT_COMPUTED[name], X, axes=(0,), search=False, values=values)


def test_folding_survives_debug_nans():
    with jax.debug_nans(True):
        (claim, _) = verdicts(lambda x: x * jnp.where(jnp.isnan(jnp.log(-jnp.ones(()))), 1.0, 2.0), values=True)
    assert claim.verdict is Verdict.PROVED
