"""Untying preserves the output, and its adjoint sums: for shared, tiled and regional layers, in every geometry."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.broken_twins import caught
from support.geometries import compiled_examples, convolutions, examples
from support.numpy_evaluation import evaluated

import jaxconv as jc
from jaxconv.testing.configurations import Configuration
from jaxconv.testing.strategies import circular_configurations, conv_configurations


def untie(params, out, regions=None):
    """`jc.untie` evaluated with NumPy, like the next two functions; `test_compiled` covers XLA."""
    return evaluated(lambda params: jc.untie(params, out, regions=regions))(params)


def tie(params, **tying):
    """`jc.tie` evaluated with NumPy."""
    return evaluated(partial(jc.tie, **tying))(params)


def tie_gradient(gradient, **tying):
    """`jc.tie_gradient` evaluated with NumPy."""
    return evaluated(partial(jc.tie_gradient, **tying))(gradient)


@dataclass(frozen=True)
class Member:
    """A layer of the family with a case: its parameters, and the arguments of `tie` and `untie`."""

    case: Configuration
    kind: str
    sizes: tuple[int, ...]  # periods, or the length of the first region

    @property
    def out(self):
        """Number of positions along each axis."""
        return self.case.out

    @property
    def regions(self):
        """The lengths of the regions along each axis, at most two."""
        cuts = zip(self.sizes, self.out, strict=False)
        return tuple((cut, n - cut) if cut < n else (n,) for cut, n in cuts) if self.kind == "regional" else None

    @property
    def period(self):
        """The period of a tiled layer, at most the length of the output."""
        return tuple(map(min, self.sizes, self.out)) if self.kind == "tiled" else None

    @property
    def tying(self) -> dict[str, Any]:
        """The arguments of `tie`."""
        return {"period": self.period, "regions": self.regions}

    def params(self):
        """Parameters of the layer."""
        if self.kind == "shared":
            return self.case.params()
        return self.case.local_params(self.period or tuple(map(len, self.regions)))

    def layer(self, params, x):
        """Applies the layer."""
        settings = {"regions": self.regions} if self.regions else {}
        layer = {"shared": jc.conv, "tiled": jc.tiled_conv, "regional": jc.regional_conv}[self.kind]
        return layer(params, x, **settings, **self.case.geometry)

    def untie(self, params):
        """The parameters of the equivalent locally connected layer."""
        return untie(params, self.out, self.regions)


def members(max_rank=2, cases=conv_configurations):
    kinds, sizes = st.sampled_from(("shared", "tiled", "regional")), st.tuples(st.integers(1, 3), st.integers(1, 3))
    return st.builds(Member, cases(max_rank=max_rank), kinds, sizes)


def equal_trees(actual, expected):
    jax.tree.map(np.testing.assert_array_equal, actual, expected)


def both(member, compute=evaluated):
    """Output and parameter gradient of the layer with shared weights, and of its untied locally connected layer.

    The last two items are that gradient after `tie_gradient`, and the untied parameters after `tie`.
    """

    def run(params, x, dy):
        local = lambda params: jc.locally_connected(params, x, **member.case.geometry)
        untied = jc.untie(params, member.out, regions=member.regions)
        results = []
        for fn, layer_params in ((lambda params: member.layer(params, x), params), (local, untied)):
            y, pull_back = jax.vjp(fn, layer_params)
            results.append((y, pull_back(dy)[0]))
        return *results, jc.tie_gradient(results[1][1], **member.tying), jc.tie(untied, **member.tying)

    return compute(run)(member.params(), member.case.x(), member.case.dy())


def check(compute, member):
    """Both outputs are equal, the gradients sum to the shared gradient, and tying restores the parameters exactly."""
    (y, gradient), (local_y, _), summed, tied = both(member, compute)
    np.testing.assert_array_equal(y, local_y)
    equal_trees(summed, gradient)
    equal_trees(tied.params, member.params())
    assert (tied.distance, tied.distances) == (0.0, {"kernel": 0.0, "bias": 0.0})


@examples(16)
@given(member=members())
def test_untied_it_computes_the_same_and_its_gradients_are_summed(member):
    check(evaluated, member)


@compiled_examples(3)
@given(member=members(cases=convolutions))
def test_compiled(member):
    check(jax.jit, member)


def test_the_mean_of_the_gradients_is_not_the_gradient():
    """The mean, which `tie` applies to weights, is wrong for gradients."""

    def is_detected(member):
        (_, gradient), (_, local_gradient), *_ = both(member)
        mean = tie(local_gradient, **member.tying).params
        return not np.array_equal(mean["kernel"], gradient["kernel"])

    assert caught(members(max_rank=1), is_detected)


@examples(12)
@given(member=members())
def test_summing_is_the_adjoint_of_untying(member):
    params, gradient = member.params(), member.case.local_params()
    product = lambda a, b: sum(np.vdot(a[name], b[name]) for name in ("kernel", "bias"))
    assert product(member.untie(params), gradient) == product(params, tie_gradient(gradient, **member.tying))


def kernel_index(member, position):
    """The index of the kernel at a position."""
    if member.kind == "shared":
        return ()
    if member.kind == "tiled":
        return tuple(j % p for j, p in zip(position, member.period, strict=True))
    return tuple(int(j >= lengths[0]) for j, lengths in zip(position, member.regions, strict=True))


@examples(12)
@given(member=members())
def test_untying_copies(member):
    params, untied = member.params(), member.untie(member.params())
    for position in np.ndindex(member.out):
        index = kernel_index(member, position)
        equal_trees(
            {name: leaf[position] for name, leaf in untied.items()}, {n: leaf[index] for n, leaf in params.items()}
        )


@examples(12)
@given(member=members(), dtype=st.sampled_from((jnp.float32, jnp.bfloat16)))
def test_what_was_untied_is_tied_again_bit_for_bit(member, dtype):
    """Also for numbers with rounded sums, such as thirds."""
    params = jax.tree.map(lambda leaf: (leaf / np.float32(3)).astype(dtype), member.params())
    tied = tie(member.untie(params), **member.tying)
    equal_trees(tied.params, params)
    assert (tied.distance, tied.distances) == (0.0, {"kernel": 0.0, "bias": 0.0})


@examples(12)
@given(member=members())
def test_tying_is_the_mean_and_the_distance_is_what_is_left(member):
    """Computed per position in double precision, for bias and kernel together and separately."""
    untied = member.case.local_params()
    tied = tie(untied, **member.tying)
    residuals, totals = {}, {}
    for name, leaf in untied.items():
        places = {position: kernel_index(member, position) for position in np.ndindex(member.out)}
        mean = lambda index, leaf=leaf, places=places: np.mean(
            [leaf[j] for j, k in places.items() if k == index], axis=0, dtype=np.float64
        )
        residual = 0.0
        for position, index in places.items():
            np.testing.assert_allclose(tied.params[name][index], mean(index), rtol=1e-5, atol=1e-6)
            residual += ((leaf[position] - mean(index)) ** 2).sum()
        residuals[name], totals[name] = residual, (np.float64(leaf) ** 2).sum()
        np.testing.assert_allclose(
            tied.distances[name], np.sqrt(residual / max(totals[name], 1e-9)), rtol=1e-4, atol=1e-5
        )
    total = np.sqrt(sum(residuals.values()) / max(sum(totals.values()), 1e-9))
    np.testing.assert_allclose(tied.distance, total, rtol=1e-4, atol=1e-5)
    assert tied.distance <= 1.0


@examples(16)
@given(drawn=circular_configurations(), changed=st.sampled_from((None, "kernel", "bias")), at=st.integers(0, 10**6))
def test_a_layer_commutes_with_shifts_exactly_if_its_distance_is_0(drawn, changed, at):
    """Tested on every unit image and on zeros, which by linearity covers all images, along the shifted axis only."""
    case, axis = drawn
    assume(all(a.span <= a.length for a in case.axes))  # a window that reads a cell twice adds its weights
    assume(case.out[axis] > 1)  # a single position shares its kernel with no other
    period = tuple(1 if number == axis else n for number, n in enumerate(case.out))
    untied = untie(case.local_params(period), case.out)
    if changed:
        leaf = untied[changed] = untied[changed].copy()
        leaf.flat[at % leaf.size] += 1.0
    shape = (*case.lengths, case.channels[0])
    size = int(np.prod(shape))
    units = np.concatenate([np.eye(size, dtype=np.float32), np.zeros((1, size), np.float32)]).reshape(-1, *shape)
    layer = partial(jc.locally_connected, **case.geometry)
    rolled = np.roll(units, case.geometry["stride"][axis], axis + 1)
    moved, still = evaluated(lambda params, *each: [layer(params, x) for x in each])(untied, rolled, units)
    commutes = np.array_equal(moved, np.roll(still, 1, axis + 1))
    assert commutes == (tie(untied, period=period).distance == 0.0) == (changed is None)


@pytest.mark.parametrize("kernel", [[1.0, -1.0], [1e-3, -1e-3], [3.0, -1.0, -2.0]])
def test_nothing_is_left_of_what_has_no_mean(kernel):
    tied = tie({"kernel": np.float32(kernel).reshape(-1, 1, 1, 1)})
    assert (tied.params["kernel"].item(), tied.distance.item()) == (0.0, 1.0)
