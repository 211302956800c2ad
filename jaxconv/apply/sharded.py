"""`sharded`: a function of an input that is split over devices, which fetch only halos from their neighbours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxconv.apply.claims import shape_of_argument
from jaxconv.apply.shards import Split, of_one, splits
from jaxconv.checks import function, several, shown
from jaxconv.errors import explain, public, public_as
from jaxconv.jaxprs.typing import PyTree
from jaxconv.lowering.primitive import is_explicit
from jaxconv.verify.shifted_axes import Axes, directions

AXES = 'Write axes={0: (1, 2)}, over=("rows", "columns") to split axes 1 and 2 of the first argument'


@public
def sharded(fn: Callable[..., object], mesh: Mesh, *, axes: Axes, over: str | Sequence[str]) -> Callable[..., PyTree]:
    """Return a function that computes `fn` of an input that is split over the devices of a mesh, with the same result.

    Each device holds its part of the input, and fetches the cells next to it (halos) from its two neighbours
    (`jax.lax.ppermute` under `jax.shard_map`). It computes `fn` of these cells, and keeps the part of the output that
    belongs to it. When the function is called, it is certified for the sizes at hand (`jc.certify_tiling`), which gives
    the width of the halos. Zeros, reflections and copies at the border are those of `fn` itself; for a function that
    pads circularly, the first device is a neighbour of the last.

    Args:
        fn: any JAX function of arrays.
        mesh: the devices.
        axes: the axes that are split: a sequence, or `{argument number: axes}`. Other arguments are the same on all
            devices.
        over: name of the axis of the mesh over which the axis is split. For several axes, a sequence with the name for
            each of them. Over other axes of the mesh nothing is split.

    Returns:
        A function of the same arguments, which may be transformed by `jax.jit`, `jax.grad` and `jax.vmap`. Its outputs
        are split as the input is.

    Raises:
        TypeError: `over` is no name and no sequence of names.
        ValueError: `over` is no axis of the mesh, or repeats one; or, when the function is called: `axes` has another
            number of axes, there is no proof that parts give the whole's result, the halos are wider than a part, or
            the devices do not divide the input or an output.

    Law: the result is `fn` of the whole: equal (`==`) in exact arithmetic, as for whole numbers, and otherwise up to
    rounding.

    >>> import jax, jax.numpy as jnp, jaxconv as jc
    >>> mesh = jax.make_mesh((jax.device_count(),), ("rows",))
    >>> params = jc.init_conv(jax.random.key(0), (3, 3), 1, 4)
    >>> network = lambda x: jc.conv(params, x, padding="same")
    >>> image = jax.random.normal(jax.random.key(1), (1, 32, 20, 1))
    >>> result = jc.sharded(network, mesh, axes=(1,), over="rows")(image)
    >>> result.shape, bool(jnp.allclose(result, network(image), atol=1e-5))
    ((1, 32, 20, 4), True)

    On a mesh of two axes, rows and columns are split, and neighbours exchange the borders of rectangles:

    >>> mesh = jax.make_mesh((1, jax.device_count()), ("rows", "columns"))
    >>> result = jc.sharded(network, mesh, axes=(1, 2), over=("rows", "columns"))(image)
    >>> bool(jnp.allclose(result, network(image), atol=1e-5))
    True
    """
    names = _checked_names(over, mesh)
    function("fn", fn, cure="Pass the function itself")
    # With axes of the type Explicit, which `jax.make_mesh` makes, the caller would have to split the inputs.
    automatic = Mesh(mesh.devices, mesh.axis_names, axis_types=(AxisType.Auto,) * len(mesh.axis_names))

    @public_as("sharded")
    def of_shards(*arguments: PyTree) -> PyTree:
        """The function of the whole, computed by several devices."""
        shapes = list(map(shape_of_argument, arguments))
        all_along = directions(shapes, axes, "split")
        if len(all_along) != len(names):
            expected = f"one axis of each argument for each name of `over`, {shown(over)}"
            raise ValueError(explain("axes", shown(axes), expected, AXES))
        over_several = [
            (along, name, mesh.shape[name])
            for along, name in zip(all_along, names, strict=True)
            if mesh.shape[name] > 1
        ]
        if not over_several:
            return fn(*arguments)
        all_split = splits(fn, shapes, over_several)
        tree = jax.tree.structure(jax.eval_shape(fn, *shapes))
        specs = tuple(_of_argument(number, all_split) for number in range(len(arguments)))
        explicit = any(map(is_explicit, jax.tree.leaves(arguments)))
        if explicit:  # Their types show how they are split, and those of the gradients have to, too.
            arguments = tuple(map(partial(_resharded, mesh), arguments, specs))
        computed = jax.shard_map(
            partial(of_one, fn, all_split),
            mesh=mesh if explicit else automatic,
            in_specs=specs,
            out_specs=jax.tree.unflatten(tree, [_of_output(number, all_split) for number in range(tree.num_leaves)]),
            check_vma=False,
        )
        return computed(*arguments)

    return of_shards


def _checked_names(over: object, mesh: Mesh) -> tuple[str, ...]:
    """The axes of the mesh that `over` names.

    Raises:
        TypeError, ValueError: see `sharded`.
    """
    names = (over,) if isinstance(over, str) else several(over)
    if not names or not all(isinstance(name, str) for name in names):
        raise TypeError(explain("over", shown(over), "the name of an axis of the mesh, or a sequence of names", AXES))
    for name in names:
        if name not in mesh.shape:
            expected = f"one of the mesh's axes, {tuple(mesh.shape)}"
            raise ValueError(explain("over", repr(name), expected, "Name one of these"))
    if len(set(names)) < len(names):
        raise ValueError(explain("over", shown(over), "each axis of the mesh once", AXES))
    return tuple(names)


def _resharded(mesh: Mesh, argument: PyTree, spec: PartitionSpec) -> PyTree:
    """An argument whose type shows that it is split as `spec` says."""
    return jax.tree.map(lambda leaf: jax.sharding.reshard(leaf, NamedSharding(mesh, spec)), argument)


def _of_argument(number: int, all_split: Sequence[Split]) -> PartitionSpec:
    """How an argument is split."""
    own = {dict(split.part.along.arguments).get(number): split.part.over for split in all_split}
    return _spec({axis: name for axis, name in own.items() if axis is not None})


def _of_output(number: int, all_split: Sequence[Split]) -> PartitionSpec:
    """How an output is split."""
    own = {split.claims[number].output_axis: split.part.over for split in all_split}
    return _spec({axis: name for axis, name in own.items() if axis is not None})


def _spec(names: Mapping[int, str]) -> PartitionSpec:
    return PartitionSpec(*map(names.get, range(max(names, default=-1) + 1)))
