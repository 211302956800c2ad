"""Understood parameters of the table of primitives: another value changes the state that the walk derives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.equations import alone, variables_of
from support.primitive_examples import KERNEL, MET

import jaxconv as jc
from jaxconv.jaxprs.primitives import PRIMITIVES
from jaxconv.verify import failures
from jaxconv.verify.domain import Moving, main_state
from jaxconv.verify.factors import input_axis
from jaxconv.verify.interpret import Walk
from jaxconv.verify.rules import RULES

CUBE = (np.arange(6 * 6 * 4).reshape(6, 6, 4) % 7 + 1).astype(np.float32)
SQUARE = (np.arange(36).reshape(6, 6) % 5 + 1).astype(np.float32)
IMAGE = (np.arange(6 * 6 * 6 * 2).reshape(6, 6, 6, 2) % 5).astype(np.float32)
LINE = np.arange(6, dtype=np.float32)
WHOLE = np.arange(6, dtype=np.int32)
Change = Any


def conv(x, w, **settings):
    settings = {"window_strides": (1, 1), "padding": ((1, 0), (0, 1))} | settings
    return lax.conv_general_dilated(x, w, dimension_numbers=("NHWC", "HWIO", "NHWC"), **settings)


def pooled(x, operation, initial):
    return lax.reduce_window(x, np.float32(initial), operation, (1, 2, 2, 1), (1, 1, 1, 1), "VALID")


def gradient(fn):
    return jax.grad(lambda x: jnp.sum(fn(x) ** 2))


def branches(x):
    return lax.switch(jnp.int32(x.max() > 3), [jnp.sin, jnp.cos], x)


def rounds(x):
    return lax.while_loop(
        lambda s: s[0] < jnp.int32(x.shape[0]), lambda s: (s[0] + jnp.int32(1), s[1] * x), (jnp.int32(0), x)
    )


def scanned(x):
    return lax.scan(lambda c, v: (c + v, c * v), x[:, 0], x.T)


def squares(x):
    """A matrix for each row of x."""
    return x[:, :3, None] * x[:, None, :3]


KEY = jax.random.key(0)
SLICE = {"window_strides": (1, 2, 1, 1), "padding": ((0, 0), (1, 0), (0, 0), (0, 0)),
         "base_dilation": (1, 2, 1, 1), "window_dilation": (1, 2, 1, 1), "window_dimensions": (1, 3, 2, 1)}  # fmt: skip
WINDOW = {key: SLICE[key] for key in ("window_strides", "padding", "window_dimensions")}
CONVOLUTION = {
    "window_strides": (2, 1), "padding": ((1, 1), (0, 1)), "lhs_dilation": (2, 1), "rhs_dilation": (2, 1),
    "dimension_numbers": lambda v: v._replace(out_spec=(0, 3, 2, 1)), "preferred_element_type": np.dtype("float64"),
}  # fmt: skip
# Primitive -> a function with such an equation, its operand, and another value for each parameter.
UNDERSTOOD: dict[str, tuple[Callable, Any, dict[str, Any]]] = {
    "conj": (jnp.conj, SQUARE.astype(np.complex64), {"input_dtype": np.dtype("complex128")}),
    "bitcast_convert_type": (lambda x: lax.bitcast_convert_type(x, np.int32), SQUARE, {"new_dtype": np.dtype("uint32")}),
    "reduce_precision": (lambda x: lax.reduce_precision(x, 5, 3), SQUARE, {"exponent_bits": 4, "mantissa_bits": 2}),
    "round": (lax.round, SQUARE, {"rounding_method": lax.RoundingMethod.TO_NEAREST_EVEN}),
    "mul": (lambda x: x * x, SQUARE, {"out_dtype": np.dtype("float64")}),
    "convert_element_type": (lambda x: x.astype(np.int32), SQUARE, {"new_dtype": np.dtype("int8")}),
    "integer_pow": (lambda x: lax.integer_pow(x, 3), SQUARE, {"y": 4}),
    "broadcast_in_dim": (lambda x: lax.broadcast_in_dim(x, (6, 6, 6), (0, 2)), SQUARE,
                         {"shape": (6, 5, 6), "broadcast_dimensions": (1, 2)}),
    "transpose": (lambda x: lax.transpose(x, (1, 0, 2)), CUBE, {"permutation": (0, 1, 2)}),
    "squeeze": (lambda x: lax.squeeze(x[:1, :1], (0,)), CUBE, {"dimensions": (1,)}),
    "rev": (lambda x: lax.rev(x, (0,)), CUBE, {"dimensions": (1,)}),
    "reshape": (lambda x: lax.reshape(x, (6, 24)), CUBE, {"new_sizes": (6, 4, 6), "dimensions": (1, 0, 2)}),
    "slice": (lambda x: lax.slice(x, (0, 0), (4, 6), (1, 1)), SQUARE,
              {"start_indices": (0, 2), "limit_indices": (4, 5), "strides": (1, 2)}),
    "split": (lambda x: lax.split(x, (2, 4), axis=0), SQUARE, {"sizes": (3, 3), "axis": 1}),
    "stack": (lambda x: jnp.stack([x, x]), SQUARE, {"axis": 1}),
    "unstack": (jnp.unstack, SQUARE, {"axis": 1}),
    "concatenate": (lambda x: lax.concatenate([x, x], 0), SQUARE, {"dimension": 1}),
    "pad": (lambda x: lax.pad(x, np.float32(0), ((1, 0, 0), (0, 0, 0))), SQUARE, {"padding_config": ((0, 1, 0), (0, 0, 0))}),
    "tile": (lambda x: jnp.tile(x, (2, 1)), SQUARE, {"reps": (1, 2)}),
    "dynamic_slice": (lambda x: lax.dynamic_slice(x, (x.max().astype(int), 0), (3, 6)), SQUARE, {"slice_sizes": (2, 6)}),
    "gather": (lambda x: x[jnp.array([[0], [2], [4]])], SQUARE,
               {"dimension_numbers": lambda v: v._replace(offset_dims=(0,)), "slice_sizes": (1, 5), "mode": 2,
                "fill_value": 3}),
    "scatter": (lambda x: x.at[2].set(x[0]), SQUARE,
                {"update_jaxpr": "a jaxpr", "update_consts": (1,), "mode": lax.GatherScatterMode.CLIP,
                 "dimension_numbers": lambda v: v._replace(inserted_window_dims=(1,), scatter_dims_to_operand_dims=(1,))}),
    "scatter-add": (lambda x: x.at[2].add(x[0]), SQUARE,
                    {"update_jaxpr": None, "update_consts": (1,), "mode": lax.GatherScatterMode.CLIP,
                     "dimension_numbers": lambda v: v._replace(inserted_window_dims=(1,), scatter_dims_to_operand_dims=(1,))}),
} | {
    f"scatter-{name}": (lambda x, method=method: getattr(x.at[2], method)(x[0]), SQUARE,
                        {"update_jaxpr": None, "update_consts": (1,), "mode": lax.GatherScatterMode.CLIP,
                         "dimension_numbers":
                             lambda v: v._replace(inserted_window_dims=(1,), scatter_dims_to_operand_dims=(1,))})
    for name, method in [("sub", "subtract"), ("mul", "multiply"), ("min", "min"), ("max", "max")]
} | {
    "eig": (lambda x: lax.linalg.eig(squares(x)), SQUARE,
            {"compute_left_eigenvectors": False, "compute_right_eigenvectors": False, "enable_eigvec_derivs": True,
             "implementation": lax.linalg.EigImplementation.LAPACK}),
    "eigh": (lambda x: lax.linalg.eigh(squares(x)), SQUARE,
             {"lower": False, "sort_eigenvalues": False, "subset_by_index": (0, 2),
              "algorithm": lax.linalg.EighImplementation.QR}),
    "qr": (lambda x: lax.linalg.qr(squares(x)), SQUARE, {"pivoting": True, "full_matrices": False, "use_magma": False}),
    "schur": (lambda x: lax.linalg.schur(squares(x)), SQUARE,
              {"compute_schur_vectors": False, "sort_eig_vals": True, "select_callable": 0}),
    "svd": (lambda x: lax.linalg.svd(squares(x)), SQUARE,
            {"full_matrices": False, "compute_uv": False, "subset_by_index": (0, 2),
             "algorithm": lax.linalg.SvdAlgorithm.QR}),
    "symmetric_product": (lambda x: lax.linalg.symmetric_product(squares(x), squares(x)), SQUARE,
                          {"alpha": 2.0, "beta": 1.0}),
    "tridiagonal": (lambda x: lax.linalg.tridiagonal(squares(x)), SQUARE, {"lower": False}),
    "triangular_solve": (lambda x: lax.linalg.triangular_solve(squares(x), squares(x)), SQUARE,
                         {"left_side": True, "lower": True, "transpose_a": True, "conjugate_a": True, "unit_diagonal": True}),
    "tridiagonal_solve": (lambda x: lax.linalg.tridiagonal_solve(x, x, x, x[..., None]), SQUARE, {"perturb_singular": True}),
    "lu_pivots_to_permutation": (lambda x: lax.linalg.lu_pivots_to_permutation(x.astype(int), 8), SQUARE,
                                 {"permutation_size": 9}),
    "reduce": (lambda x: lax.reduce(x, np.float32(0), lambda a, b: a + b + 0 * a * b, (2,)), CUBE,
               {"dimensions": (1,), "jaxpr": 0, "computation": 0}),
    "conv_general_dilated": (lambda x: conv(x, KERNEL), IMAGE,
                             CONVOLUTION | {"feature_group_count": 2, "batch_group_count": 2}),
    "jaxconv_conv": (lambda x: jc.conv({"kernel": KERNEL}, x), IMAGE,
                     CONVOLUTION | {"feature_group_count": 2, "batch_group_count": 2, "spec": 0, "dtype": 0}),
    "jaxconv_conv_input_grad": (gradient(lambda x: jc.conv({"kernel": KERNEL}, x)), IMAGE,
                        CONVOLUTION | {"feature_group_count": 2, "batch_group_count": 2, "spec": 0, "dtype": 0}),
    "reduce_window_sum": (lambda x: pooled(x, lax.add, 0), IMAGE, SLICE),
    "reduce_window_max": (lambda x: pooled(x, lax.max, -np.inf), IMAGE, SLICE),
    "reduce_window_min": (lambda x: pooled(x, lax.min, np.inf), IMAGE, SLICE),
    "reduce_window": (lambda x: pooled(x, lambda a, b: a + b + 0 * a * b, 0), IMAGE, SLICE | {"jaxpr": 0, "consts": (1,)}),
    "jaxconv_sum_pool": (lambda x: jc.avg_pool(x, (2, 2)), IMAGE, SLICE | {"axes": 0}),
    "jaxconv_sum_pool_grad": (gradient(lambda x: jc.avg_pool(x, (2, 2))), IMAGE, SLICE | {"axes": 0}),
    "jaxconv_max_pool": (lambda x: jc.max_pool(x, (2, 2)), IMAGE, SLICE | {"axes": 0}),
    "jaxconv_min_pool": (lambda x: jc.min_pool(x, (2, 2)), IMAGE, SLICE | {"axes": 0}),
    "jaxconv_max_pool_gather": (lambda x: jax.jvp(lambda v: jc.max_pool(v, (2, 2)), (x,), (x,))[1], IMAGE,
                              SLICE | {"axes": 0}),
    "jaxconv_max_pool_scatter": (gradient(lambda x: jc.max_pool(x, (2, 2))), IMAGE, SLICE | {"axes": 0}),
    "select_and_scatter_add": (gradient(lambda x: pooled(x, lax.max, -np.inf)), IMAGE, WINDOW | {"select_prim": lax.le_p}),
    "dot_general": (lambda x: jnp.einsum("abc,cd->abd", x, CUBE[0].T), CUBE,
                    {"dimension_numbers": (((0,), (1,)), ((), ())), "preferred_element_type": np.dtype("float64")}),
    "argmax": (lambda x: lax.argmax(x, 2, np.int32), CUBE, {"axes": (1,), "index_dtype": np.dtype("int8")}),
    "argmin": (lambda x: lax.argmin(x, 2, np.int32), CUBE, {"axes": (1,), "index_dtype": np.dtype("int8")}),
    "sort": (lambda x: lax.sort((x, -x), dimension=2, num_keys=1), CUBE, {"dimension": 1, "is_stable": False, "num_keys": 2}),
    "top_k": (lambda x: lax.top_k(x, 2), CUBE, {"k": 3, "axis": 0, "is_stable": False}),
    "fft": (lambda x: jnp.fft.fft(x, axis=2), CUBE, {"fft_type": lax.FftType.IFFT, "fft_lengths": (6, 4)}),
    "cond": (branches, SQUARE, {"branches": lambda v: v[::-1], "branches_platforms": (("cpu",), None)}),
    "while": (rounds, SQUARE, {"cond_nconsts": 1, "body_nconsts": 0, "cond_jaxpr": None, "body_jaxpr": None}),
    "scan": (scanned, SQUARE, {"reverse": True, "length": 5, "jaxpr": None, "num_consts": 1, "num_carry": 0,
                                            "ft_in": None, "ft_out": None}),
    "reduce_and": (lambda x: jnp.all(x > 1, 2), CUBE, {"axes": (1,)}),
    "reduce_or": (lambda x: jnp.any(x > 1, 2), CUBE, {"axes": (1,)}),
    "reduce_xor": (lambda x: lax.reduce_xor(x.astype(int), (2,)), CUBE, {"axes": (1,)}),
} | {
    f"reduce_{name}": (lambda x, name=name: getattr(jnp, name)(x, 2), CUBE, {"axes": (1,)})
    for name in ("sum", "prod", "max", "min")
} | {
    name: (lambda x, name=name: getattr(lax, name)(x, 2), CUBE, {"axis": 1, "reverse": True})
    for name in ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
}  # fmt: skip
# `iota` has no operand, so nothing moves. The operands of jaxconv_conv_kernel_grad move, but its result is invariant,
# so it has no signal.
NOTHING_MOVES = {"iota", "jaxconv_conv_kernel_grad"}


def retraced(equation: Any, new: dict[str, Any]) -> Any:
    """Return the equation with other parameters, and with the result shapes that follow if JAX accepts them."""
    try:
        avals = [jax.ShapeDtypeStruct(atom.aval.shape, atom.aval.dtype) for atom in variables_of(equation)]
        outvars = jax.make_jaxpr(alone(equation, **new))(*avals).jaxpr.eqns[-1].outvars
    except Exception:
        outvars = equation.outvars
    return equation.replace(params=equation.params | new, outvars=outvars)


def states(name: str, key: str | None) -> list[list[Any]]:
    """Return the states of the equation's results, without and with a replaced parameter, per shifted axis of x.

    Both come from one walk, so that equal names mean the same signal.
    """
    fn, x, changes = UNDERSTOOD[name]
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        closed = jax.make_jaxpr(fn)(x)
    pairs = []
    for axis in range(x.ndim):
        walk = Walk(None if name == "fft" else x.shape[axis], RULES)
        pair = [Replaced(name, {}), Replaced(name, {key: changes[key]})]
        pairs.append([variant.results(walk, closed, x.shape, axis) for variant in pair])
    return pairs


class Replaced:
    """Replaces parameters of one equation in a walk, and records the states of its results."""

    def __init__(self, name: str, changed: dict[str, Any]):
        self.name, self.changed, self.seen = name, changed, []

    def results(self, walk: Walk, closed: Any, shape: tuple[int, ...], axis: int) -> list[Any]:
        """Return the states of the results of the first equation of that name."""
        step = walk._step

        def watched(equation: Any, operands: list[Any], path: tuple[int, ...]) -> Any:
            if equation.primitive.name != self.name or self.seen:
                return step(equation, operands, path)
            new = {key: value(equation.params[key]) if callable(value) and not hasattr(value, "dtype") else value
                   for key, value in self.changed.items()}  # fmt: skip
            self.seen = [main_state(value) for value, _ in step(retraced(equation, new), operands, path)]
            return step(equation, operands, path)

        walk._step = watched
        try:
            x = walk.constant(shape).with_axis(axis, input_axis(shape[axis], "x"))
            walk.run(closed.jaxpr, closed.consts, [(x, None)])
        finally:
            del walk._step
        return self.seen


understood = sorted(
    (name, key)
    for name in set(RULES[Moving]) & set(MET) - NOTHING_MOVES
    for key in {*PRIMITIVES[name].understood, *PRIMITIVES[name].only} & set(MET[name][0].params)
)


@pytest.fixture
def failing_rules_break(monkeypatch):
    """A rule may raise on parameters that do not fit the equation; its result is then Broken."""
    monkeypatch.setattr(failures, "RAISE_FAILURES", False)


@pytest.mark.usefixtures("failing_rules_break")
@pytest.mark.parametrize(("name", "key"), understood)
def test_an_understood_parameter_is_not_overlooked(name, key):
    """Another value changes the state of each result that remains, at least its name, or makes it Broken."""
    moved = 0
    for before, after in states(name, key):
        assert len(before) > 0
        equal = [old == new for old, new in zip(before, after, strict=False)]
        is_moving = [isinstance(state, Moving) and bool(state.moving_axes) for state in before]
        moved += any(is_moving)
        assert not any(same and moves for same, moves in zip(equal, is_moving, strict=False))
    assert moved
