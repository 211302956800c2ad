"""`summary`: the parameters, multiply-adds, strides and receptive fields of a function's layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxconv.account.closures import closed_over
from jaxconv.account.count import count_layers
from jaxconv.account.dataflow import Flow
from jaxconv.account.provenance import Origin
from jaxconv.account.receptive_fields import mixes, reach, rows_of, shared
from jaxconv.account.records import Leaf, Location
from jaxconv.account.report import Summary
from jaxconv.errors import explain, public
from jaxconv.jaxprs import layout
from jaxconv.verify.arguments import check_call
from jaxconv.verify.certify import walk_along
from jaxconv.verify.claim_kinds import KINDS
from jaxconv.verify.execution.tolerance import is_kind
from jaxconv.verify.shifted_axes import Axes, by_argument, directions
from jaxconv.verify.tracing import name_of, trace


@public
def summary(fn: Callable[..., Any], *arguments: Any, axes: Axes | None = None) -> Summary:
    """Count the parameters, reuse and multiply-adds of each layer, and find its stride and receptive field.

    For a window of u taps over c channels in g groups, J positions of o channels, and I cells of the input:

        parameters     u * c/g * o                 and biases o
        unshared       u * c/g * o * J             and biases o * J: one number for each use of a number
        dense          (I * c) * (J * o)           and biases o * J
        reuse          J, how often each weight is used
        multiply-adds  J * u * c/g * o             padding included, as usual

    The layers are found in the jaxpr, so `fn` may be any function. No module classes are needed. A layer is an equation
    that contracts data with parameters (convolutions, matrix products, table lookups) or slides a window over data
    (pooling). It includes the parameters that are combined with its result element by element (biases, scales). Casts,
    reshapes and arithmetic between parameters may come before. A product of data with data, as in attention, also has a
    row. `fn` is traced and not run, so arguments may be `jax.ShapeDtypeStruct`s of any size.

    Args:
        fn: any JAX function of arrays.
        arguments: its positional arguments: arrays, shapes, or pytrees of them. Arguments other than the input are the
            parameters. If they contain no parameters, the closed-over floating-point arrays are the parameters.
        axes: which axes of which argument are shifted to find strides and receptive fields: see `certify`. An argument
            that is listed is the input, also with the axes `()`. None: the last argument is the input, and all of its
            axes except the first and the last are shifted.

    Returns:
        A `Summary`. Counts are for one example if the certifier proves that the first axis of the input is a batch axis
        (no window slides along it, and no product sums over it). Otherwise they are for the whole call, which the
        summary reports.

    Raises:
        ValueError: axes that an argument does not have, or lengths that do not match.
        TypeError: an argument with axes that is not an array.

    Law: the layers' parameters and the unused ones add up to the sizes of all parameters, each number counted once. The
    parameters of an unshared layer are the sum over the numbers used, each times its reuse.

    >>> import jax, jaxconv as jc
    >>> params = jax.eval_shape(lambda: jc.init_conv(jax.random.key(0), (3, 3), 1, 8))
    >>> image = jax.ShapeDtypeStruct((1, 224, 224, 1), "float32")
    >>> (layer,) = jc.summary(jc.conv, params, image, axes={1: (1, 2)}).layers
    >>> layer.kind, layer.parameters, layer.unshared, layer.reuse, layer.multiply_adds
    ('conv', 80, 3942720, 49284, 3548448)
    >>> [(along.stride, along.receptive_field.size) for along in layer.reaches]
    [(Fraction(1, 1), 3), (Fraction(1, 1), 3)]

    Source: LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 86 (1998), II.B, which
    lists the trainable parameters and the connections of each layer. The connections are the unshared parameters here.
    """
    check_call(fn, arguments)
    inputs = _inputs(arguments, axes)
    along = directions(arguments, inputs) if any(inputs.values()) else ()
    jaxpr, constants, _ = trace(fn, arguments)
    leaves, of_leaf = _leaves(arguments, inputs)
    other_walk = Flow(leaves)  # kept alive, so that no constant of the second trace reuses an address of the first
    referenced: list[np.ndarray] = []
    if not any(is_kind(leaf, np.inexact) for leaf in leaves):
        other_jaxpr, other_constants, _ = _traced_again(fn, arguments)
        _run(other_walk, other_jaxpr, other_constants, arguments, of_leaf)
        referenced = closed_over(fn)
    walk = Flow(leaves, referenced, frozenset(other_walk.constants))  # constants of both traces are closed over
    _run(walk, jaxpr, constants, arguments, of_leaf)
    count = _examples(arguments, inputs)
    shifted = {number: ((0,) if count > 1 else ()) + tuple(shifts) for number, shifts in inputs.items()}
    walked_axes = [*directions(arguments, shifted)] if any(shifted.values()) else []
    certified = partial(walk_along, jaxpr, constants, arguments)
    batch = rows_of(jaxpr, certified(walked_axes[0], KINDS["cyclic"])[1]) if count > 1 else {}
    derivations = [rows_of(jaxpr, certified(axis, KINDS["interior"])[1]) for axis in walked_axes[count > 1 :]]
    reasons = (mixes(layer.equation, batch.get(layer.place), count) for layer in walk.layers) if count > 1 else ()
    whole_call = next(filter(None, reasons), "")
    examples = 1 if whole_call else count
    layers, weights = count_layers(
        walk.layers,
        walk.leaves,
        lambda layer: tuple(reach(rows.get(layer.place)) for rows in derivations),
        lambda layer: 1 if shared(batch.get(layer.place)) else examples,
    )
    unused = sum(math.prod(array.shape) for array, origin in walk.constants.values() if origin.fixed)
    return Summary(name_of(fn), layers, weights, unused, tuple(map(str, along)), examples, whole_call)


def _traced_again(fn: Callable[..., Any], arguments: Sequence[Any]) -> tuple[Any, list[Any], Any]:
    """A second trace, in which constants that are made during the trace are made again.

    JAX caches the traces of functions, and of the jitted functions that they call, separately for each precision. So
    the second trace uses another precision.
    """
    other = "highest" if jax.config.jax_default_matmul_precision is None else None
    with jax.default_matmul_precision(other):
        return layout.trace(partial(fn), arguments)


def _run(walk: Flow, jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Any], of_leaf: Sequence[int | None]):
    """Walk through the whole function, from its arguments."""
    origins = [
        walk.renamed(Origin(data=True), np.shape(leaf)) if number is None else walk.leaf(number)
        for number, leaf in zip(of_leaf, jax.tree.leaves(arguments), strict=True)
    ]
    walk.run(jaxpr, constants, origins, Location())


def _inputs(arguments: Sequence[Any], axes: Axes | None) -> dict[int, tuple[int, ...]]:
    """The numbers of the arguments that are the input, and the shifted axes of each."""
    if axes is None:
        rank = len(getattr(arguments[-1], "shape", ()))
        return {len(arguments) - 1: tuple(range(1, rank - 1))}
    inputs = by_argument(arguments, axes)
    for number in inputs:
        if not 0 <= number < len(arguments):
            expected, cure = f"from 0 to {len(arguments) - 1}", "The first argument after fn is 0"
            raise ValueError(explain("the argument's number in axes", number, expected, cure))
    return inputs


def _leaves(arguments: Sequence[Any], inputs: Mapping[int, Any]) -> tuple[list[Leaf], list[int | None]]:
    """The arrays that may be parameters; and for each leaf of the arguments its number among them (None: input)."""
    leaves: list[Leaf] = []
    numbers: list[int | None] = []
    several = len(arguments) - len(inputs) > 1
    for (number, *path), leaf in jax.tree_util.tree_leaves_with_path(tuple(arguments)):
        if number.idx in inputs:
            numbers.append(None)
            continue
        numbers.append(len(leaves))
        owner = [*([number] if several else []), *(path[:-1] or path)]  # a kernel and its bias have the same owner
        name = jax.tree_util.keystr(tuple(owner), simple=True, separator=".")
        dtype = getattr(leaf, "dtype", None) or jax.numpy.result_type(leaf)
        leaves.append(Leaf(jax.tree_util.keystr((number, *path)), name, np.shape(leaf), dtype))
    return leaves, numbers


def _examples(arguments: Sequence[Any], inputs: Mapping[int, Sequence[int]]) -> int:
    """The length of the input's first axis, if it may be a batch axis; otherwise 1."""
    lengths = set()
    for number, axes in inputs.items():
        shape = getattr(arguments[number], "shape", ())
        if not shape or any(axis % len(shape) == 0 for axis in axes):
            return 1
        lengths.add(shape[0])
    return lengths.pop() if len(lengths) == 1 and 0 not in lengths else 1
