"""A function's equations, computed by NumPy one after the other: `evaluated(fn)(*arguments)` compiles nothing.

What an algorithm computes is fixed by its equations, and most tests ask no more; XLA would take tenths of a second for
each new shape. What XLA makes of the equations, `tests/lowering` and ten or so compiled cases of each law test.
`test_numpy_evaluation.py` compares each row of the table with XLA.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal, jaxpr_as_fun

from jaxconv.jaxprs.calls import called, opened
from jaxconv.lowering.primitive import COMPUTED
from jaxconv.verify.jaxprs import scan_sizes

Row = Callable[..., Any]


def evaluated(fn: Callable[..., Any], platform: str = "cpu") -> Callable[..., Any]:
    """The same function of arrays, computed by NumPy; our own primitives as on `platform`.

    As by `jax.jit`, it is traced once for arguments of the same shapes and dtypes.

    Raises:
        NotImplementedError: an equation has no row here.
    """
    evaluation = Evaluation(platform)
    traced: dict[Any, Any] = {}

    def run(*arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        key = structure, jax.config.jax_enable_x64, *map(jax.typeof, leaves)
        if key not in traced:
            closed, shapes = jax.make_jaxpr(fn, return_shape=True)(*arguments)
            traced[key] = closed, jax.tree.structure(shapes)
        closed, structure = traced[key]
        with np.errstate(all="ignore"):  # infinities and NaNs are results like others
            found = evaluation.run(closed, [_array(leaf) for leaf in leaves])
        return jax.tree.unflatten(structure, found)

    return run


def _array(value: Any) -> Any:
    """As a NumPy array; a key of random numbers stays as it is."""
    dtype = getattr(value, "dtype", None)
    return value if dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key) else np.asarray(value)


class Evaluation:
    """Jaxprs evaluated on one platform; what our own primitives do is traced once for each shape."""

    def __init__(self, platform: str = "cpu") -> None:
        self.platform = platform
        self.computing: dict[Any, Any] = {}  # jaxprs of our own primitives

    def run(self, closed: Any, operands: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The results of a jaxpr, each held against the shape and dtype that JAX gives it."""
        jaxpr, consts = opened(closed)
        values: dict[Any, np.ndarray] = dict(zip(jaxpr.constvars, map(_array, consts), strict=True))
        values.update(zip(jaxpr.invars, operands, strict=True))

        def read(atom: Any) -> np.ndarray:
            return np.asarray(atom.val, atom.aval.dtype) if isinstance(atom, Literal) else values[atom]

        for equation in jaxpr.eqns:
            found = self.computed(equation, [read(atom) for atom in equation.invars])
            for variable, value in zip(equation.outvars, found, strict=True):
                value, aval = _array(value), variable.aval
                if value.shape != aval.shape or value.dtype != aval.dtype:
                    raise AssertionError(f"{equation.primitive}: {value.dtype}{value.shape} instead of {aval}")
                values[variable] = value
        return [read(atom) for atom in jaxpr.outvars]

    def computed(self, equation: Any, operands: list[np.ndarray]) -> Sequence[Any]:
        """The results of one equation."""
        primitive, params = equation.primitive, equation.params
        if primitive in COMPUTED:
            return self.run(self._of_ours(primitive, params, operands), operands)
        if primitive.name in DRAWN:
            return [primitive.bind(*operands, **params)]
        if primitive.name in CONTROL:
            return CONTROL[primitive.name](*operands, run=self.run, **params)
        if primitive.name in ROWS:
            found = ROWS[primitive.name](*operands, **params)
            return found if primitive.multiple_results else [found]
        if (inner := called(equation)) is not None:
            return self.run(inner, operands)
        raise NotImplementedError(f"NumPy has no row for {primitive}")

    def _of_ours(self, primitive: Any, params: dict[str, Any], operands: list[np.ndarray]) -> Any:
        """The jaxpr of one of our own primitives on this platform."""
        key = primitive, tuple(params.items()), *((operand.shape, operand.dtype) for operand in operands)
        if key not in self.computing:
            compute = partial(COMPUTED[primitive], platform=self.platform, **params)
            self.computing[key] = jax.make_jaxpr(compute)(*operands)
        return self.computing[key]


# Layout.


def _broadcast_in_dim(x: np.ndarray, *_: Any, shape: Any, broadcast_dimensions: Any, **__: Any) -> np.ndarray:
    lengths = np.ones(len(shape), int)
    lengths[list(broadcast_dimensions)] = x.shape
    return np.broadcast_to(x.reshape(lengths), shape)


def _reshape(x: np.ndarray, *, new_sizes: Any, dimensions: Any, **_: Any) -> np.ndarray:
    return (x if dimensions is None else x.transpose(dimensions)).reshape(new_sizes)


def _pad(x: np.ndarray, value: np.ndarray, *, padding_config: Any) -> np.ndarray:
    """Cells between cells, in front and behind; or without some in front and behind, where that is negative."""
    lengths = [
        low + n + max(n - 1, 0) * between + high
        for n, (low, high, between) in zip(x.shape, padding_config, strict=True)
    ]
    padded = np.full([max(length, 0) for length in lengths], value, x.dtype)
    to, of = [], []
    for n, length, (low, _, between) in zip(x.shape, lengths, padding_config, strict=True):
        step = between + 1
        first = max(-(low // step), 0)  # the cells of x that are in range
        stop = max(min(-((low - length) // step), n), first)
        of.append(slice(first, stop))
        to.append(
            slice(low + first * step, max(low + (stop - 1) * step + 1, 0) if stop > first else low + first * step, step)
        )
    padded[tuple(to)] = x[tuple(of)]
    return padded


def _slice(x: np.ndarray, *, start_indices: Any, limit_indices: Any, strides: Any) -> np.ndarray:
    steps = strides or (1,) * x.ndim
    return x[tuple(map(slice, start_indices, limit_indices, steps))]


def _starts(x: np.ndarray, starts: Sequence[np.ndarray], sizes: Sequence[int]) -> tuple[slice, ...]:
    """Where a dynamic slice lies: moved inwards where it would overhang."""
    fits = [int(np.clip(s, 0, n - m)) for s, n, m in zip(starts, x.shape, sizes, strict=True)]
    return tuple(slice(start, start + size) for start, size in zip(fits, sizes, strict=True))


def _dynamic_update_slice(x: np.ndarray, update: np.ndarray, *starts: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[_starts(x, starts, update.shape)] = update
    return x


def _split(x: np.ndarray, *, sizes: Any, axis: int) -> list[np.ndarray]:
    return np.split(x, list(itertools.accumulate(sizes))[:-1], axis)


def _iota(*, dtype: Any, shape: Any, dimension: int, **_: Any) -> np.ndarray:
    lengths = [-1 if axis == dimension else 1 for axis in range(len(shape))]
    return np.broadcast_to(np.arange(shape[dimension]).astype(dtype).reshape(lengths), shape)


def _select_n(which: np.ndarray, *cases: np.ndarray) -> np.ndarray:
    return np.choose(np.broadcast_to(which.astype(int), cases[0].shape), cases)


# Numbers.


def _convert(x: np.ndarray, *, new_dtype: Any, **_: Any) -> np.ndarray:
    """As XLA has it: a float goes to the nearest integer that there is, and NaN to 0."""
    if jnp.issubdtype(x.dtype, jnp.floating) and jnp.issubdtype(new_dtype, jnp.integer):
        low, high = jnp.iinfo(new_dtype).min, jnp.iinfo(new_dtype).max
        whole = np.trunc(np.nan_to_num(x.astype(np.float64), nan=0.0))
        return np.where(whole >= high, high, np.where(whole <= low, low, whole)).astype(new_dtype)
    if jnp.issubdtype(x.dtype, jnp.complexfloating) and not jnp.issubdtype(new_dtype, jnp.complexfloating):
        x = x.real
    return x.astype(new_dtype)


def _divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of integers: towards zero; by zero, all bits."""
    if not jnp.issubdtype(x.dtype, jnp.integer):
        return x / y
    quotient = np.abs(x.astype(np.int64)) // np.where(y == 0, 1, np.abs(y.astype(np.int64)))
    return np.where(y == 0, -1, np.sign(x.astype(np.int64)) * np.sign(y.astype(np.int64)) * quotient).astype(x.dtype)


def _multiply(x: np.ndarray, y: np.ndarray, *, out_dtype: Any = None, **_: Any) -> np.ndarray:
    if out_dtype not in {None, x.dtype}:
        raise NotImplementedError("NumPy has no row for products in another dtype")
    return np.multiply(x, y)


def _reduce(fn: Callable[..., np.ndarray], x: np.ndarray, *, axes: Any, **_: Any) -> np.ndarray:
    return np.asarray(fn(x, axis=tuple(axes))).astype(x.dtype)


def _arg(fn: Callable[..., np.ndarray], x: np.ndarray, *, axes: Any, index_dtype: Any, **_: Any) -> np.ndarray:
    return fn(x, axis=axes[0]).astype(index_dtype)


def _cumulative(fn: Any, x: np.ndarray, *, axis: int, reverse: bool) -> np.ndarray:
    x = np.flip(x, axis) if reverse else x
    found = fn.accumulate(x, axis=axis, dtype=x.dtype)
    return np.flip(found, axis) if reverse else found


def _dot_general(a: np.ndarray, b: np.ndarray, *, dimension_numbers: Any, preferred_element_type: Any, **_: Any) -> Any:
    (contracted_a, contracted_b), (batch_a, batch_b) = dimension_numbers
    dtype = np.result_type(a.dtype, b.dtype) if preferred_element_type is None else preferred_element_type
    letters = iter(range(a.ndim + b.ndim))
    of_a, of_b = [next(letters) for _ in range(a.ndim)], [next(letters) for _ in range(b.ndim)]
    for one, other in zip((*batch_a, *contracted_a), (*batch_b, *contracted_b), strict=True):
        of_b[other] = of_a[one]
    free = lambda letters, taken: [letter for axis, letter in enumerate(letters) if axis not in taken]
    kept = [of_a[axis] for axis in batch_a]
    kept += free(of_a, (*batch_a, *contracted_a)) + free(of_b, (*batch_b, *contracted_b))
    wide = np.float32 if jnp.dtype(dtype).itemsize == 2 and jnp.issubdtype(dtype, jnp.floating) else dtype
    return np.einsum(a.astype(wide), of_a, b.astype(wide), of_b, kept).astype(dtype)


def _fft(x: np.ndarray, *, fft_type: Any, fft_lengths: Any) -> np.ndarray:
    """Over the last axes. A real result is as long as it is told, and the dtypes are as wide as they were."""
    fn = {"FFT": np.fft.fftn, "IFFT": np.fft.ifftn, "RFFT": np.fft.rfftn, "IRFFT": np.fft.irfftn}[fft_type.name]
    wide = x.dtype.itemsize == (16 if np.iscomplexobj(x) else 8)
    dtype = (
        (np.float64 if wide else np.float32) if fft_type.name == "IRFFT" else (np.complex128 if wide else np.complex64)
    )
    return fn(x, fft_lengths, range(-len(fft_lengths), 0)).astype(dtype)


# Windows.


def _strided_windows(x: np.ndarray, window: Any, strides: Any, dilation: Any) -> np.ndarray:
    """[*out, *window] of the whole array: what each window reads."""
    spans = [(taps - 1) * step + 1 for taps, step in zip(window, dilation, strict=True)]
    if any(n < span for n, span in zip(x.shape, spans, strict=True)):
        out = [max((n - span) // s + 1, 0) for n, span, s in zip(x.shape, spans, strides, strict=True)]
        return np.zeros((*out, *window), x.dtype)
    views = np.lib.stride_tricks.sliding_window_view(x, spans)
    at = tuple(slice(None, None, s) for s in strides) + tuple(slice(None, None, d) for d in dilation)
    return views[at]


def _reduce_window(
    x: np.ndarray, fill: Any, fn: Any, window: Any, strides: Any, padding: Any, base: Any, dilation: Any
) -> np.ndarray:
    spread = _pad(
        x, np.asarray(fill, x.dtype), padding_config=[(*p, b - 1) for p, b in zip(padding, base, strict=True)]
    )
    windows = _strided_windows(spread, window, strides, dilation)
    return fn(windows, axis=tuple(range(x.ndim, 2 * x.ndim))).astype(x.dtype)


def _windowed(fn: Any, fill: Callable[[Any], Any]) -> Row:
    return lambda x, *, window_dimensions, window_strides, padding, base_dilation, window_dilation: _reduce_window(
        x, fill(x.dtype), fn, window_dimensions, window_strides, padding, base_dilation, window_dilation
    )


def _general_window(
    x: np.ndarray, start: np.ndarray, *, run: Any, jaxpr: Any, consts: Any, window_dimensions: Any, **params: Any
) -> list[np.ndarray]:
    """Combined from the first cell on, by whatever function."""
    names = ("window_strides", "padding", "base_dilation", "window_dilation")
    strides, padding, base, dilation = (params[name] for name in names)
    spread = _pad(x, start, padding_config=[(*p, b - 1) for p, b in zip(padding, base, strict=True)])
    windows = _strided_windows(spread, window_dimensions, strides, dilation)
    found = np.full(windows.shape[: x.ndim], start, x.dtype)
    one = jax.make_jaxpr(jax.vmap(jaxpr_as_fun(ClosedJaxpr(jaxpr, consts))))
    flat = windows.reshape(found.size, -1)
    for number in range(flat.shape[1]):
        cells = (found.ravel(), np.ascontiguousarray(flat[:, number]))
        found = run(one(*cells), cells)[0].reshape(found.shape)
    return [found]


def _conv_general_dilated(
    x: np.ndarray,
    kernel: np.ndarray,
    *,
    window_strides: Any,
    padding: Any,
    lhs_dilation: Any,
    rhs_dilation: Any,
    dimension_numbers: Any,
    feature_group_count: int,
    batch_group_count: int,
    preferred_element_type: Any,
    **_: Any,
) -> np.ndarray:
    """Windows [n, c, *out, *window] of each group, times its kernels [o, c, *window]."""
    dtype = np.result_type(x.dtype, kernel.dtype) if preferred_element_type is None else preferred_element_type
    wide = np.float32 if jnp.dtype(dtype).itemsize == 2 and jnp.issubdtype(dtype, jnp.floating) else dtype
    of_x, of_kernel, of_y = dimension_numbers
    x, kernel = x.transpose(of_x).astype(wide), kernel.transpose(of_kernel).astype(wide)
    spatial = x.ndim - 2
    pads = [(*p, d - 1) for p, d in zip(padding, lhs_dilation, strict=True)]
    x = _pad(x, np.asarray(0, wide), padding_config=[(0, 0, 0), (0, 0, 0), *pads])
    windows = _strided_windows(x, (1, 1, *kernel.shape[2:]), (1, 1, *window_strides), (1, 1, *rhs_dilation))
    windows = windows.reshape(*windows.shape[: 2 + spatial], *kernel.shape[2:])
    groups = feature_group_count * batch_group_count
    split = np.split(windows, groups, 0 if batch_group_count > 1 else 1)
    axes = [1, *range(2 + spatial, 2 + 2 * spatial)]
    each = [
        np.tensordot(part, weights, (axes, [1, *range(2, 2 + spatial)]))
        for part, weights in zip(split, np.split(kernel, groups, 0), strict=True)
    ]
    y = np.moveaxis(np.concatenate(each, -1), -1, 1)
    return y.transpose(np.argsort(of_y)).astype(dtype)


def _select_and_scatter_add(
    source: np.ndarray,
    x: np.ndarray,
    *,
    select_prim: Any,
    window_dimensions: Any,
    window_strides: Any,
    padding: Any,
    **_: Any,
) -> np.ndarray:
    """What belongs to a window goes to the first cell of it that no other cell beats."""
    beats = {"ge": np.greater, "le": np.less}[select_prim.name]
    found = np.zeros(x.shape, source.dtype)
    lows = [low for low, _ in padding]
    for at in np.ndindex(*source.shape):
        starts = [j * s - low for j, s, low in zip(at, window_strides, lows, strict=True)]
        ranges = [
            range(max(start, 0), min(start + size, n))
            for start, size, n in zip(starts, window_dimensions, x.shape, strict=True)
        ]
        best = None
        for cell in itertools.product(*ranges):
            if best is None or beats(x[cell], x[best]):
                best = cell
        found[best] += source[at]
    return found


def _select_and_gather_add(
    tangents: np.ndarray,
    x: np.ndarray,
    *,
    select_prim: Any,
    window_dimensions: Any,
    window_strides: Any,
    padding: Any,
    base_dilation: Any,
    window_dilation: Any,
) -> np.ndarray:
    """The tangent of the first cell of each window that no other cell beats."""
    fill, first = {"ge": (low, np.argmax), "le": (high, np.argmin)}[select_prim.name]
    pads = [(*p, b - 1) for p, b in zip(padding, base_dilation, strict=True)]

    def cells(operand: np.ndarray, value: Any) -> np.ndarray:
        spread = _pad(operand, np.asarray(value, operand.dtype), padding_config=pads)
        windows = _strided_windows(spread, window_dimensions, window_strides, window_dilation)
        return windows.reshape(*windows.shape[: x.ndim], -1)

    chosen = first(cells(x, fill(x.dtype)), -1)[..., None]
    return np.take_along_axis(cells(tangents, 0), chosen, -1)[..., 0]


# Indices.


def _gather(
    x: np.ndarray,
    indices: np.ndarray,
    *,
    dimension_numbers: Any,
    slice_sizes: Any,
    mode: Any,
    fill_value: Any,
    **_: Any,
) -> np.ndarray:
    numbers = dimension_numbers
    batch = indices.shape[:-1]
    kept = [a for a in range(x.ndim) if a not in (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)]
    found = np.zeros((*batch, *(slice_sizes[a] for a in kept)), x.dtype)
    for at in np.ndindex(*batch):
        starts = _starts_of(x, indices[at], at, slice_sizes, mode, numbers.start_index_map,
                            numbers.operand_batching_dims, numbers.start_indices_batching_dims)  # fmt: skip
        if starts is None:
            found[at] = _filling(x.dtype) if fill_value is None else fill_value
        else:
            cut = x[tuple(slice(s, s + size) for s, size in zip(starts, slice_sizes, strict=True))]
            found[at] = cut.reshape(found.shape[len(batch) :])
    others = [a for a in range(found.ndim) if a not in numbers.offset_dims]
    return np.moveaxis(found, range(found.ndim), [*others, *numbers.offset_dims])


def _starts_of(
    x: np.ndarray, index: np.ndarray, at: Any, sizes: Any, mode: Any, axes: Any, batching: Any, indices_batching: Any
) -> list[int] | None:
    """Where a gather's or a scatter's window begins; nowhere if it overhangs and is not to be moved inwards."""
    starts = [0] * x.ndim
    for axis, value in zip(axes, index, strict=True):
        starts[axis] = int(value)
    for axis, other in zip(batching, indices_batching, strict=True):
        starts[axis] = at[other]
    fits = [min(max(s, 0), n - size) for s, n, size in zip(starts, x.shape, sizes, strict=True)]
    return fits if "CLIP" in str(mode).upper() or fits == starts else None


def _filling(dtype: Any) -> Any:
    """What lax fills with where nothing else is said."""
    if jnp.issubdtype(dtype, jnp.inexact):
        return np.nan
    if jnp.issubdtype(dtype, jnp.signedinteger):
        return jnp.iinfo(dtype).min
    return jnp.iinfo(dtype).max if jnp.issubdtype(dtype, jnp.unsignedinteger) else True


def _scatter(
    fn: Callable[[Any, Any], Any],
    x: np.ndarray,
    indices: np.ndarray,
    updates: np.ndarray,
    *,
    dimension_numbers: Any,
    mode: Any,
    **_: Any,
) -> np.ndarray:
    numbers, x = dimension_numbers, x.copy()
    taken = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    kept = [axis for axis in range(x.ndim) if axis not in taken]
    sizes = [1] * x.ndim
    for axis, at in zip(kept, numbers.update_window_dims, strict=True):
        sizes[axis] = updates.shape[at]
    others = [axis for axis in range(updates.ndim) if axis not in numbers.update_window_dims]
    updates = updates.transpose([*others, *numbers.update_window_dims])
    for at in np.ndindex(*indices.shape[:-1]):
        starts = _starts_of(x, indices[at], at, sizes, mode, numbers.scatter_dims_to_operand_dims,
                            numbers.operand_batching_dims, numbers.scatter_indices_batching_dims)  # fmt: skip
        if starts is not None:
            where = tuple(slice(s, s + size) for s, size in zip(starts, sizes, strict=True))
            x[where] = fn(x[where], updates[at].reshape(sizes))
    return x


def _sort(*operands: np.ndarray, dimension: int, num_keys: int, **_: Any) -> list[np.ndarray]:
    order = np.lexsort(operands[:num_keys][::-1], axis=dimension)  # stable; NaNs come last, as lax has them
    return [np.take_along_axis(operand, order, dimension) for operand in operands]


# Calls with a meaning of their own.


def _scan(*operands: np.ndarray, run: Any, jaxpr: Any, length: int, reverse: bool, **params: Any) -> list[Any]:
    num_consts, num_carry = scan_sizes(params)
    consts, carry = list(operands[:num_consts]), list(operands[num_consts : num_consts + num_carry])
    xs = operands[num_consts + num_carry :]
    shapes = [variable.aval for variable in opened(jaxpr)[0].outvars[num_carry:]]
    stacked = [np.zeros((length, *aval.shape), aval.dtype) for aval in shapes]
    for step in reversed(range(length)) if reverse else range(length):
        results = run(jaxpr, [*consts, *carry, *(x[step] for x in xs)])
        carry = results[:num_carry]
        for into, result in zip(stacked, results[num_carry:], strict=True):
            into[step] = result
    return [*carry, *stacked]


def _while(*operands: np.ndarray, run: Any, cond_jaxpr: Any, body_jaxpr: Any, **params: Any) -> list[np.ndarray]:
    in_cond, in_body = params["cond_nconsts"], params["body_nconsts"]
    of_cond, of_body = operands[:in_cond], operands[in_cond : in_cond + in_body]
    carry = list(operands[in_cond + in_body :])
    while (holds := run(cond_jaxpr, [*of_cond, *carry])[0]).any():
        found = run(body_jaxpr, [*of_body, *carry])
        if holds.ndim == 0:
            carry = found
            continue
        spread = (holds.reshape(holds.shape + (1,) * (one.ndim - holds.ndim)) for one in found)
        carry = [np.where(here, new, old) for here, new, old in zip(spread, found, carry, strict=True)]  # under vmap
    return carry


def _cond(which: np.ndarray, *operands: np.ndarray, run: Any, branches: Any, **_: Any) -> list[np.ndarray]:
    return run(branches[int(np.clip(which, 0, len(branches) - 1))], operands)


# Of keys, which NumPy does not have; JAX's own bits, in programs that all draws of one shape share.
DRAWN = {"random_bits", "random_fold_in", "random_seed", "random_unwrap", "random_wrap"}
CONTROL: dict[str, Row] = {
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "reduce_window": _general_window,
}

low = lambda dtype: -np.inf if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype).min
high = lambda dtype: np.inf if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype).max
plain = lambda fn: lambda *operands, **_: fn(*operands)  # whose parameters say nothing about the numbers

ROWS: dict[str, Row] = {
    "abs": plain(np.abs),
    "add": plain(np.add),
    "add_any": plain(np.add),
    "and": plain(np.bitwise_and),
    "atan2": plain(np.arctan2),
    "ceil": plain(np.ceil),
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "complex": lambda x, y: x + y * np.asarray(1j, np.result_type(x.dtype, np.complex64)),
    "conj": plain(np.conj),
    "copy": plain(np.copy),
    "cos": plain(np.cos),
    "div": _divide,
    "eq": plain(np.equal),
    "exp": plain(np.exp),
    "expm1": plain(np.expm1),
    "floor": plain(np.floor),
    "ge": plain(np.greater_equal),
    "gt": plain(np.greater),
    "imag": plain(np.imag),
    "integer_pow": lambda x, *, y: (x ** np.asarray(y).astype(x.dtype) if y >= 0 else 1 / x**-y).astype(x.dtype),
    "is_finite": plain(np.isfinite),
    "le": plain(np.less_equal),
    "log": plain(np.log),
    "log1p": plain(np.log1p),
    "logistic": lambda x, **_: (1 / (1 + np.exp(-x))).astype(x.dtype),
    "lt": plain(np.less),
    "max": plain(np.maximum),
    "min": plain(np.minimum),
    "mul": _multiply,
    "ne": plain(np.not_equal),
    "neg": plain(np.negative),
    "not": plain(np.invert),
    "one_minus_square": plain(lambda x: 1 - x * x),
    "or": plain(np.bitwise_or),
    "pow": lambda x, y: np.power(x, y.astype(x.dtype)),
    "real": plain(np.real),
    "rem": np.fmod,
    "round": lambda x, *, rounding_method: np.rint(x) if rounding_method else np.trunc(x + np.copysign(0.5, x)),
    "rsqrt": lambda x, **_: (1 / np.sqrt(x)).astype(x.dtype),
    "shift_right_logical": lambda x, by: (x.view(f"u{x.itemsize}") >> by.view(f"u{x.itemsize}")).view(x.dtype),
    "sign": plain(np.sign),
    "sin": plain(np.sin),
    "sqrt": plain(np.sqrt),
    "square": plain(np.square),
    "stop_gradient": plain(np.copy),
    "sub": plain(np.subtract),
    "tanh": plain(np.tanh),
    "xor": plain(np.bitwise_xor),
    "bitcast_convert_type": lambda x, *, new_dtype: np.ascontiguousarray(x).view(new_dtype),
    "broadcast_in_dim": _broadcast_in_dim,
    "concatenate": lambda *parts, dimension: np.concatenate(parts, dimension),
    "convert_element_type": _convert,
    "dynamic_slice": lambda x, *starts, slice_sizes: x[_starts(x, starts, slice_sizes)],
    "dynamic_update_slice": _dynamic_update_slice,
    "iota": _iota,
    "optimization_barrier": lambda *operands: operands,
    "pad": _pad,
    "reshape": _reshape,
    "reshard": plain(np.copy),
    "rev": lambda x, *, dimensions: np.flip(x, dimensions),
    "select_n": _select_n,
    "slice": _slice,
    "split": _split,
    "stack": lambda *parts, axis: np.stack(parts, axis),
    "squeeze": lambda x, *, dimensions: np.squeeze(x, tuple(dimensions)),
    "tile": lambda x, *, reps: np.tile(x, reps),
    "unstack": lambda x, *, axis: list(np.moveaxis(x, axis, 0)),
    "transpose": lambda x, *, permutation: np.transpose(x, permutation),
    "argmax": partial(_arg, np.argmax),
    "argmin": partial(_arg, np.argmin),
    "cummax": partial(_cumulative, np.maximum),
    "cummin": partial(_cumulative, np.minimum),
    "cumprod": partial(_cumulative, np.multiply),
    "cumsum": partial(_cumulative, np.add),
    "dot_general": _dot_general,
    "fft": _fft,
    "reduce_and": partial(_reduce, np.all),
    "reduce_max": partial(_reduce, np.max),
    "reduce_min": partial(_reduce, np.min),
    "reduce_or": partial(_reduce, np.any),
    "reduce_prod": partial(_reduce, np.prod),
    "reduce_sum": partial(_reduce, np.sum),
    "conv_general_dilated": _conv_general_dilated,
    "reduce_window_max": _windowed(np.max, low),
    "reduce_window_min": _windowed(np.min, high),
    "reduce_window_sum": _windowed(np.sum, lambda dtype: 0),
    "select_and_gather_add": _select_and_gather_add,
    "select_and_scatter_add": _select_and_scatter_add,
    "gather": _gather,
    "scatter": partial(_scatter, lambda old, new: new),
    "scatter-add": partial(_scatter, np.add),
    "scatter-max": partial(_scatter, np.maximum),
    "scatter-min": partial(_scatter, np.minimum),
    "scatter-mul": partial(_scatter, np.multiply),
    "sort": _sort,
}
