"""The table of primitives: the traits of each primitive, and which of its parameters are understood.

Every interpreter of primitives by name reads this table first: the certifier's rules, constant folding, the numeric
check, summaries, and the translation for the extracted checker. A primitive without a row, or with a parameter that its
row does not name, is not interpreted. So a parameter that a new version of JAX adds can end a proof, but cannot make
one false.

The independent checker (`jc.recheck`) reads no row: it executes the primitives.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TypedDict, Unpack

from jax.extend.core import JaxprEqn

from jaxconv.jaxprs.layout import opened
from jaxconv.jaxprs.typing import aval_of, is_jaxpr

# How a result is rounded, from the most accurate to the coarsest.
NEVER = "never"  # it moves, selects or compares numbers
ONCE = "once"  # one arithmetic operation
SUM = "sum"  # a sum of cells of one operand, or the sum of such sums of two operands
PRODUCTS = "sum of products"  # of one cell of each of two operands
SEVERAL = "several"  # an elementary function, a product of many numbers, a decomposition

ALL = range(sys.maxsize)  # every operand


@dataclass(frozen=True)
class Primitive:
    """One row of the table.

    An equation with a parameter outside of `understood`, `irrelevant` and `only` is not understood.

    Attributes:
        family: the group of primitives that this one belongs to.
        understood: parameters that the rule reads, or for any value of which it holds and renames its result's signal.
        irrelevant: parameters that change where or how the result is computed, but never its value in real arithmetic.
        only: parameters that are understood for some values only, with a predicate of the value.
        effects: whether it has side effects, or reads or writes a state.
        function: whether it is a pure function of its operands: equal operands have equal results.
        linear: the operands in which it is affine over the reals while the others are fixed.
        rounds: how its results are rounded.
        terms: a function of the equation: how many numbers are added or multiplied per cell of the result.
        poles: whether finite operands can have an infinite result other than by overflow.
        underflows: whether a result can be too small for its dtype although no operand is zero, as a product can.
        in_order: whether XLA on the CPU adds the terms one after the other, in their own dtype.
        commutative: whether it combines several numbers to one that depends on neither their order nor their grouping.
        moves: whether each cell of the result is a cell of an operand, possibly cast, or a fill value.
        lax: for a primitive of jaxconv, the lax primitive that computes the same and has the same parameters.
    """

    family: str
    understood: frozenset[str] = frozenset()
    irrelevant: frozenset[str] = frozenset()
    only: Mapping[str, Callable[[object], bool]] = field(default_factory=dict[str, Callable[[object], bool]])
    effects: bool = False
    function: bool = True
    linear: Container[int] = ()
    rounds: str = SEVERAL
    terms: Callable[[JaxprEqn], float] | None = None
    poles: bool = True
    underflows: bool = True
    in_order: bool = False
    commutative: bool = False
    moves: bool = False
    lax: str = ""


class SharedTraits(TypedDict, total=False):
    """Fields of `Primitive` that many rows have in common."""

    linear: Container[int]
    rounds: str
    poles: bool
    moves: bool


class Traits(SharedTraits, total=False):
    """Fields of `Primitive` after those about parameters."""

    effects: bool
    function: bool
    commutative: bool
    terms: Callable[[JaxprEqn], float]
    underflows: bool
    in_order: bool
    lax: str


MOVED: SharedTraits = {"linear": ALL, "rounds": NEVER, "moves": True}  # moves or joins cells of its operands
ADDED: SharedTraits = {"linear": ALL, "rounds": SUM, "poles": False}  # sums cells of one operand
MULTIPLIED: SharedTraits = {"linear": ALL, "rounds": PRODUCTS, "poles": False}  # sums products of two operands
PRIMITIVES: dict[str, Primitive] = {}
ELEMENTARY = 4  # roundings of an elementary function: libraries are accurate to a few units in the last place


def named(where: Callable[[Primitive], bool]) -> frozenset[str]:
    """Return the names of the primitives whose rows satisfy a predicate."""
    return frozenset(name for name, row in PRIMITIVES.items() if where(row))


@cache
def family(*names: str) -> frozenset[str]:
    """Return the names of the primitives of these families."""
    return named(lambda row: row.family in names)


def is_none(value: object) -> bool:
    """Whether a parameter is None."""
    return value is None


def is_empty(value: object) -> bool:
    """Whether a parameter is an empty tuple."""
    return value == ()


def adds(value: object) -> bool:
    """Whether a parameter is a jaxpr that consists of one addition of its two operands."""
    if not is_jaxpr(value):
        return False
    jaxpr, _ = opened(value)
    names = [equation.primitive.name for equation in jaxpr.eqns]
    return names == ["add"] and jaxpr.outvars == jaxpr.eqns[0].outvars and set(jaxpr.eqns[0].invars) == {*jaxpr.invars}


def _product(shape: Sequence[int], axes: Sequence[int]) -> int:
    return math.prod(shape[axis] for axis in axes)


def _taps(equation: JaxprEqn) -> int:
    """Return the number of kernel cells per output channel."""
    kernel = aval_of(equation.invars[1])
    output_channels: int = equation.params["dimension_numbers"].rhs_spec[0]
    return kernel.size // max(1, kernel.shape[output_channels])


def _taps_of_a_group(equation: JaxprEqn) -> int:
    """Return the terms per cell of an input gradient, whose equation has the kernel of the layer."""
    return _taps(equation) // equation.params["feature_group_count"]


def _contracted(equation: JaxprEqn) -> int:
    return _product(aval_of(equation.invars[0]).shape, equation.params["dimension_numbers"][0][0])


def _reduced(name: str) -> Callable[[JaxprEqn], int]:
    return lambda equation: _product(aval_of(equation.invars[0]).shape, equation.params[name])


def _along(equation: JaxprEqn) -> int:
    axis: int = equation.params["axis"]
    return aval_of(equation.invars[0]).shape[axis]


def _last_axis(equation: JaxprEqn) -> int:
    return aval_of(equation.invars[0]).shape[-1]


def _window(equation: JaxprEqn) -> int:
    return math.prod(equation.params["window_dimensions"])


def _collected(equation: JaxprEqn) -> int:
    """Return 1 for the cell itself, plus the updates that may reach it: one per row of indices of a batch element."""
    indices, p = aval_of(equation.invars[1]).shape[:-1], equation.params
    batch_axes = p["dimension_numbers"].scatter_indices_batching_dims
    return 2 if p["unique_indices"] else 1 + math.prod(n for axis, n in enumerate(indices) if axis not in batch_axes)


def _transformed(equation: JaxprEqn) -> float:
    """Return the roundings of an FFT: about log2(n) (Higham, section 24.1), times a constant."""
    return ELEMENTARY * max(1.0, math.log2(max(2, math.prod(equation.params["fft_lengths"]))))


def _rows(
    names: str,
    family: str,
    understood: str = "",
    irrelevant: str = "",
    only: Mapping[str, Callable[[object], bool]] | None = None,
    **traits: Unpack[Traits],
) -> None:
    """Add the same row for several primitives, given as names separated by spaces."""
    row = Primitive(family, frozenset(understood.split()), frozenset(irrelevant.split()), only or {}, **traits)
    for name in names.split():
        if name in PRIMITIVES:
            raise ValueError(f"primitives: {name} already has a row")
        PRIMITIVES[name] = row


# Element-wise: each cell of the result is a function of the operands' cells at the same position.
_rows("max min and or xor", "pointwise", rounds=NEVER, commutative=True)
_rows("abs ceil clz floor imag is_finite ne eq eq_to ge gt le le_to lt lt_to real not sign clamp "
      "population_count select_n shift_left shift_right_arithmetic shift_right_logical complex",
      "pointwise", rounds=NEVER)  # fmt: skip
_rows("neg", "pointwise", linear=ALL, rounds=NEVER)
_rows("stop_gradient copy", "pointwise", **MOVED)
_rows("conj", "pointwise", "input_dtype", linear=ALL, rounds=NEVER)
_rows("bitcast_convert_type", "pointwise", "new_dtype", rounds=NEVER)
_rows("reduce_precision", "pointwise", "exponent_bits mantissa_bits", rounds=NEVER, moves=True)
_rows("round", "pointwise", "rounding_method", rounds=NEVER)
_rows("name", "pointwise", irrelevant="name", **MOVED)
_rows("device_put", "identity", irrelevant="devices srcs copy_semantics", **MOVED)
_rows("sharding_constraint", "pointwise", irrelevant="sharding layout context_mesh unconstrained_dims", **MOVED)
_rows("reshard", "placement", irrelevant="dst_sharding concrete_mesh", linear=ALL, rounds=NEVER)
_rows("layout_constraint relayout", "placement", linear=ALL, rounds=NEVER)
_rows("optimization_barrier", "identity", **MOVED)
_rows("add add_any", "pointwise", linear=ALL, rounds=ONCE, poles=False, underflows=False, commutative=True)
_rows("sub", "pointwise", linear=ALL, rounds=ONCE, poles=False, underflows=False)
_rows("div", "pointwise", linear=(0,), rounds=ONCE)
_rows("mul", "pointwise", "out_dtype", linear=ALL, rounds=ONCE, poles=False, commutative=True)
_rows("convert_element_type", "pointwise", "new_dtype", "weak_type sharding", linear=ALL, rounds=ONCE,
      poles=False, moves=True)  # fmt: skip
_rows("rem", "pointwise", rounds=ONCE)
_rows("square", "pointwise", rounds=ONCE, poles=False)
_rows("sqrt", "pointwise", irrelevant="accuracy", rounds=ONCE)
_rows("exp exp2 expm1", "pointwise", irrelevant="accuracy", poles=False)
_rows("cbrt cos erfc log log1p log2 logistic rsqrt sin tan tanh", "pointwise", irrelevant="accuracy")
_rows("integer_pow", "pointwise", "y")
_rows("cosh sinh", "pointwise", poles=False)
_rows("acos acosh asin asinh atan atan2 atanh bessel_i0e bessel_i1e digamma erf erf_inv igamma igamma_grad_a "
      "igammac lgamma mulhi nextafter one_minus_square polygamma pow regularized_incomplete_beta zeta",
      "pointwise")  # fmt: skip
_rows("polynomial", "elementary")

# Movement of cells.
_rows("broadcast_in_dim", "layout", "shape broadcast_dimensions", "sharding", **MOVED)
_rows("transpose", "layout", "permutation", **MOVED)
_rows("squeeze rev", "layout", "dimensions", **MOVED)
_rows("reshape", "layout", "new_sizes dimensions", "sharding", **MOVED)
_rows("slice", "layout", "start_indices limit_indices strides", **MOVED)
_rows("split", "layout", "sizes axis", **MOVED)
_rows("stack unstack", "layout", "axis", **MOVED)
_rows("concatenate", "layout", "dimension", **MOVED)
_rows("pad", "layout", "padding_config", **MOVED)
_rows("tile", "layout", "reps", **MOVED)
_rows("iota", "layout", "dtype shape dimension", "sharding", rounds=NEVER, moves=True)

# Reads and writes at indices. Hints about indices are promises: if one is broken, JAX leaves the result undefined.
HINTS = "indices_are_sorted unique_indices"
_rows("dynamic_slice", "gather", "slice_sizes", **MOVED)
_rows("dynamic_update_slice", "scatter", linear=(0, 1), rounds=NEVER, moves=True)
_rows("gather", "gather", "dimension_numbers slice_sizes mode fill_value", HINTS, **MOVED)
_rows("scatter", "scatter", "dimension_numbers mode", HINTS, {"update_jaxpr": is_none, "update_consts": is_empty},
      linear=(0, 2), rounds=NEVER, moves=True)  # fmt: skip
_rows("scatter-add", "scatter", "dimension_numbers mode", HINTS, {"update_jaxpr": adds, "update_consts": is_empty},
      linear=(0, 2), rounds=SUM, poles=False, terms=_collected, in_order=True)  # fmt: skip
_rows("scatter-sub scatter-mul", "scatter", "dimension_numbers mode update_jaxpr update_consts", HINTS, poles=False,
      terms=_collected, in_order=True)  # fmt: skip
_rows("scatter-min scatter-max", "scatter", "dimension_numbers mode update_jaxpr update_consts", HINTS, rounds=NEVER)

# Windows. jaxconv's primitives have the parameters of the lax primitive that computes the same. `spec` and `axes`
# repeat them for the table of algorithms; `lowering` derives both from one geometry.
WINDOW = "window_dimensions window_strides padding"
DILATED = f"{WINDOW} base_dilation window_dilation"
CONVOLUTION = (
    "window_strides padding lhs_dilation rhs_dilation dimension_numbers feature_group_count batch_group_count "
    "preferred_element_type"
)
_rows("conv_general_dilated", "windowed", CONVOLUTION, "precision out_sharding", terms=_taps, **MULTIPLIED)
_rows("jaxconv_conv jaxconv_conv_kernel_grad", "windowed", f"{CONVOLUTION} dtype spec",
      "precision out_sharding algorithm", terms=_taps, lax="conv_general_dilated", **MULTIPLIED)  # fmt: skip
_rows("jaxconv_conv_input_grad", "windowed", f"{CONVOLUTION} dtype spec", "precision out_sharding algorithm",
      terms=_taps_of_a_group, lax="conv_general_dilated", **MULTIPLIED)  # fmt: skip
_rows("reduce_window_sum", "windowed", DILATED, terms=_window, **ADDED)
_rows("jaxconv_sum_pool jaxconv_sum_pool_grad", "windowed", f"{DILATED} axes", "algorithm", terms=_window,
      lax="reduce_window_sum", **ADDED)  # fmt: skip
_rows("reduce_window_max reduce_window_min", "windowed", DILATED, rounds=NEVER)
_rows("jaxconv_max_pool", "windowed", f"{DILATED} axes", "algorithm", rounds=NEVER, lax="reduce_window_max")
_rows("jaxconv_min_pool", "windowed", f"{DILATED} axes", "algorithm", rounds=NEVER, lax="reduce_window_min")
_rows("jaxconv_max_pool_gather", "windowed", f"{DILATED} axes", "algorithm", rounds=NEVER)
_rows("reduce_window", "windowed", f"{DILATED} jaxpr consts", poles=False, terms=_window)
_rows(
    "select_and_scatter_add", "windowed", f"{WINDOW} select_prim", linear=(0,), rounds=SUM, poles=False, terms=_window
)
_rows("jaxconv_max_pool_scatter", "windowed", f"{DILATED} axes", "algorithm", linear=(1,), rounds=SUM, poles=False,
      terms=_window, lax="select_and_scatter_add")  # fmt: skip
_rows("select_and_gather_add", "window", f"{DILATED} select_prim", rounds=NEVER)
_rows("select_and_scatter", "window", poles=False)

# Sums, products and sorting along axes.
_rows("dot_general", "contraction", "dimension_numbers preferred_element_type", "precision out_sharding",
      terms=_contracted, **MULTIPLIED)  # fmt: skip
_rows("ragged_dot_general", "product", "ragged_dot_dimension_numbers preferred_element_type group_offset",
      "precision out_sharding", rounds=PRODUCTS, poles=False, terms=_last_axis)  # fmt: skip
_rows("scaled_dot", "product", poles=False)
_rows("reduce_sum", "reduction", "axes", "out_sharding", terms=_reduced("axes"), **ADDED)
_rows("reduce_prod", "reduction", "axes", poles=False, terms=_reduced("axes"))
_rows("reduce_max reduce_min", "reduction", "axes", "out_sharding", rounds=NEVER)
_rows("reduce_and reduce_or reduce_xor", "reduction", "axes", rounds=NEVER)
_rows("argmax argmin", "reduction", "axes index_dtype", rounds=NEVER)
_rows("cumsum", "reduction", "axis reverse", terms=_along, **ADDED)
_rows("cumprod cumlogsumexp", "reduction", "axis reverse", poles=False, terms=_along)
_rows("cummax cummin", "reduction", "axis reverse", rounds=NEVER)
_rows("sort", "reduction", "dimension is_stable num_keys", rounds=NEVER)
_rows("top_k", "reduction", "k axis is_stable", rounds=NEVER)
_rows("reduce", "folding", "computation jaxpr dimensions", poles=False, terms=_reduced("dimensions"))
_rows("approx_top_k", "folding",
      "k reduction_dimension recall_target is_max_k reduction_input_size_override aggregate_to_topk")  # fmt: skip

_rows("fft", "spectral", "fft_type fft_lengths", linear=ALL, poles=False, terms=_transformed)

# Linear algebra on whole matrices.
_rows("cholesky cholesky_update householder_product hessenberg lu geqp3 geqrf ormqr", "linear algebra")
_rows("lu_pivots_to_permutation", "linear algebra", "permutation_size")
_rows("eig", "linear algebra",
      "compute_left_eigenvectors compute_right_eigenvectors enable_eigvec_derivs implementation")  # fmt: skip
_rows("eigh", "linear algebra", "lower sort_eigenvalues subset_by_index algorithm")
_rows("qr", "linear algebra", "pivoting full_matrices use_magma")
_rows("schur", "linear algebra", "compute_schur_vectors sort_eig_vals select_callable")
_rows("svd", "linear algebra", "full_matrices compute_uv subset_by_index algorithm")
_rows("symmetric_product", "linear algebra", "alpha beta")
_rows("triangular_solve", "linear algebra", "left_side lower transpose_a conjugate_a unit_diagonal")
_rows("tridiagonal", "linear algebra", "lower")
_rows("tridiagonal_solve", "linear algebra", "perturb_singular")

# Calls, loops and branches, whose jaxprs are interpreted.
_rows("jit", "call", "jaxpr", "in_shardings out_shardings in_layouts out_layouts donated_invars ctx_mesh name "
      "keep_unused inline compiler_options_kvs")  # fmt: skip
_rows("closed_call core_call call", "call", "call_jaxpr")
_rows("remat2", "call", "jaxpr", "prevent_cse differentiated policy")
_rows("custom_jvp_call", "call", "call_jaxpr num_consts", "jvp_jaxpr_fun symbolic_zeros")
_rows("custom_vjp_call", "call", "call_jaxpr num_consts", "fwd_jaxpr_thunk bwd out_trees symbolic_zeros")
_rows("call_hi_primitive", "call", "_prim")
_rows("custom_linear_solve", "call", "const_lengths jaxprs")
_rows("cond", "control", "branches branches_platforms")
_rows("while", "control", "cond_nconsts cond_jaxpr body_nconsts body_jaxpr")
_rows("scan", "control", "reverse length jaxpr num_consts num_carry ft_in ft_out", "unroll")
_rows("custom_vmap_call", "followed nowhere", "call rule in_tree out_tree")
_rows("composite linear_call custom_lin custom_jvp_call_jaxpr eval_jaxpr remat_opt call_hi_primitive_linearized "
      "program_order",
      "followed nowhere")  # fmt: skip

# Random numbers: functions of their keys, except `rng_uniform`, which reads the state of the device.
_rows("random_bits", "random", "bit_width shape", rounds=NEVER)
_rows("random_seed random_wrap", "random", "impl", rounds=NEVER)
_rows("random_split", "random", "shape", rounds=NEVER)
_rows("random_gamma", "random", "log_space")
_rows("random_clone random_fold_in random_unwrap iota_2x32_shape", "random", rounds=NEVER)
_rows("threefry2x32 threefry4x32 philox2x32 philox4x32", "random", rounds=NEVER)
_rows("rng_bit_generator", "random", "shape dtype algorithm", "out_sharding", rounds=NEVER)
_rows("rng_uniform", "random", "shape", effects=True, function=False)

# Results that depend on the platform or the device, and uninitialised memory.
_rows("platform_index", "platform", "platforms", rounds=NEVER)
_rows("empty empty2", "platform", function=False)
_rows("axis_index", "collective", "axis_name", function=False)
_rows("psum pmax pmin", "collective", "axes axis_index_groups", function=False)
_rows("psum_invariant pvary", "collective", "axes", function=False)
_rows("all_gather", "collective", "all_gather_dimension axis_name axis_index_groups axis_size tiled", function=False)
_rows("all_to_all", "collective", "split_axis concat_axis axis_name axis_index_groups tiled", function=False)
_rows("ppermute", "collective", "axis_name perm", function=False)
_rows("reduce_scatter", "collective", "axis_name scatter_dimension axis_index_groups axis_size tiled", function=False)
_rows("all_gather_invariant all_gather_reduced unreduced_reduce_scatter pbroadcast preduced unreduced_psum "
      "unreduced_pmax unreduced_pmin reduced_vary_cast vary_unreduced_cast reduced_vary_cast_p vary_unreduced_cast_p",
      "collective", function=False)  # fmt: skip
_rows("all_gather_start all_gather_done all_gather_reduced_start all_to_all_start all_to_all_done ppermute_start "
      "ppermute_done psum_start psum_done psum_invariant_start reduce_scatter_start reduce_scatter_done "
      "pbroadcast_start pbroadcast_done unreduced_psum_start unreduced_reduce_scatter_start pbroadcast_dynamic "
      "psend precv ragged_all_to_all", "collective", function=False)  # fmt: skip
_rows("shard_map", "collective", "mesh in_specs out_specs jaxpr check_vma newly_manual_axes manual_axes",
      function=False)  # fmt: skip

# Effects: a read is not a function of the operands, and a write does not appear in the results.
_rows("pure_callback", "callback", "callback result_avals sharding vmap_method", effects=True, function=False)
_rows("io_callback", "callback", "callback result_avals sharding ordered", effects=True, function=False)
_rows("debug_callback", "callback", "callback effect partitioned", effects=True, function=False)
_rows("debug_print", "callback",
      "fmt ordered partitioned in_tree static_args np_printoptions has_placeholders logging_record",
      effects=True, function=False)  # fmt: skip
_rows("ffi_call custom_partitioning call_exported inspect_sharding check dce_sink unreachable", "callback",
      effects=True, function=False)  # fmt: skip
_rows("new_ref", "reference", "memory_space kind pin", effects=True, function=False)
_rows("get swap", "reference", "tree", effects=True, function=False)
_rows("addupdate freeze free_ref empty_ref accum_grad_in_ref run_state core_map pin unpin create_linear broadcast_to "
      "with_memory_space_constraint box_get box_set new_box log_extend log_read new_log", "reference", effects=True,
      function=False)  # fmt: skip
_rows("create_token after_all", "token", effects=True, function=False)

# Internal primitives of JAX: its transformations trace them, users' programs do not.
_rows("zeros_like tie to_edtype from_edtype stage", "bookkeeping")
_rows("dim_as_value dimension_size shape_assertion", "symbolic", function=False)
