"""Errors of `certify`: invalid arguments, exceptions of the function, and rules that raise."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import sparse as jsparse

import jaxconv as jc
from jaxconv.verify import failures
from jaxconv.verify.claims import Verdict
from jaxconv.verify.domain import Moving, Pieces
from jaxconv.verify.rule_table import RULES

certify = partial(jc.certify, search=False)  # proofs only

X = jax.ShapeDtypeStruct((1, 12, 8, 2), "float32")


@pytest.mark.parametrize(
    ("arguments", "axes", "error", "message"),
    [
        ((X,), (4,), ValueError, r"certify: an axis is 4, but should be from -4 to 3: argument 0 has shape \(1, 12, 8, 2\)"),
        ((X,), (-5,), ValueError, "certify: an axis is -5, but should be from -4 to 3"),
        ((X,), (), ValueError, "axes is empty, but should be one axis or more"),
        ((X, X), (1,), ValueError, r"certify: axes is \(1,\), but should be a dict, .* Write \{1: \(1, 2\)\} to shift"),
        ((X, X), {2: (1,)}, ValueError, "the argument's number in axes is 2, but should be from 0 to 1"),
        ((X, X), {0: (1,), 1: (2,)}, ValueError, "the length of argument 1 along axis 2 is 8, but should be 12, the length of argument 0"),
        (({"x": X},), (1,), TypeError, "certify: argument 0 is dict, but should be an array, since it has axes to shift"),
        ((jax.ShapeDtypeStruct((1, 0, 8, 2), "float32"),), (1,), ValueError, "the length of argument 0 along axis 1 is 0, but should be 1 or"),
    ],
)  # fmt: skip
def test_bad_requests_are_refused_by_name(arguments, axes, error, message):
    with pytest.raises(error, match=message):
        certify(lambda *args: args, *arguments, axes=axes)


def test_a_function_that_does_not_trace_says_so_itself():
    with pytest.raises(jax.errors.TracerBoolConversionError, match="Attempted boolean conversion"):
        certify(lambda x: x if x.sum() > 0 else -x, X, axes=(1,))


class OfTheUserError(Exception):
    """An exception that no library raises."""


@pytest.mark.parametrize("verb", ["certify", "check", "falsify", "recheck", "summary"])
def test_what_the_function_raises_passes_through_with_a_note(verb):
    raised = OfTheUserError("mine")

    def broken(params, x):
        raise raised

    call = {
        "certify": partial(certify, axes={1: (1,)}),
        "check": partial(jc.check, axes={1: (1,)}, integers=True),
        "falsify": partial(jc.falsify, axes={1: (1,)}),
        "summary": jc.summary,
        "recheck": lambda *args: jc.recheck(certify(lambda p, x: x, *args[1:], axes={1: (1,)}), *args),
    }[verb]
    with pytest.raises(OfTheUserError, match="mine") as caught:
        call(broken, {"bias": jnp.zeros(3), "scale": 2.0}, X)
    assert caught.value is raised
    scale = "float32[]" if verb == "check" else "float"  # check traces shapes, and keeps the trace for the next call
    note = f"{verb} was tracing broken([0]['bias']: float32[3], [0]['scale']: {scale}, float32[1,12,8,2])"
    assert caught.value.__notes__[-1] == note  # JAX may add a note about hidden frames before it


@pytest.mark.parametrize("verb", ["certify", "check", "falsify", "recheck", "summary"])
def test_symbolic_dimensions_are_refused(verb):
    (n,) = jax.export.symbolic_shape("n")
    call = {
        "certify": partial(jc.certify, axes=(1,)),
        "check": partial(jc.check, axes=(1,), integers=True),
        "falsify": partial(jc.falsify, axes=(1,)),
        "recheck": partial(jc.recheck, certify(jnp.sin, X, axes=(1,))),
        "summary": jc.summary,
    }[verb]
    message = rf"^{verb}: argument 0 is float32\[n,12,8,2\], but should be of a concrete shape\. Pass concrete sizes"
    with pytest.raises(ValueError, match=message):
        call(jnp.sin, jax.ShapeDtypeStruct((n, 12, 8, 2), "float32"))


@pytest.mark.parametrize(
    "error", [KeyError, NotImplementedError, RecursionError, RuntimeError, ZeroDivisionError, OfTheUserError]
)
@pytest.mark.parametrize(("name", "of"), [("sin", Moving), ("slice", Pieces)])
def test_a_rule_that_fails_ends_the_proof_and_not_certify(monkeypatch, name, of, error):
    """This holds for every exception. If a rule for pieces fails, the result of the other rule remains."""
    called = []

    def fails(equation):
        called.append(equation.name)
        raise error("not expected")

    monkeypatch.setitem(RULES[of], name, fails)
    monkeypatch.setattr(failures, "RAISE_FAILURES", False)
    claim = certify(lambda x: jnp.roll(jnp.sin(x), 1, 1), X, axes=(1,)).leaves[0].axes[0].cyclic
    assert called
    if name == "sin":
        assert claim.culprit.reason.startswith(f"the rule for sin failed: {error.__name__}(")
    else:
        assert claim.verdict == Verdict.PROVED


def test_a_shape_in_place_of_an_array_gets_the_line_to_write():
    with pytest.raises(TypeError, match=r'Write jax.ShapeDtypeStruct\(\(1, 8, 8, 1\), "float32"\)'):
        certify(jnp.sin, (1, 8, 8, 1), axes=(1,))


def test_a_container_that_has_a_shape_is_no_array():
    """A shift of the numbers of a sparse matrix was proved, and called a shift of the matrix."""
    sparse = jsparse.BCOO.fromdense(jnp.eye(4))
    with pytest.raises(TypeError, match="argument 0 is BCOO, a container of 2 arrays, but should be an array"):
        certify(lambda m: m.data * 2, sparse, axes=(0,))


@pytest.mark.parametrize("transform", [jax.jit, jax.grad, jax.vmap])
@pytest.mark.parametrize("verb", ["certify", "check", "falsify", "recheck"])
def test_what_executes_may_be_called_while_another_function_is_traced(verb, transform):
    """The executions are not part of that trace."""
    cells = np.arange(12, dtype=np.float32).reshape(1, 6, 2)
    halved = lambda x: jc.avg_pool(x, (2,))  # refuted for shifts by 1, by an execution
    calls = {
        "certify": lambda: jc.certify(lambda x: jnp.cumsum(x, 1), cells, axes=(1,)).cyclic == Verdict.REFUTED,
        "check": lambda: bool(jc.check(halved, cells, axes=(1,), moves=[(2, {1: 1})])),
        "falsify": lambda: jc.falsify(halved, cells, axes=(1,), invariant=True).counterexample is not None,
        "recheck": lambda: jc.recheck(certify(halved, cells, axes=(1,)), halved, cells) == (),
    }
    assert calls[verb]()
    inside = []

    def traced(x):
        inside.append(calls[verb]())
        return x

    transform(traced)(jnp.ones(3) if transform is jax.vmap else jnp.float32(1))
    assert inside == [True]
