"""Judges claims about tiles by execution on whole numbers. NumPy computes the equations, since XLA would compile many."""

import jax
import numpy as np

from support.numpy_evaluation import evaluated


def signal(shape, seed=0):
    """An input of small whole numbers of both signs, few of them equal to a neighbour."""
    return np.asarray(np.random.default_rng(seed).integers(-9, 10, shape).astype(np.float32))


def agreements(fn, x, axis, tile, claim, leaf=0):
    """For each offset that the claim allows: the offset, and which cells of the tile's output are the whole's."""
    fn = evaluated(fn)
    whole = np.asarray(jax.tree.leaves(fn(x))[leaf])
    for offset in range(0, x.shape[axis] - tile + 1, claim.shift):
        part = np.asarray(jax.tree.leaves(fn(x.take(range(offset, offset + tile), axis)))[leaf])
        place = claim.start + offset * claim.step // claim.shift
        cells, others = (np.moveaxis(array, claim.output_axis, 0) for array in (part, whole))
        yield (
            offset,
            [0 <= j + place < len(others) and np.array_equal(cells[j], others[j + place]) for j in range(len(cells))],
        )


def judged(fn, x, axis, tile, claim, leaf=0):
    """What is false of a claim, and the cells of a tile's output that agree at all inner offsets."""
    always, false = None, []
    for offset, agrees in agreements(fn, x, axis, tile, claim, leaf):
        interval = {0: claim.first, x.shape[axis] - tile: claim.last}.get(offset, claim.inner)
        if not all(agrees[claim.inner[0] : claim.inner[1]]) or not all(agrees[interval[0] : interval[1]]):
            false.append(offset)
        if 0 < offset < x.shape[axis] - tile:
            always = agrees if always is None else [one and other for one, other in zip(always, agrees, strict=True)]
    return false, [j for j, agrees in enumerate(always or []) if agrees]
