"""A message begins with the name of the innermost public function that is running, however it was called."""

import inspect
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import jax
import jax.numpy as jnp
import pytest

import jaxconv as jc
from jaxconv import errors, testing
from jaxconv.errors import explain, public, public_as, public_name
from jaxconv.testing import strategies
from jaxconv.training import data, lenet, step
from jaxconv.verify import measures

X = jnp.zeros((1, 4, 4, 2))
KERNEL = {"kernel": jnp.zeros((3, 3, 1, 3))}  # for one channel, not for two
ONE_CHANNEL = "conv: x's number of channels is 2, but should be 1"


@public
def outer(call=public_name):
    return public_name(), call(), public_name()


@public
def inner():
    return public_name()


@public
def names(count):
    for _ in range(count):
        yield public_name()


def wrong(x):
    return jc.conv(KERNEL, x)


def own(module):
    """The public functions of a module, without those that it imports for its own use."""
    exports = module in (jc, testing, measures)
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and inspect.isfunction(value) and (exports or value.__module__ == module.__name__)
    }


FUNCTIONS = {name: value for module in (jc, testing, measures) for name, value in own(module).items()}


def test_a_public_function_names_itself_and_what_it_calls_names_itself():
    assert outer() == ("outer", "outer", "outer")
    assert outer(inner) == ("outer", "inner", "outer")


def test_the_message_begins_with_the_name():
    assert outer(lambda: explain("x", 1, "2", "Add 1"))[1] == "outer: x is 1, but should be 2. Add 1."


def test_without_a_public_function_the_message_names_the_library():
    assert public_name() == "jaxconv"


def test_a_failed_call_leaves_no_name_behind():
    with pytest.raises(ZeroDivisionError):
        outer(lambda: 1 // 0)
    assert public_name() == "jaxconv"


def test_a_function_may_have_another_name():
    assert public_as("another")(lambda call: call())(public_name) == "another"
    with pytest.raises(ValueError, match="Pad: lo is -1"):
        outer(lambda: jc.Pad(-1, 0))


def test_a_generator_names_itself_while_it_runs_and_only_then():
    drawn = names(2)
    assert (next(drawn), public_name(), next(drawn)) == ("names", "jaxconv", "names")
    assert outer(names(1).__next__) == ("outer", "names", "outer")


def test_threads_do_not_see_each_others_names():
    """Both are inside their public function when the names are read."""
    met = Barrier(2)

    def read(function):
        return function(lambda: (met.wait(10), public_name())[1])

    other = public_as("other")(lambda call: call())
    with ThreadPoolExecutor(2) as pool:
        assert [*pool.map(read, (lambda call: outer(call)[1], other))] == ["outer", "other"]
        assert pool.submit(public_name).result() == "jaxconv"


@pytest.mark.parametrize("transform", [jax.jit, jax.vmap, jax.checkpoint, jax.grad, jax.make_jaxpr])
def test_transformations_keep_the_name(transform):
    function = lambda x: wrong(x if x.ndim == 4 else x[None])
    with pytest.raises(ValueError, match=ONE_CHANNEL):
        transform(function)(X)


def test_loops_keep_the_name():
    with pytest.raises(ValueError, match=ONE_CHANNEL):
        jax.lax.scan(lambda x, _: (wrong(x), None), X, length=2)


@pytest.mark.parametrize("run", [jc.certify, jc.check, jc.falsify, testing.assert_equivariant])
def test_a_layer_in_the_users_function_names_itself(run):
    with pytest.raises(ValueError, match=ONE_CHANNEL):
        run(wrong, X, axes=(1, 2))


def test_the_note_names_the_function_that_traces():
    with pytest.raises(ValueError, match=ONE_CHANNEL) as caught:
        jc.certify(wrong, X, axes=(1, 2))
    assert caught.value.__notes__[-1] == "certify was tracing wrong(float32[1,4,4,2])"


def test_a_function_that_was_called_often_or_is_watched_keeps_its_name():
    """Python rewrites the instructions of such functions."""
    assert {inner() for _ in range(10_000)} == {"inner"}
    before = sys.gettrace()
    sys.settrace(lambda *event: None)
    try:
        assert inner() == "inner"
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("module", [jc, testing, measures, strategies, data, lenet, step], ids=lambda m: m.__name__)
def test_public_functions_are_registered_under_their_names(module):
    """All functions of the package, of testing and of measures; and the others that name themselves in messages."""
    registered = {name: errors._names.get(inspect.unwrap(value).__code__) for name, value in own(module).items()}
    assert {name: found for name, found in registered.items() if found not in (name, None)} == {}
    assert any(registered.values())
    if module in (jc, testing, measures):
        assert [name for name, found in registered.items() if found is None] == []


@pytest.mark.parametrize("decorator", [public, public_as("another")])
def test_registering_returns_the_function_itself(decorator):
    """A wrapper would have another frame, signature and pickle."""
    function = lambda x: x
    assert decorator(function) is function


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_can_be_pickled(name):
    assert pickle.loads(pickle.dumps(FUNCTIONS[name])) is FUNCTIONS[name]
