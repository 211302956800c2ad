"""`summary`: trace a function, find its layers, and count what they hold and do."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxconv.account.closures import closed_over
from jaxconv.account.count import tally
from jaxconv.account.dataflow import Flow
from jaxconv.account.provenance import Origin
from jaxconv.account.receptive_fields import mixes, reach, rows_of, shared
from jaxconv.account.records import Leaf, Where
from jaxconv.account.report import Summary
from jaxconv.errors import explain
from jaxconv.jaxprs import layout
from jaxconv.verify.arguments import check_call
from jaxconv.verify.certify import walk_along
from jaxconv.verify.execution.tolerance import is_kind
from jaxconv.verify.shifted_axes import Axes, by_argument, directions
from jaxconv.verify.tracing import name_of, trace


def summary(fn: Callable[..., Any], *arguments: Any, axes: Axes | None = None) -> Summary:
    """Count what each layer of a function holds and does: parameters, reuse, multiply-adds, stride, receptive field.

    For a window of u taps over c channels in g groups, to J positions of o channels, over I cells:

        parameters     u * c/g * o                 and biases o
        unshared       u * c/g * o * J             and biases o * J: a number for each use of a number
        dense          (I * c) * (J * o)           and biases o * J
        reuse          J, how often each weight is used
        multiply-adds  J * u * c/g * o             padding included, as is usual

    The layers are read off the jaxpr, so any function will do: there are no module classes. A layer is an equation that
    contracts data with parameters (convolutions, matrix products, lookups in a table) or slides a window over them
    (pooling), together with the parameters that meet its result position by position (biases, scales), whatever the
    casts, reshapes and arithmetic among parameters on their way. Products of data with data, as in attention, have a
    row, too. Nothing is run: arguments may be `jax.ShapeDtypeStruct`s of any size.

    Args:
        fn: any JAX function of arrays.
        arguments: its positional arguments: arrays, shapes, or pytrees of them. Those that are not the input are its
            parameters; if these hold none, the floating-point arrays that it closes over are.
        axes: which axes of which argument are shifted to follow strides and receptive fields: see `certify`. An
            argument with axes, be they `()`, is the input. None: the last argument is, with all of its axes but the
            first and the last.

    Returns:
        A `Summary`. Counts are for one example where the certifier proves that the first axis of the input is one of
        examples (no window slides along it, and no product sums over it); else for the whole call, and it says so.

    Raises:
        ValueError: axes that an argument does not have, or lengths that do not fit together.
        TypeError: an argument with axes that is no array.

    Law: for any function the layers' parameters and those that meet no data add up to the sizes of all parameters, each
    number counted once; and what an unshared layer needs is the sum of the numbers used, each times its reuse.

    >>> import jax, jaxconv as jc
    >>> params = jax.eval_shape(lambda: jc.init_conv(jax.random.key(0), (3, 3), 1, 8))
    >>> image = jax.ShapeDtypeStruct((1, 224, 224, 1), "float32")
    >>> (layer,) = jc.summary(jc.conv, params, image, axes={1: (1, 2)}).layers
    >>> layer.kind, layer.parameters, layer.unshared, layer.reuse, layer.multiply_adds
    ('conv', 80, 3942720, 49284, 3548448)
    >>> [(along.stride, along.receptive_field.size) for along in layer.reaches]
    [(Fraction(1, 1), 3), (Fraction(1, 1), 3)]

    Source: LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 86 (1998), II.B, where
    layers are told by their trainable parameters and by their connections, which are the unshared ones here.
    """
    check_call("summary", fn, arguments)
    inputs = _inputs(arguments, axes)
    along = directions("summary", arguments, inputs) if any(inputs.values()) else ()
    jaxpr, constants, _ = trace("summary", fn, arguments)
    leaves, of_leaf = _leaves(arguments, inputs)
    another = Flow(leaves)  # kept: what is made in one trace must not be where the other's was
    held: list[np.ndarray] = []
    if not any(is_kind(leaf, np.inexact) for leaf in leaves):
        again, constants_again, _ = _traced_again(fn, arguments)
        _run(another, again, constants_again, arguments, of_leaf)
        held = closed_over(fn)
    flow = Flow(leaves, held, frozenset(another.constants))  # those of both traces are not made by the function
    _run(flow, jaxpr, constants, arguments, of_leaf)
    count = _examples(arguments, inputs)
    shifted = {number: ((0,) if count > 1 else ()) + tuple(its) for number, its in inputs.items()}
    ways = [*directions("summary", arguments, shifted)] if any(shifted.values()) else []
    walked = partial(walk_along, jaxpr, constants, arguments, values=False)
    batch = rows_of(jaxpr, walked(ways[0], cyclic=True)[1]) if count > 1 else {}
    walks = [rows_of(jaxpr, walked(one, cyclic=False)[1]) for one in ways[count > 1 :]]
    reasons = (mixes(one.equation, batch.get(one.place), count) for one in flow.layers) if count > 1 else ()
    whole_call = next(filter(None, reasons), "")
    examples = 1 if whole_call else count
    layers, weights = tally(
        flow.layers,
        flow.leaves,
        lambda one: tuple(reach(within.get(one.place)) for within in walks),
        lambda one: 1 if shared(batch.get(one.place)) else examples,
    )
    unused = sum(math.prod(array.shape) for array, origin in flow.constants.values() if origin.fixed)
    return Summary(name_of(fn), layers, weights, unused, tuple(map(str, along)), examples, whole_call)


def _traced_again(fn: Callable[..., Any], arguments: Sequence[Any]) -> tuple[Any, list[Any], Any]:
    """Another trace, in which whatever is made while tracing is made anew.

    JAX remembers the traces of functions, and of the jitted functions that they call, for each precision by itself.
    """
    other = "highest" if jax.config.jax_default_matmul_precision is None else None
    with jax.default_matmul_precision(other):
        return layout.trace(partial(fn), arguments)


def _run(flow: Flow, jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Any], of_leaf: Sequence[int | None]):
    """Let the walk go from the arguments through the whole function."""
    origins = [
        flow.anew(Origin(data=True), np.shape(leaf)) if number is None else flow.leaf(number)
        for number, leaf in zip(of_leaf, jax.tree.leaves(arguments), strict=True)
    ]
    flow.run(jaxpr, constants, origins, Where())


def _inputs(arguments: Sequence[Any], axes: Axes | None) -> dict[int, tuple[int, ...]]:
    """The arguments that are the input, and the axes along which each is shifted."""
    if axes is None:
        rank = len(getattr(arguments[-1], "shape", ()))
        return {len(arguments) - 1: tuple(range(1, rank - 1))}
    found = by_argument("summary", arguments, axes)
    for number in found:
        if not 0 <= number < len(arguments):
            expected, cure = f"from 0 to {len(arguments) - 1}", "The first argument after fn is 0"
            raise ValueError(explain("summary", "the argument's number in axes", number, expected, cure))
    return found


def _leaves(arguments: Sequence[Any], inputs: Mapping[int, Any]) -> tuple[list[Leaf], list[int | None]]:
    """The arrays that may be parameters, and for each leaf of the arguments which of them it is; None for the input."""
    found: list[Leaf] = []
    numbers: list[int | None] = []
    several = len(arguments) - len(inputs) > 1
    for (number, *path), leaf in jax.tree_util.tree_leaves_with_path(tuple(arguments)):
        if number.idx in inputs:
            numbers.append(None)
            continue
        numbers.append(len(found))
        owner = [*([number] if several else []), *(path[:-1] or path)]  # its parent, as of a kernel and its bias
        name = jax.tree_util.keystr(tuple(owner), simple=True, separator=".")
        dtype = getattr(leaf, "dtype", None) or jax.numpy.result_type(leaf)
        found.append(Leaf(jax.tree_util.keystr((number, *path)), name, np.shape(leaf), dtype))
    return found, numbers


def _examples(arguments: Sequence[Any], inputs: Mapping[int, Sequence[int]]) -> int:
    """How many examples the first axis of the input would have, if it is one of examples."""
    lengths = set()
    for number, its in inputs.items():
        shape = getattr(arguments[number], "shape", ())
        if not shape or any(axis % len(shape) == 0 for axis in its):
            return 1
        lengths.add(shape[0])
    return lengths.pop() if len(lengths) == 1 and 0 not in lengths else 1
