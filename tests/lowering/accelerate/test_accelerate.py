"""`accelerate` keeps everything of a function but its window operations: calls, loops, custom derivatives, effects."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from support.accelerated_functions import (
    COMPILED,
    FUNCTIONS,
    KERNEL,
    X,
    assert_equal,
    conv,
    custom_jvp,
    custom_vjp,
    looped,
    pool,
    rematerialised,
    with_gradient,
)
from support.numpy_evaluation import evaluated

import jaxconv as jc
from jaxconv.jaxprs.traverse import equations
from jaxconv.lowering import use_algorithm


def primitives(fn, *arguments):
    return [equation.primitive.name for equation, _ in equations(jax.make_jaxpr(fn)(*arguments))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_and_its_gradient_are_computed_alike(name):
    """`accelerate` before and after differentiation; and no equation of lax is left."""
    fn = FUNCTIONS[name]
    expected = evaluated(with_gradient(fn))(X, KERNEL)
    for accelerated in (with_gradient(jc.accelerate(fn)), jc.accelerate(with_gradient(fn))):
        assert_equal(evaluated(accelerated)(X, KERNEL), expected)
        assert "conv_general_dilated" not in primitives(accelerated, X, KERNEL)


@pytest.mark.parametrize("name", COMPILED)
def test_effects_and_collectives_are_kept(name, capsys):
    fn = COMPILED[name]
    expected = jax.jit(with_gradient(fn))(X, KERNEL)
    jax.effects_barrier()
    prints = capsys.readouterr().out
    for accelerated in (with_gradient(jc.accelerate(fn)), jc.accelerate(with_gradient(fn))):
        assert_equal(jax.jit(accelerated)(X, KERNEL), expected)
        jax.effects_barrier()
        assert capsys.readouterr().out == prints
        assert "conv_general_dilated" not in primitives(accelerated, X, KERNEL)


def test_a_while_loop_is_entered():
    assert_equal(evaluated(jc.accelerate(looped))(X, KERNEL), evaluated(looped)(X, KERNEL))
    found = jc.accelerate(looped).explain(X, KERNEL)
    assert {row.primitive for row in found.replaced} == {"conv_general_dilated", "reduce_window_max"}


def test_a_function_with_its_own_vmap_keeps_it():
    """Outside of vmap it is entered; under vmap its author's function runs."""

    @jax.custom_batching.custom_vmap
    def own(x):
        return conv(x, KERNEL)

    @own.def_vmap
    def _(size, batched, x):
        return jax.vmap(lambda x: 2 * conv(x, KERNEL))(x), True

    assert "conv_general_dilated" not in primitives(jc.accelerate(own), X)
    assert_equal(jax.jit(jax.vmap(jc.accelerate(own)))(X[None]), jax.jit(jax.vmap(own))(X[None]))


def test_what_is_inside_an_equation_that_is_not_entered_is_listed():
    """A composite is lowered as its author says."""
    composite = lax.composite(conv, name="test.conv")
    found = jc.accelerate(composite).explain(X, KERNEL)
    assert found.replaced == ()
    assert [row.reason for row in found.kept] == ["composite is not entered"]
    assert "conv_general_dilated" in primitives(jc.accelerate(composite), X, KERNEL)


def test_a_linear_solver():
    """Its matrix, its transpose and its solution are jaxprs of one equation."""
    matrix = lambda kernel: lambda x: 64 * x + conv(x, kernel)
    solve = lambda kernel, x: jax.scipy.sparse.linalg.cg(matrix(kernel), x, maxiter=2)[0]
    assert "conv_general_dilated" not in primitives(jc.accelerate(solve), KERNEL, X)
    step = jax.grad(lambda kernel, x: solve(kernel, x).sum())
    # Few float32 operations on numbers of one size: 1e-5 of it is 80 roundings.
    np.testing.assert_allclose(jax.jit(jc.accelerate(step))(KERNEL, X), jax.jit(step)(KERNEL, X), rtol=1e-5, atol=1e-5)


def test_a_custom_rule_that_is_dropped_would_be_seen():
    """The broken twin: derivatives of the convolution itself."""
    assert_equal(evaluated(custom_vjp)(X, KERNEL), evaluated(conv)(X, KERNEL))
    for custom in (custom_jvp, custom_vjp):
        with pytest.raises(AssertionError):
            assert_equal(evaluated(with_gradient(custom))(X, KERNEL), evaluated(with_gradient(conv))(X, KERNEL))


def test_a_policy_sees_laxs_convolution():
    """So the result of a convolution is saved and not computed again, as before."""
    seen = []

    def policy(primitive, *_, **params):
        seen.append(primitive.name)
        assert "dimension_numbers" in params or primitive.name != "conv_general_dilated"
        return primitive is lax.conv_general_dilated_p

    expected = primitives(jax.grad(lambda x, kernel: rematerialised(x, kernel, policy=policy).sum()), X, KERNEL)
    before, seen[:] = [*seen], []
    found = primitives(lambda x, kernel: jax.grad(lambda x: jc.accelerate(partial(rematerialised, policy=policy))(x, kernel).sum())(x), X, KERNEL)  # fmt: skip
    assert "conv_general_dilated" in seen
    assert "jaxconv_conv" not in seen
    assert seen.count("conv_general_dilated") == before.count("conv_general_dilated")
    count = lambda names, *which: sum(name in which for name in names)
    assert count(found, "jaxconv_conv") + count(found, "jaxconv_conv_input_grad") == count(
        expected, "conv_general_dilated"
    )


def test_calls_keep_their_names_and_donated_arguments():
    step = jax.jit(lambda kernel, x: kernel - conv(x, kernel).sum(), donate_argnums=0)
    (call,) = jax.make_jaxpr(jc.accelerate(step))(KERNEL, X).jaxpr.eqns
    (before,) = jax.make_jaxpr(step)(KERNEL, X).jaxpr.eqns
    for name in ("name", "donated_invars", "keep_unused"):
        assert call.params[name] == before.params[name]
    kernel = jnp.asarray(KERNEL)
    jc.accelerate(step)(kernel, X)
    assert kernel.is_deleted()


def test_a_jitted_function_is_compiled_once():
    """Each call traces again, but JAX finds its jaxpr, and so its program, again."""
    traced = []

    @jax.jit
    def step(x, kernel):
        traced.append(1)
        return conv(x, kernel).sum()

    accelerated = jc.accelerate(step)
    traced_again = lambda: jax.make_jaxpr(partial(accelerated))(X, KERNEL)  # a new function, which JAX does not know
    jaxprs = [traced_again().jaxpr.eqns[0].params["jaxpr"] for _ in range(2)]
    assert jaxprs[0] is jaxprs[1]
    assert len(traced) == 1
    with use_algorithm("nhwc"):
        other = traced_again().jaxpr.eqns[0].params["jaxpr"]
    assert other is not jaxprs[0]


def test_transformations_nest():
    scores = lambda kernel, x: pool(conv(x, kernel)).sum()
    fast = jc.accelerate(scores)
    batch = np.stack([X, -X])
    for transform in (
        lambda fn: jax.vmap(fn, (None, 0)),
        lambda fn: jax.vmap(jax.grad(fn), (None, 0)),
        lambda fn: lambda kernel, x: lax.map(lambda each: jax.grad(fn)(kernel, each), x),
    ):
        expected = evaluated(transform(scores))(KERNEL, batch)
        assert_equal(evaluated(transform(fast))(KERNEL, batch), expected)
        assert_equal(evaluated(jc.accelerate(transform(scores)))(KERNEL, batch), expected)
    quadratic = lambda kernel: jnp.square(conv(X, kernel)).sum()
    for transform in (
        jax.hessian,
        lambda fn: lambda kernel: jax.linearize(fn, kernel)[1](kernel),
        lambda fn: lambda kernel: jax.jvp(fn, (kernel,), (kernel,)),
    ):
        assert_equal(evaluated(transform(jc.accelerate(quadratic)))(KERNEL), evaluated(transform(quadratic))(KERNEL))
    twice = jc.accelerate(jc.accelerate(scores))
    assert primitives(twice, KERNEL, X) == primitives(fast, KERNEL, X)


def test_names_of_axes_are_known_inside():
    """A sum over the axis of a vmap, as of batch normalisation."""
    total = lambda x, kernel: lax.psum(conv(x[None], kernel), "batch")
    run = lambda fn: jax.vmap(fn, (0, None), axis_name="batch")
    assert_equal(jax.jit(run(jc.accelerate(total)))(X, KERNEL), jax.jit(run(total))(X, KERNEL))


@jc.accelerate
def decorated(x, kernel, *, mode, scale=1):
    """A function with settings."""
    return scale * conv(x, kernel) if mode == "conv" else pool(x)


def test_arguments_that_are_no_arrays_are_passed_on():
    """By position or keyword, static under jit or not; results that are no arrays come back."""
    assert (decorated.__name__, decorated.__doc__) == ("decorated", "A function with settings.")
    assert list(inspect.signature(decorated).parameters) == ["x", "kernel", "mode", "scale"]
    assert_equal(
        evaluated(lambda x: decorated(x, kernel=KERNEL, mode="conv", scale=2))(X), 2 * np.asarray(conv(X, KERNEL))
    )
    static = jax.jit(decorated, static_argnames=("mode", "scale"))
    assert "jaxconv_max_pool" in primitives(lambda x: static(x, KERNEL, mode="pool"), X)
    settings = object()
    found = jc.accelerate(lambda x, settings: (x, settings, 3, "text", np.ones(2)))(X, settings)
    assert found[0] is X or isinstance(found[0], jax.Array)
    assert found[1:4] == (settings, 3, "text")
    assert isinstance(found[4], np.ndarray)


def test_a_method():
    class Model:
        kernel = KERNEL

        @jc.accelerate
        def scores(self, x):
            return conv(x, self.kernel)

    assert_equal(evaluated(Model().scores)(X), evaluated(conv)(X, KERNEL))
    assert len(Model().scores.explain(X).replaced) == 1


def test_a_function_that_changes_its_arguments_is_refused():
    """It is traced with copies of their containers, so the changes would be lost."""

    def counted(state, x):
        state["steps"] = state["steps"] + 1
        return conv(x, KERNEL)

    def noted(state, x, *, log):
        log.append(x)
        return conv(x, state["kernel"])

    with pytest.raises(
        ValueError, match=r"accelerate: fn is a function that changes .*\(\[0\]\['steps'\]\), but should"
    ):
        jc.accelerate(counted)({"steps": jnp.zeros(())}, X)
    with pytest.raises(ValueError, match=r"\(\[0\]\['steps'\]\)"):
        jc.accelerate(counted)({"steps": 0}, X)
    with pytest.raises(ValueError, match=r"\(\['log'\]\[0\]\)"):
        jc.accelerate(noted)({"kernel": KERNEL}, X, log=[])
    assert len(jc.accelerate(counted).explain({"steps": 0}, X).replaced) == 1


def test_a_change_that_is_returned_is_not_lost():
    """As of a state that `nnx.merge` shares with the model, which is returned."""

    def moved(state, x):
        state["mean"] = conv(x, KERNEL).sum()
        return dict(state)

    found = jc.accelerate(moved)({"mean": 0.0, "kernel": KERNEL}, X)
    assert_equal(found, {"mean": np.asarray(conv(X, KERNEL)).sum(), "kernel": KERNEL})


def test_a_call_that_returns_its_operand_changes_nothing():
    """As `nnx.jit`, which replaces all leaves of a model by the results of one call."""

    def replaced(state, x):
        state["kernel"], state["scale"], y = jax.jit(lambda kernel, scale, x: (kernel, scale, conv(x, kernel)))(
            state["kernel"], state["scale"], x
        )
        return y

    def exchanged(state, x):
        state["a"], state["b"] = jax.jit(lambda a, b: (b, a))(state["a"], state["b"])
        return x

    state = {"kernel": KERNEL, "scale": np.float32(2)}
    assert_equal(evaluated(lambda x: jc.accelerate(replaced)(dict(state), x))(X), evaluated(conv)(X, KERNEL))
    with pytest.raises(ValueError, match=r"\(\[0\]\['a'\] and 1 more\)"):
        jc.accelerate(exchanged)({"a": X, "b": X + 1}, X)


def test_a_function_without_arrays():
    assert_equal(evaluated(jc.accelerate(lambda: conv(X, KERNEL)))(), evaluated(conv)(X, KERNEL))


def test_weak_types_and_placements_are_kept():
    weak = lambda x, times: (x * times, pool(x), times * 2)
    found, expected = (jax.eval_shape(fn, X, 1.0) for fn in (jc.accelerate(weak), weak))
    assert [leaf.weak_type for leaf in found] == [leaf.weak_type for leaf in expected]
    placed = jax.device_put(X, jax.devices()[0])
    assert jc.accelerate(pool)(placed).committed
    assert not jc.accelerate(pool)(jnp.asarray(X)).committed


def test_explicit_sharding_is_left_to_lax():
    mesh = jax.make_mesh((1,), ("devices",), axis_types=(AxisType.Explicit,), devices=jax.devices()[:1])
    with jax.set_mesh(mesh):
        x = jax.device_put(X, NamedSharding(mesh, PartitionSpec("devices")))
        found = jc.accelerate(conv).explain(x, KERNEL)
        assert jax.typeof(jc.accelerate(conv)(x, KERNEL)) == jax.typeof(conv(x, KERNEL))
    assert [row.reason for row in found.kept] == ["its sharding is explicit, which is left to lax"]


def test_export_of_any_batch_and_of_any_size():
    run = lambda x: pool(conv(x, KERNEL))
    (n,) = export.symbolic_shape("n")
    exported = export.export(jax.jit(jc.accelerate(run)))(jax.ShapeDtypeStruct((n, 6, 5, 2), np.float32))
    assert_equal(np.asarray(exported.call(X)), evaluated(run)(X))
    h, w = export.symbolic_shape("h, w")
    found = jc.accelerate(run).explain(jax.ShapeDtypeStruct((3, h, w, 2), np.float32))
    assert found.replaced == ()
    assert all("is not known yet: (h, w)" in row.reason for row in found.kept)


@pytest.mark.parametrize("algorithm", ["lax", "nhwc"])
def test_a_forced_algorithm(algorithm):
    with use_algorithm(algorithm):
        found = jc.accelerate(with_gradient(conv)).explain(X, KERNEL)
    if algorithm == "lax":
        assert [row.reason for row in found.kept] == ['use_algorithm("lax") keeps it'] * 3
    else:
        assert [set(row.algorithms.values()) for row in found.replaced] == [{"nhwc"}] * 3


def test_other_platforms_keep_laxs_operations():
    """The primitives lower to lax's operations there, without executing anything: the text of the program."""
    lowered = jax.jit(jc.accelerate(with_gradient(lambda x, kernel: pool(conv(x, kernel))))).trace(X, KERNEL)
    text = lowered.lower(lowering_platforms=("tpu",)).as_text()
    assert text.count("stablehlo.convolution") == 3
    assert "stablehlo.reduce_window" in text
    assert "stablehlo.select_and_scatter" in text


def test_what_was_replaced_is_certified():
    x = jax.ShapeDtypeStruct((1, 32, 32, 2), np.float32)
    certificate = jc.certify(jc.accelerate(lambda x: pool(conv(x, KERNEL))), x, axes=(1,))
    assert certificate.leaves[0].axes[0].interior.verdict.value == "PROVED"
