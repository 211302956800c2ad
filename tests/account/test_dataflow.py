"""Each number of a parameter is counted once, in the layer that uses it: through calls, loops and slices."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.extend.core import Primitive
from support.summary_oracle import objections_to_parameters, objections_to_reuse

import jaxconv as jc


def shape(*sizes, dtype="float32"):
    return jax.ShapeDtypeStruct(sizes, dtype)


X = shape(1, 4)
IMAGE = shape(1, 8, 6, 2)
KERNEL = {"kernel": shape(3, 3, 2, 4), "bias": shape(4)}


def stacked(params, x):
    """Each round of the loop takes another slice."""
    return lax.scan(lambda carry, each: (jc.dense(each, carry), None), x, params)[0]


def repeated(params, x):
    """Each round uses the same matrix."""
    return lax.scan(lambda carry, _: (carry @ params, None), x, None, length=7)[0]


def nested(params, x):
    """Three rounds of two rounds. The outer loop takes slices, the inner loop does not."""
    inner = lambda x, matrix: lax.scan(lambda carry, _: (carry @ matrix, None), x, None, length=2)[0]
    return lax.scan(lambda carry, matrix: (inner(carry, matrix), None), x, params)[0]


def learned_start(params, x):
    """The initial state is a parameter. Later states are data."""
    step = lambda state, x: (state @ params["again"] + x @ params["in"], None)
    return lax.scan(step, params["start"], x)[0]


def raveled(params, x):
    """All parameters in one vector, which is cut into kernels and biases. One number is not used."""
    return jc.dense({"kernel": params[:12].reshape(4, 3), "bias": params[12:15]}, x) @ params[15:21].reshape(3, 2)


def batch_norm(params, x):
    """Moments and scales are combined before they are applied to data."""
    x = jc.conv(params["conv"], x)
    scale = params["scale"] * lax.rsqrt(params["variance"] + 1e-5)
    return (x - params["mean"].reshape(1, 1, 1, 4)) * scale.reshape(1, 1, 1, 4)


def class_token(params, x):
    """A parameter row that is concatenated with the data."""
    return jnp.concatenate([params["token"].reshape(1, 1, 4), x @ params["in"]], axis=1) @ params["out"]


def rounds(params, x):
    """Each round uses another matrix, and the same bias and x."""
    return lax.scan(lambda _, matrix: (None, jc.dense({"kernel": matrix, "bias": params[1]}, x)), None, params[0])[1]


# name: (fn, params, x, (kind, parameters, tied, reuse) of each layer, idle numbers)
LINEAR = {
    "conv": (jc.conv, KERNEL, IMAGE, [("conv", 76, 0, 24)], 0),
    "jit": (jax.jit(jc.conv), KERNEL, IMAGE, [("conv", 76, 0, 24)], 0),
    "checkpoint": (jax.checkpoint(jc.conv), KERNEL, IMAGE, [("conv", 76, 0, 24)], 0),
    "no bias": (jc.conv, {"kernel": KERNEL["kernel"]}, IMAGE, [("conv", 72, 0, 24)], 0),
    "circular": (
        lambda p, x: jc.conv(p, x, padding="circular", groups=2),
        {"kernel": shape(3, 3, 1, 4)},
        IMAGE,
        [("conv", 36, 0, 48)],
        0,
    ),
    "dense on a grid": (jc.dense, {"kernel": shape(2, 5), "bias": shape(5)}, IMAGE, [("dense", 15, 0, 48)], 0),
    "cast": (lambda p, x: x @ p.astype("bfloat16").astype("float32"), shape(4, 3), X, [("dense", 12, 0, 1)], 0),
    "transposed": (lambda p, x: x @ p.T, shape(3, 4), X, [("dense", 12, 0, 1)], 0),
    "spread": (
        lambda p, x: jc.locally_connected({"kernel": jnp.broadcast_to(p, (6, 4, 3, 3, 2, 4))}, x),
        shape(3, 3, 2, 4),
        IMAGE,
        [("local", 72, 0, 24)],
        0,
    ),
    "scale first": (lambda p, x: x * p[None], shape(4), X, [("mul", 4, 0, 1)], 0),
    "rounds": (rounds, (shape(5, 4, 3), shape(3)), X, [("dense", 63, 0, 1)], 0),
    "the same rounds": (
        lambda p, x: lax.map(lambda _: x @ p, jnp.zeros(7)),
        shape(4, 3),
        X,
        [("dense", 12, 0, 7)],
        0,
    ),
    "vmap": (
        lambda p, x: jax.vmap(lambda x: jc.conv(p, x, batched=False))(x),
        KERNEL,
        IMAGE,
        [("conv", 76, 0, 24)],
        0,
    ),
}
# Functions that have several layers or are not linear. The derivative of these is not the number of uses.
OTHERS = {
    "stacked": (
        stacked,
        {"kernel": shape(5, 4, 4), "bias": shape(5, 4)},
        X,
        [("dense", 100, 0, 1)],
        0,
    ),
    "repeated": (repeated, shape(4, 4), X, [("dense", 16, 0, 7)], 0),
    "nested": (nested, shape(3, 4, 4), X, [("dense", 48, 0, 2)], 0),
    "fori": (
        lambda p, x: lax.fori_loop(0, 3, lambda _, y: y @ p, x),
        shape(4, 4),
        X,
        [("dense", 16, 0, 3)],
        0,
    ),
    "unrolled": (lambda p, x: x @ p[0] @ p[2], shape(4, 4, 4), X, [("dense", 16, 0, 1)] * 2, 32),
    "iterated": (
        lambda p, x: [x := x @ matrix for matrix in p][-1],
        shape(3, 4, 4),
        X,
        [("dense", 16, 0, 1)] * 3,
        0,
    ),
    "tied": (lambda p, x: x @ p @ p, shape(4, 4), X, [("dense", 16, 0, 1), ("dense", 0, 16, 1)], 0),
    "partly tied": (
        lambda p, x: (x @ p[:, :3]) @ p[:3, 1:],
        shape(4, 5),
        X,
        [("dense", 12, 0, 1), ("dense", 6, 6, 1)],
        2,
    ),
    "split": (
        lambda p, x: sum(x @ part for part in jnp.split(p, 2, axis=1)),
        shape(4, 6),
        X,
        [("dense", 12, 0, 1)] * 2,
        0,
    ),
    "transposed and cut": (
        lambda p, x: (x @ p.T[:, :3]) @ p[3:, 1:4].T,
        shape(5, 4),
        X,
        [("dense", 12, 0, 1), ("dense", 6, 0, 1)],
        2,
    ),
    "part of a part": (
        lambda p, x: x[:, :2] @ p[2:6][1:3] + x[:, 2:] @ p[3:5],
        shape(8, 3),
        X,
        [("dense", 6, 0, 1), ("dense", 0, 6, 1)],
        18,
    ),
    "raveled": (raveled, shape(22), X, [("dense", 15, 0, 1), ("dense", 6, 0, 1)], 1),
    "one number": (
        lambda p, x: (x @ p["kernel"]) * p["scale"],
        {"kernel": shape(4, 3), "scale": shape()},
        X,
        [("dense", 13, 0, 1)],
        0,
    ),
    "class token": (
        class_token,
        {"token": shape(4), "in": shape(3, 4), "out": shape(4, 4)},
        shape(1, 5, 3),
        [("dense", 16, 0, 5), ("dense", 16, 0, 6)],
        0,
    ),
    "idle": (lambda p, x: x @ p["a"], {"a": shape(4, 3), "b": shape(9)}, X, [("dense", 12, 0, 1)], 9),
    "batch norm": (
        batch_norm,
        {"conv": KERNEL, "scale": shape(4), "variance": shape(4), "mean": shape(4)},
        IMAGE,
        [("conv", 88, 0, 24)],
        0,
    ),
    "low rank": (
        lambda p, x: x @ (p["w"] + p["a"] @ p["b"]),
        {"w": shape(4, 6), "a": shape(4, 1), "b": shape(1, 6)},
        X,
        [("dense", 34, 0, 1)],
        0,
    ),
    "learned start": (
        learned_start,
        {"start": shape(4), "again": shape(4, 4), "in": shape(3, 4)},
        shape(7, 3),
        [("scan", 4, 0, 1), ("dense", 16, 0, 7), ("dense", 12, 0, 7)],
        0,
    ),
    "weight norm": (
        lambda p, x: x @ (p["v"] / jnp.linalg.norm(p["v"]) * p["g"]),
        {"v": shape(4, 3), "g": shape()},
        X,
        [("dense", 13, 0, 1)],
        0,
    ),
    "gradient": (
        lambda p, x: jax.grad(lambda x: jnp.sum(jc.conv(p, x, stride=2) ** 2))(x),
        KERNEL,
        IMAGE,
        [("conv", 76, 0, 6), ("transposed conv", 0, 72, 6)],
        0,
    ),
}


def summarised(fn, params, x):
    return jc.summary(fn, params, x, axes={1: ()})


@pytest.mark.parametrize(
    ("fn", "params", "x", "layers", "idle"), [*LINEAR.values(), *OTHERS.values()], ids=[*LINEAR, *OTHERS]
)
def test_each_parameter_is_counted_once_where_it_meets_data(fn, params, x, layers, idle):
    found = summarised(fn, params, x)
    assert [(layer.kind, layer.parameters, layer.tied, layer.reuse) for layer in found.layers] == layers
    assert found.idle == idle
    assert objections_to_parameters(found, params) == []


@pytest.mark.parametrize("name", LINEAR)
def test_reuse_is_what_a_derivative_counts(name):
    """For parameters of ones, the derivative by a shared number is the number of its uses: the summed-delta rule."""
    fn, params, x, *_ = LINEAR[name]
    assert objections_to_reuse(summarised(fn, params, x), fn, params, x) == []


def test_parameters_counted_twice_or_forgotten_would_be_seen():
    """Two broken twins: a total that counts tied numbers again, and one that leaves out unused numbers."""
    fn, params, x, *_ = OTHERS["partly tied"]
    found = summarised(fn, params, x)
    first, second = found.layers
    again = dataclasses.replace(second, parameters=second.parameters + second.tied)
    assert objections_to_parameters(dataclasses.replace(found, layers=(first, again)), params)
    (weight,) = found.weights
    assert objections_to_parameters(dataclasses.replace(found, weights=(dataclasses.replace(weight, idle=0),)), params)


def test_a_reuse_that_counts_no_positions_would_be_seen():
    """A broken twin: the mean over positions instead of the sum."""
    fn, params, x, *_ = LINEAR["conv"]
    found = summarised(fn, params, x)
    (layer,) = found.layers
    uses = tuple(dataclasses.replace(use, reuse=1) for use in layer.uses)
    broken = dataclasses.replace(found, layers=(dataclasses.replace(layer, uses=uses),))
    assert len(objections_to_reuse(broken, fn, params, x)) == 2


def test_tied_parameters_say_where():
    tokens = shape(1, 7, dtype="int32")
    fn = lambda p, tokens: (p["table"][tokens] @ p["matrix"]) @ p["table"].T
    found = summarised(fn, {"table": shape(50, 8), "matrix": shape(8, 8)}, tokens)
    assert [layer.kind for layer in found.layers] == ["embedding", "dense", "dense"]
    assert {weight.path: weight.layers for weight in found.weights} == {"[0]['matrix']": (1,), "[0]['table']": (0, 2)}
    assert [(layer.parameters, layer.tied) for layer in found.layers] == [(400, 0), (64, 0), (0, 400)]
    assert [layer.multiply_adds for layer in found.layers] == [0, 7 * 8 * 8, 7 * 8 * 50]
    assert found.layers[0].dense == (7 * 50) * (7 * 8)  # 50 numbers of the one-hot row for each token
    assert "[0]['table'] is used in layers 0, 2" in str(found)


def test_a_while_loop_is_not_guessed():
    found = summarised(lambda p, x: lax.while_loop(lambda x: x.sum() < 9, lambda x: x @ p, x) @ p, shape(4, 4), X)
    inside, behind = found.layers
    assert (inside.times, inside.multiply_adds, inside.unshared, inside.reuse) == (None, None, None, None)
    assert (inside.parameters, behind.tied) == (16, 16)
    assert found.multiply_adds == behind.multiply_adds == 16
    assert found.uncounted == (0,)
    assert "layer 0: in a while loop, whose number of rounds is unknown" in str(found)


def test_branches_are_conditions():
    params = [shape(4, 3), shape(4, 5), shape(5, 3)]
    fn = lambda p, x: lax.cond(x.sum() > 0, lambda: x @ p[0], lambda: (x @ p[1]) @ p[2])
    found = summarised(fn, params, X)
    assert [layer.condition for layer in found.layers] == ["branch 0 of 2", "branch 0 of 2", "branch 1 of 2"]
    assert [layer.multiply_adds for layer in found.layers] == [20, 15, 12]
    assert (found.multiply_adds, found.uncounted) == (0, (0, 1, 2))
    assert objections_to_parameters(found, params) == []


def test_parameters_chosen_by_data_are_used():
    params = [shape(4, 3), shape(4, 3)]
    found = summarised(lambda p, x: x @ lax.cond(x.sum() > 0, lambda: p[0], lambda: p[1]), params, X)
    assert objections_to_parameters(found, params) == []
    assert found.idle == 0


def test_what_is_not_followed_is_not_guessed():
    found = summarised(jax.scipy.linalg.solve_triangular, shape(4, 4), shape(4))
    (layer,) = found.layers
    assert (layer.kind, layer.parameters, layer.tied, layer.multiply_adds) == ("triangular_solve", 16, 0, None)
    assert "the multiply-adds of triangular_solve are unknown" in str(found)


def test_a_linear_solve_is_counted_as_its_solver():
    def solve(p, x):
        return lax.custom_linear_solve(lambda v: p @ v, x, lambda matvec, b: matvec(b), lambda matvec, b: b @ p)

    (layer,) = summarised(solve, shape(4, 4), shape(4)).layers
    assert (layer.kind, layer.parameters, layer.multiply_adds) == ("dense", 16, 16)


def test_an_equation_with_a_parameter_that_is_not_known_is_not_counted():
    """A primitive with a known name but an unknown parameter may compute something else."""
    twisted = Primitive("dot_general")
    twisted.def_abstract_eval(lambda x, matrix, **params: x)
    fn = lambda matrix, x: twisted.bind(x, matrix, dimension_numbers=(((1,), (0,)), ((), ())), twist=3)
    (layer,) = jc.summary(fn, shape(4, 4), X).layers
    assert (layer.kind, layer.multiply_adds) == ("dot_general", None)
    (known,) = jc.summary(lambda matrix, x: x @ matrix, shape(4, 4), X).layers
    assert (known.kind, known.multiply_adds) == ("dense", 16)


@pytest.mark.parametrize("key", [jax.eval_shape(lambda: jax.random.key(0)), shape(2, dtype="uint32")])
def test_keys_and_counters_are_no_parameters(key):
    params = {"kernel": shape(4, 3), "steps": shape(dtype="int32")}
    fn = lambda params, key, x: (x @ params["kernel"]) * jax.random.bernoulli(key, 0.5, (1, 3)).astype("float32")
    found = jc.summary(fn, params, key, X)
    assert (found.parameters, [weight.path for weight in found.weights]) == (12, ["[0]['kernel']"])


def test_a_random_projection_has_no_parameters():
    """The matrix is drawn from a key, and a key is not a parameter."""
    fn = lambda key, x: x @ jax.random.normal(key, (4, 3))
    found = summarised(fn, shape(2, dtype="uint32"), X)
    assert [(layer.kind, layer.parameters) for layer in found.layers] == [("fixed dense", 0)]
    assert found.weights == ()


def test_whole_numbers_are_parameters_where_they_are_weights():
    params = {"kernel": shape(4, 3, dtype="int8"), "scale": shape(3)}
    fn = lambda params, x: x @ (params["kernel"].astype("float32") * params["scale"][None])
    assert [(layer.parameters, layer.kind) for layer in summarised(fn, params, X).layers] == [(15, "dense")]
