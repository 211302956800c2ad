"""The judge of summaries: it runs the function, and counts by differentiating what the summary counted by reading.

A sum of products, all of ones, has as many terms as it is large; its derivative by a number is how often that number is
used. What an output reads is where its derivative by the input is not zero.
"""

import jax
import jax.numpy as jnp
import numpy as np

from support.numpy_evaluation import evaluated


def ones(tree):
    return jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), tree)


def uses(fn, params, x):
    """For each leaf of the parameters how often each of its numbers is used, of a function linear in each of them."""
    total = lambda params, x: jnp.sum(fn(params, x))
    return [np.asarray(leaf) for leaf in jax.tree.leaves(evaluated(jax.grad(total))(ones(params), ones(x)))]


def objections_to_reuse(found, fn, params, x):
    """Leaves that are used more or less often than the summary says; it is of one example."""
    counted = {weight.path: 0 for weight in found.weights}
    for layer in found.layers:
        for use in layer.uses:
            counted[use.path] += use.reuse
    measured = uses(fn, params, x)
    return [
        (path, count, leaf.min(), leaf.max())
        for (path, count), leaf in zip(counted.items(), measured, strict=True)
        if not (leaf == count).all()
    ]


def objections_to_parameters(found, params):
    """Whether layers and idle numbers do not add up to what there is, or to what each array holds."""
    sizes = [leaf.size for leaf in jax.tree.leaves(params)]
    layers = sum(layer.parameters for layer in found.layers)
    wrong = [] if found.parameters == sum(sizes) == layers + found.idle else [(found.parameters, sum(sizes), layers)]
    return wrong + [size for size, weight in zip(sizes, found.weights, strict=True) if size != weight.numbers]


def read_by(fn, x, cell):
    """The first and the last input cell that an output cell (its spatial indices) reads, along each spatial axis."""
    one = lambda x: jnp.sum(fn(x)[(0, *cell)])
    rows = np.nonzero(evaluated(jax.grad(one))(ones(x))[0].any(axis=-1))
    return [(int(row.min()), int(row.max())) for row in rows]


def objections_to_field(reaches, fn, x, cell):
    """Axes along which an output cell reads other cells than those of its receptive field."""
    found = read_by(fn, x, cell)
    said = []
    for reach, at in zip(reaches, cell, strict=True):
        field = reach.receptive_field
        said.append((field.cells(at)[0], field.cells(at)[-1]))
    return [pair for pair in zip(found, said, strict=True) if pair[0] != pair[1]]
