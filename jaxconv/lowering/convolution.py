"""The three faces of a convolution as primitives, each of the others' derivative.

Their parameters are those of the `lax.conv_general_dilated` that computes the same (`Form.as_lax`), under the same
names; and the form, the result's dtype and the way, if one is forced.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching
from jax.sharding import NamedSharding
from jaxtyping import Array

from jaxconv.lowering.form import FACES, Face, Form, by_lax
from jaxconv.lowering.primitive import define, is_explicit, varying_alike
from jaxconv.lowering.table import fits, forced_way, way_for
from jaxconv.lowering.ways import WAYS
from jaxconv.lowering.ways.way import Compute


def convolve(x: Array, kernel: Array, form: Form) -> Array:
    """The convolution that `form` describes, of x [n, *spatial, c] by a kernel [*window, c/groups, o]."""
    way = forced_way(form, x.shape, kernel.shape)
    if way == "lax":
        return by_lax("conv", form, x, kernel)  # lax's own equation, which every tool for jaxprs knows
    return bind("conv", form, x, kernel, form.preferred or x.dtype, way=way)


def bind(
    face: Face,
    form: Form,
    one: Any,
    other: Any,
    dtype: Any,
    *,
    way: str | None = None,
    out_sharding: NamedSharding | None = None,
) -> Array:
    """One equation."""
    settings = {"form": form, "dtype": jnp.dtype(dtype), "way": way, "out_sharding": out_sharding}
    return PRIMITIVES[face].bind(*varying_alike(one, other), **settings, **form.as_lax(face))


def _computed(
    face: Face,
    one: Array,
    other: Array,
    *,
    form: Form,
    dtype: Any,
    way: str | None,
    out_sharding: NamedSharding | None,
    platform: str | None,
    **_: Any,
) -> Array:
    """The result on a platform: as the table says on the CPU, and as lax does on every other; or in the way forced."""
    if (
        face != "conv"
    ):  # as lax has it: the deltas of y may be wider than x and the kernel, which widen before they meet
        wide = (other if face == "conv_dkernel" else one).dtype
        one, other = one.astype(wide), other.astype(wide)
    if way is None and platform == "cpu":
        found = by_table(face, form, one, other, out_sharding)
    else:
        holds = way is not None and fits(way, face, form, one.shape, other.shape)
        # Where vmap has made another convolution of the one that a way was forced on, that may fit no longer.
        found = in_one_way(way if way and holds else "lax", face, form, one, other, by_lax, out_sharding)
    return found.astype(dtype)


def by_table(face: Face, form: Form, one: Array, other: Array, out_sharding: NamedSharding | None = None) -> Array:
    """One face as the table says, and the smaller convolutions that it comes down to likewise."""
    way = way_for(face, form, one.shape[0], *form.channels(face, one.shape, other.shape))
    return in_one_way(way, face, form, one, other, by_table, out_sharding)


def in_one_way(
    way: str,
    face: Face,
    form: Form,
    one: Array,
    other: Array,
    smaller: Compute,
    out_sharding: NamedSharding | None,
) -> Array:
    """One face in one way; what has no cells is lax's, and arrays whose types say how they are split."""
    if way == "lax" or one.size == 0 or other.size == 0 or any(map(is_explicit, (one, other))):
        return by_lax(face, form, one, other, out_sharding)
    return WAYS[way](face, form, one, other, smaller)


# Names of ours alone, since the certifier's rules go by name.
PRIMITIVES: dict[Face, Primitive] = {face: define(f"jaxconv_{face}", partial(_computed, face)) for face in FACES}


def _transposed(face: Face, asked: int, cotangent: Any, *operands: Any, form: Form, way: str | None, **_: Any) -> Array:
    """The face that asks for operand number `asked`, of the other operand and of the result's cotangent."""
    given = dict(zip(FACES[face], (*operands, cotangent), strict=True))
    role, aval = FACES[face][asked], operands[asked].aval
    target: Face = next(name for name, roles in FACES.items() if roles[2] == role)
    one, other = (given[role] for role in FACES[target][:2])
    out_sharding = aval.sharding if any(map(is_explicit, (one, other))) else None
    return bind(target, form, one, other, aval.dtype, way=way, out_sharding=out_sharding)


# Where vmap's axis goes: into an axis that the operand does not share with the other one; if both have it, into the
# channels, as so many more groups. (role, index) -> axis, and whether that axis is split into the form's groups.
AXES = {
    ("x", "n"): (0, False),
    ("x", "c"): (-1, True),
    ("kernel", "c"): (-2, False),
    ("kernel", "o"): (-1, True),
    ("y", "n"): (0, False),
    ("y", "o"): (-1, True),
}
GROUPED = {"x": "c", "kernel": "o", "y": "o"}  # the index that tells the groups apart


def _batched(
    face: Face, operands: Any, axes: Any, *, form: Form, dtype: Any, way: str | None, **_: Any
) -> tuple[Array, int]:
    """One equation for a whole axis of convolutions."""
    roles = FACES[face]
    moved = [jnp.moveaxis(a, axis, 0) if axis is not None else a for a, axis in zip(operands, axes, strict=True)]
    count = next(a.shape[0] for a, axis in zip(moved, axes, strict=True) if axis is not None)
    if count == 0:
        shapes = [a.shape if axis is None else a.shape[1:] for a, axis in zip(moved, axes, strict=True)]
        return jnp.zeros((0, *form.shape_of(roles[2], *shapes)), dtype), 0
    if None not in axes:
        more = replace(form, groups=form.groups * count)
        one, other = (_folded(a, AXES[role, GROUPED[role]][0], 1) for a, role in zip(moved, roles, strict=False))
        found = bind(face, more, one, other, dtype, way=way)
        return _unfolded(found, AXES[roles[2], GROUPED[roles[2]]][0], 1, count), 0
    mine = 0 if axes[1] is None else 1
    role, other, result = roles[mine], roles[1 - mine], roles[2]
    index = next(i for r, i in AXES if r == role and (other, i) not in AXES)
    parts = lambda role: form.groups if AXES[role, index][1] else 1
    moved[mine] = _folded(moved[mine], AXES[role, index][0], parts(role))
    found = bind(face, form, moved[0], moved[1], dtype, way=way)
    return _unfolded(found, AXES[result, index][0], parts(result), count), 0


def _folded(a: Array, axis: int, parts: int) -> Array:
    """[count, ..., parts*l, ...] to [..., parts*count*l, ...]: the first axis goes into each part of another one."""
    count, *shape = a.shape
    axis %= len(shape)
    length = shape[axis] // parts
    a = a.reshape(count, *shape[:axis], parts, length, *shape[axis + 1 :])
    return jnp.moveaxis(a, 0, axis + 1).reshape(*shape[:axis], parts * count * length, *shape[axis + 1 :])


def _unfolded(a: Array, axis: int, parts: int, count: int) -> Array:
    """The way back: [..., parts*count*l, ...] to [count, ..., parts*l, ...]."""
    axis %= a.ndim
    before, after = a.shape[:axis], a.shape[axis + 1 :]
    length = a.shape[axis] // (parts * count)
    a = jnp.moveaxis(a.reshape(*before, parts, count, length, *after), axis + 1, 0)
    return a.reshape(count, *before, parts * length, *after)


for _face, _primitive in PRIMITIVES.items():
    ad.defbilinear(_primitive, partial(_transposed, _face, 0), partial(_transposed, _face, 1))
    batching.primitive_batchers[_primitive] = partial(_batched, _face)
