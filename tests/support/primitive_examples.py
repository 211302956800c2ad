"""Examples of each primitive of lax, jax.random and linalg, whose equations the contract tests read."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import Primitive, jaxprs_in_params

import jaxconv as jc

V = (np.arange(1, 9) / 10).astype(np.float32)
X = (np.arange(24).reshape(4, 6) % 7 + 1).astype(np.float32)
SQUARE = (np.arange(9).reshape(3, 3) % 4 + 3 * np.eye(3)).astype(np.float32)
SYMMETRIC = SQUARE @ SQUARE.T
IMAGE = (np.arange(128).reshape(1, 8, 8, 2) % 5).astype(np.float32)
KERNEL = (np.arange(36).reshape(3, 3, 2, 2) % 3).astype(np.float32)
WHOLE = np.arange(8, dtype=np.int32) - 3
Z = (np.arange(4) + 1j).astype(np.complex64)
HWIO = ("NHWC", "HWIO", "NHWC")
UNARY = (
    "abs acos acosh asin asinh atan atanh cbrt ceil cos cosh digamma erf erf_inv erfc exp exp2 expm1 floor is_finite "
    "lgamma log log1p logistic neg rsqrt sign sin sinh sqrt square tan tanh bessel_i0e bessel_i1e round"
)
BINARY = "add atan2 div eq ge gt igamma igammac le lt max min mul ne nextafter pow rem sub zeta igamma_grad_a polygamma"
CUMULATIVE = "cumlogsumexp cummax cummin cumprod cumsum"


def conv(x: Any, w: Any, **settings: Any) -> Any:
    return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=HWIO, **settings)


# Primitives that no public function calls directly.
UNNAMED = {"eq_to": (V, V), "le_to": (V, V), "lt_to": (V, V), "mulhi": (WHOLE, WHOLE), "one_minus_square": (V,)}
# Modules that define the primitives of lax, jax.random and lax.linalg, or that trace and transform them.
SOURCES = ("jax._src.lax", "jax._src.random", "jax._src.prng", "jax._src.ad_util", "jax._src.core", "jax._src.pjit",
           "jax._src.callback", "jax._src.custom_derivatives", "jax._src.custom_batching", "jax._src.ad_checkpoint",
           "jax._src.debugging", "jax._src.dispatch", "jax._src.state", "jax._src.shard_map", "jax._src.hijax",
           "jax._src.ffi", "jax._src.interpreters", "jax._src.export", "jaxconv")  # fmt: skip


def defined() -> dict[str, Primitive]:
    """Return the primitives that the installed JAX and jaxconv define, by name."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith(SOURCES)]
    values = [value for module in modules for value in list(vars(module).values())]
    return {value.name: value for value in values if isinstance(value, Primitive)}


def bound(name: str) -> Callable:
    """Return a primitive without parameters as a function."""
    return defined()[name].bind


def gradient(fn: Callable, *operands: Any) -> tuple[Callable, tuple]:
    total = lambda *xs: jnp.sum(fn(*xs) ** 2)
    return jax.grad(total, tuple(range(len(operands)))), operands


def tower(v: Any) -> Any:
    """Return the sum of functions with custom derivatives."""
    f = jax.custom_jvp(jnp.sin)
    f.defjvp(lambda xs, ts: (jnp.sin(xs[0]), ts[0]))
    g = jax.custom_vjp(jnp.cos)
    g.defvjp(lambda x: (jnp.cos(x), None), lambda _, t: (t,))
    h = jax.custom_vjp(jnp.cos)
    h.defvjp(lambda x: (jnp.cos(x), x), lambda x, t: (t * x,))
    return f(v) + g(v) + h(v)


def solved(v: Any) -> Any:
    product = lambda x: SYMMETRIC @ x
    return lax.custom_linear_solve(product, v, lambda _, b: b, lambda _, b: b)


def batched(v: Any) -> Any:
    f = jax.custom_batching.custom_vmap(jnp.sin)
    f.def_vmap(lambda size, batched, x: (jnp.sin(x), True))
    return f(v)


def scattered(name: str) -> tuple[Callable, tuple]:
    return lambda x: getattr(x.at[jnp.array([0, 2])], name)(np.float32(2)), (V,)


def several_keys(v: Any) -> Any:
    return lax.sort((v, -v), num_keys=2)


def with_a_reference(v: Any) -> Any:
    ref = jax.new_ref(v)
    ref[...] = v + 1
    ref[0] += 1.0
    return jax.freeze(ref)


def linearised(v: Any) -> Any:
    _, f = jax.linearize(lambda x: jnp.sin(x) * x, v)
    return f(v)


def mesh(kind: str) -> Any:
    """Return a mesh of one device."""
    kinds = (getattr(jax.sharding.AxisType, kind),)
    return jax.make_mesh((1,), ("d",), axis_types=kinds, devices=jax.devices()[:1])


def on_the_mesh(function: Callable, **checks: Any) -> Callable:
    """Return a function in a shard_map over one device."""
    spec = jax.sharding.PartitionSpec("d")
    return jax.shard_map(function, mesh=mesh("Auto"), in_specs=spec, out_specs=spec, **checks)


def placed(v: Any) -> Any:
    return lax.with_sharding_constraint(v, jax.sharding.NamedSharding(mesh("Auto"), jax.sharding.PartitionSpec("d")))


def resharded(v: Any) -> Any:
    return jax.sharding.reshard(v, jax.sharding.NamedSharding(mesh("Explicit"), jax.sharding.PartitionSpec("d")))


def numbers() -> Iterator[tuple[Callable, tuple]]:
    """Yield examples of element-wise operations and cumulative reductions."""
    yield from ((getattr(lax, name), (V,)) for name in UNARY.split())
    yield from ((getattr(lax, name), (V, V)) for name in BINARY.split() if hasattr(lax, name))
    yield from ((getattr(lax, name), (V,)) for name in CUMULATIVE.split())
    yield from ((getattr(lax, name), (WHOLE, WHOLE)) for name in ("bitwise_and", "bitwise_or", "bitwise_xor"))
    shifts = ("shift_left", "shift_right_arithmetic", "shift_right_logical")
    yield from ((getattr(lax, name), (WHOLE, WHOLE)) for name in shifts)
    yield from ((getattr(lax, name), (WHOLE,)) for name in ("bitwise_not", "clz", "population_count"))
    yield from ((getattr(lax, name), (Z,)) for name in ("conj", "real", "imag"))
    yield lambda v: lax.clamp(0.2, v, 0.5), (V,)
    yield lambda v: lax.clamp(v / 2, v, v + 1), (V,)
    yield lax.complex, (V, V)
    yield lambda v: v.astype(jnp.int32), (V,)
    yield lambda v: lax.integer_pow(v, 3), (V,)
    yield lambda v: lax.reduce(v, jnp.int32(0), lax.bitwise_xor, (0,)), (WHOLE,)
    yield lambda v: lax.reduce_precision(v, 5, 3), (V,)
    yield from ((bound(name), operands) for name, operands in UNNAMED.items() if name in defined())
    yield lambda v: jax.scipy.special.betainc(v, v, v), (V,)
    yield lambda v: jax.lax.erf_inv(v) + jnp.log2(v) + (1 - v * v), (V,)
    yield lambda v: jax.nn.gelu(v) + jax.nn.relu(v) + jax.nn.softmax(v), (V,)


def movement() -> Iterator[tuple[Callable, tuple]]:
    """Yield examples that move, select, sort or reduce cells."""
    yield from map(scattered, ("set", "add", "multiply", "min", "max", "subtract", "divide"))
    yield lambda v: lax.approx_max_k(v, 3), (V,)
    yield lambda v: lax.argmax(v, 0, np.int32), (V,)
    yield lambda v: lax.argmin(v, 0, np.int32), (V,)
    yield lambda a, b: lax.concatenate([a, b], 0), (V, V)
    yield jnp.copy, (V,)
    yield jax.device_put, (V,)
    yield lambda v, i: lax.dynamic_slice(v, (i,), (3,)), (V, WHOLE[4])
    yield lambda v, i: lax.dynamic_update_slice(v, v[:2], (i,)), (V, WHOLE[4])
    yield lambda v: v[jnp.array([0, 3, 5])], (V,)
    yield lambda: lax.iota(jnp.int32, 8), ()
    yield lax.optimization_barrier, (V,)
    yield lambda v: lax.pad(v, 0.0, [(1, 1, 1)]), (V,)
    yield lambda v: lax.reduce(v, jnp.float32(0), lambda a, b: a + b + 0 * a * b, (0,)), (V,)
    yield lambda v: (jnp.max(v), jnp.min(v), jnp.sum(v), jnp.prod(v), jnp.any(v > 1), jnp.all(v > 1)), (V,)
    yield lambda x: lax.reshape(x, (6, 4), dimensions=(1, 0)), (X,)
    yield lambda x: lax.reshape(x, (24,)), (X,)
    yield lambda x: lax.rev(x, (0,)), (X,)
    yield lambda v: lax.select_n(v > 0.3, v, -v), (V,)
    yield lambda v: lax.slice(v, (1,), (7,), (2,)), (V,)
    yield several_keys, (V,)
    yield lambda v: lax.split(v, (3, 5)), (V,)
    yield lambda x: lax.squeeze(x[:1], (0,)), (X,)
    yield lax.stop_gradient, (V,)
    yield lambda v: lax.top_k(v, 3), (V,)
    yield lambda x: lax.transpose(x, (1, 0)), (X,)
    yield lambda v: jnp.tile(v, 2), (V,)
    yield lambda v: lax.reduce_xor(v, (0,)), (WHOLE,)
    yield lambda v: jnp.stack([v, v]), (V,)
    yield lambda x: tuple(jnp.unstack(x)), (X,)
    yield gradient(lambda v: v[1:5] * v[:4] + jnp.roll(v, 2)[2:6], V)


def matrices() -> Iterator[tuple[Callable, tuple]]:
    """Yield examples of linear algebra."""
    yield from ((getattr(lax.linalg, name), (SYMMETRIC,)) for name in ("cholesky", "eig", "eigh", "lu", "qr", "svd"))
    yield from ((getattr(lax.linalg, name), (SYMMETRIC,)) for name in ("hessenberg", "schur", "tridiagonal"))
    yield lax.linalg.householder_product, (SQUARE, V[:3])
    yield lambda a, c: lax.linalg.symmetric_product(a, c, symmetrize_output=True), (SQUARE, SYMMETRIC)
    yield lax.linalg.cholesky_update, (SYMMETRIC, V[:3])
    yield lambda a, b: lax.linalg.triangular_solve(a, b, left_side=True, lower=True), (SYMMETRIC, SQUARE)
    yield lax.linalg.tridiagonal_solve, (V, V + 4, V, V[:, None])
    yield gradient(jnp.linalg.solve, SYMMETRIC, V[:3])
    yield jnp.linalg.det, (SYMMETRIC,)
    yield lambda p: lax.linalg.lu_pivots_to_permutation(p, 8), (WHOLE[3:],)


def windows() -> Iterator[tuple[Callable, tuple]]:
    """Yield examples of windows, products and transforms."""
    yield lambda v: lax.bitcast_convert_type(v, jnp.int32), (V,)
    yield conv, (IMAGE, KERNEL)
    yield lambda v: jax.closure_convert(jnp.sin, v)[0](v), (V,)
    yield lambda a, b: lax.dot_general(a, b, (((1,), (0,)), ((), ()))), (X, X.T)
    yield jnp.fft.fft, (V,)
    yield jnp.fft.rfft, (V,)
    yield lambda v: lax.reduce_window(v, 0.0, lax.add, (2,), (1,), "SAME"), (V,)
    yield lambda v: lax.reduce_window(v, -jnp.inf, lax.max, (2,), (1,), "SAME"), (V,)
    yield lambda v: lax.reduce_window(v, jnp.inf, lax.min, (2,), (1,), "SAME"), (V,)
    yield lambda v: lax.reduce_window(v, 0.0, lambda a, b: a + b + 0 * a * b, (2,), (1,), "SAME"), (V,)
    yield gradient(lambda v: lax.reduce_window(v, -jnp.inf, lax.max, (2,), (1,), "VALID"), V)
    yield lambda v: jax.jvp(lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2,), (1,), "VALID"), (v,), (v,)), (V,)
    yield lambda v, w: lax.ragged_dot(v, w, jnp.array([1, 3])), (X, jnp.ones((2, 6, 3)))
    yield lambda x, w: jc.conv({"kernel": w}, x), (IMAGE, KERNEL)
    yield gradient(lambda x, w: jc.conv({"kernel": w}, x, padding="valid"), IMAGE, KERNEL)
    yield gradient(lambda x: jc.max_pool(x, (2, 2)), IMAGE)
    yield lambda x: jax.jvp(lambda y: jc.max_pool(y, (2, 2)), (x,), (x,)), (IMAGE,)
    yield gradient(lambda x: jc.avg_pool(x, (2, 2)), IMAGE)
    yield lambda x: jc.min_pool(x, (2, 2)), (IMAGE,)


def control() -> Iterator[tuple[Callable, tuple]]:
    """Yield examples of calls, loops and branches."""
    yield lambda i, v: lax.switch(i, [jnp.sin, jnp.cos], v), (WHOLE[0], V)
    yield tower, (V,)
    yield jax.checkpoint(lambda v: jnp.sin(jnp.cos(v))), (V,)
    yield gradient(jax.checkpoint(lambda v: jnp.sin(jnp.cos(v))), V)
    yield solved, (V[:3],)
    yield batched, (V,)
    yield lambda v: lax.platform_dependent(v, cpu=jnp.sin, default=jnp.cos), (V,)
    yield lambda v: lax.scan(lambda c, x: (c + x, c * x), 0.0, v), (V,)
    yield lambda v: lax.while_loop(lambda c: jnp.all(c < 9), lambda c: c + 1, v), (V,)
    yield jax.jit(jnp.sin), (V,)
    yield lambda v: checkpoint_name(v, "name"), (V,)
    yield linearised, (V,)
    yield lambda v: jnp.searchsorted(v, v), (V,)


def effects() -> Iterator[tuple[Callable, tuple]]:
    """Yield examples of random numbers, devices, callbacks and references."""
    yield lambda k: lax.rng_bit_generator(k, (8,)), (np.zeros(4, np.uint32),)
    yield lambda a, b: lax.rng_uniform(a, b, (3,)), (V[0], V[1])
    yield with_a_reference, (V,)
    yield lambda s: jax.random.normal(jax.random.key(s), (3,)), (WHOLE[5],)
    yield lambda s: jax.random.split(jax.random.fold_in(jax.random.key(s), 3)), (WHOLE[5],)
    yield lambda s: jax.random.clone(jax.random.key(s)), (WHOLE[5],)
    yield lambda s: jax.random.gamma(jax.random.key(s), 2.0, (3,)), (WHOLE[5],)
    yield lambda s: jax.random.bits(jax.random.key(s, impl="rbg"), (3,)), (WHOLE[5],)
    yield lambda s: jax.random.key_data(jax.random.key(s)), (WHOLE[5],)
    yield lambda k: jax.random.normal(jax.random.wrap_key_data(k), (3,)), (np.zeros(2, np.uint32),)
    yield lambda k: jax.random.normal(k, (3,)), (np.zeros(2, np.uint32),)
    yield lambda v: jax.pure_callback(np.sin, v, v), (V,)
    yield lambda v: jax.experimental.io_callback(np.sin, v, v), (V,)
    yield lambda v: (jax.debug.print("{}", v), jax.debug.callback(print, v), v)[2], (V,)
    yield on_the_mesh(lambda v: lax.psum(v, "d") + v), (V,)
    yield on_the_mesh(lambda v: lax.psum(v, "d") + v, check_vma=False), (V,)
    yield on_the_mesh(lambda v: lax.pmax(v, "d") + lax.pmin(v, "d") + v), (V,)
    yield on_the_mesh(lambda v: lax.all_gather(v, "d", tiled=True) + lax.axis_index("d")), (V,)
    yield on_the_mesh(lambda v: lax.ppermute(v, "d", [(0, 0)])), (V,)
    yield on_the_mesh(lambda v: lax.all_to_all(v, "d", 0, 0, tiled=True)), (V,)
    yield on_the_mesh(lambda v: lax.psum_scatter(v, "d", tiled=True)), (V,)
    yield placed, (V,)
    yield resharded, (V,)


EXAMPLES = (numbers, movement, matrices, windows, control, effects)


def equations(jaxpr: Any) -> Iterator[Any]:
    """Yield all equations of a jaxpr, including those of calls, loops and branches."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in jaxprs_in_params(equation.params):
            yield from equations(getattr(inner, "jaxpr", inner))


def met() -> dict[str, list[Any]]:
    """Return the equations of all examples, by the name of their primitive."""
    collected: dict[str, list[Any]] = {}
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for fn, operands in itertools.chain.from_iterable(family() for family in EXAMPLES):
            for equation in equations(jax.make_jaxpr(fn)(*map(jnp.asarray, operands)).jaxpr):
                collected.setdefault(equation.primitive.name, []).append(equation)
    return collected


MET = met()
