"""The expectations of the table of real networks, checked by execution: each holds, and no stronger one does.

NumPy evaluates the jaxprs of the networks. XLA runs other libraries' networks, and in nightly runs all networks.
"""

import functools
import itertools
import linecache
import math
from pathlib import Path

import jax
import numpy as np
import pytest
from support import networks
from support.networks import NETWORKS, each_network, network
from support.networks.arguments import concrete
from support.networks.published import RESNET50, RESNET101, VGG16_FIELD, resnet_field
from support.numpy_evaluation import evaluated
from support.profiles import NIGHTLY

EQUAL, DIFFERENT = 1e-4, 1e-3  # relative to the largest output; no error may lie between them
BATCH = 8 if NIGHTLY else 2  # images per call, so that each network is traced once, and compiled once in nightly runs
# The effect of the outermost cells of these fields is below rounding. Infinities show that outputs depend on them.
DEEP = ("vgg16", "resnet50", "resnet101")


def average(leaf):
    """Return positive weights of the shape of a leaf: 1 / fan_in, so that sums do not grow."""
    fan_in = leaf.size / max(leaf.shape[0], leaf.shape[-1])
    return np.full(leaf.shape, 1 / fan_in, leaf.dtype)


class Running:
    """A network with parameters, and random images for it, the same in every test."""

    def __init__(self, name):
        self.network = network(name)
        self.expect = self.network.expect
        *self.parameters, _ = concrete(self.network)
        self.averaging = jax.tree.map(average, self.parameters)
        run = jax.jit if NIGHTLY or NETWORKS[name].needs != "jax" else evaluated
        self._leaves = run(lambda parameters, images: jax.tree.leaves(self.network.fn(*parameters, images)))

    def image(self, seed=0):
        """Return a random image."""
        return np.random.default_rng(seed).normal(size=self.network.image.shape).astype(np.float32)

    def __call__(self, images, parameters=None):
        """Return the leaves of the output for each image."""
        outputs = []
        for start in range(0, len(images), BATCH):
            chunk = images[start : start + BATCH]
            batch = np.concatenate([*chunk, *[chunk[0]] * (BATCH - len(chunk))])
            leaves = self._leaves(parameters or self.parameters, batch)
            outputs += [[np.asarray(leaf[number : number + 1]) for leaf in leaves] for number in range(len(chunk))]
        return outputs


running = functools.cache(Running)


def along(axis, ndim, values):
    """Return a vector along one of `ndim` axes."""
    return np.expand_dims(values, [other for other in range(ndim) if other != axis])


def roll(leaf, moves, k):
    """Return an output after k cyclic moves."""
    return np.roll(leaf, [k * t for _, t in moves], [axis for axis, _ in moves])


def push(x, axis, amount, fresh):
    """Return `x` shifted by `amount` cells, with `fresh` content in the cells that enter."""
    source = np.arange(x.shape[axis]) - amount
    arrives = along(axis, x.ndim, (source >= 0) & (source < x.shape[axis]))
    return np.where(arrives, np.roll(x, amount, axis), fresh)


def error(expected, actual):
    """Return the largest difference, relative to the largest value."""
    return np.abs(actual - expected).max() / np.abs(expected).max()


def pairs(before, after, moves, k):
    """Return |after[j + k*t] - before[j]|, relative, for every j along the first move with outputs j and j + k*t.

    Invariance has one pair: the whole output before and after.
    """
    if not moves:
        return {0: error(before, after)}
    scale = np.abs(before).max()
    for axis, t in moves:
        places = np.arange(max(0, -k * t), min(before.shape[axis], before.shape[axis] - k * t))
        before, after = before.take(places, axis), after.take(places + k * t, axis)
    others = tuple(axis for axis in range(before.ndim) if axis != moves[0][0])
    gaps = np.abs(after - before).max(axis=others) / scale
    first = max(0, -k * moves[0][1])
    return dict(enumerate(gaps, start=first))


def inside(gaps, k, row, region):
    """Return the pairs with both positions in a region."""
    (_, t), (lo, hi) = row.moves[0], region
    return [gap for j, gap in gaps.items() if lo <= min(j, j + k * t) and max(j, j + k * t) < hi]


def pushed_pairs(run, row, shift, moves, amounts):
    """Return, for each k, the pairs of outputs before and after a shift by k*shift."""
    x, fresh = run.image(), 3 * run.image(seed=1)
    outputs = run([x, *(push(x, row.axis, k * shift, fresh) for k in amounts)])
    before, *afters = [leaves[row.leaf] for leaves in outputs]
    return {k: pairs(before, after, moves, k) for k, after in zip(amounts, afters, strict=True)}


@each_network()
def test_the_network_runs(name):
    run = running(name)
    (leaves,) = run([run.image()])
    assert {row.leaf for row in run.expect} == set(range(len(leaves)))
    assert {(row.leaf, row.axis) for row in run.expect} == {
        (leaf, a) for leaf in range(len(leaves)) for a in run.network.axes
    }
    assert all(np.isfinite(leaf).all() and leaf.std() > 0.05 for leaf in leaves)


@each_network()
def test_the_cyclic_law_holds_for_every_multiple_of_the_shift_or_for_none(name):
    run = running(name)
    x = run.image()
    for row in run.expect:
        turns, rest = divmod(x.shape[row.axis], row.shift)
        assert rest == 0
        amounts = sorted({*range(1, min(turns, 6)), turns - 1} - {0})
        before, *afters = run([x, *(np.roll(x, k * row.shift, row.axis) for k in amounts)])
        errors = [
            error(roll(before[row.leaf], row.moves, k), after[row.leaf])
            for k, after in zip(amounts, afters, strict=True)
        ]
        assert max(errors) < EQUAL if row.cyclic else min(errors) > DIFFERENT, row


@each_network()
def test_no_smaller_shift_has_a_cyclic_law(name):
    """The shifts with a law are the multiples of the smallest, so that a test of half the shift suffices."""
    run = running(name)
    x = run.image()
    for row in run.expect:
        if not row.cyclic or row.shift == 1:
            continue
        assert row.shift.bit_count() == 1
        before, after = [leaves[row.leaf] for leaves in run([x, np.roll(x, row.shift // 2, row.axis)])]
        longest = max((before.shape[axis] for axis, _ in row.moves), default=1)
        unit = math.gcd(*(t for _, t in row.moves))
        steps = [(axis, t // unit) for axis, t in row.moves]
        errors = [error(roll(before, steps, k), after) for k in range(longest)]
        assert min(errors) > DIFFERENT, row


@each_network()
def test_the_interior_law_holds_in_the_region_or_nowhere(name):
    run = running(name)
    for row in run.expect:
        gaps_by_k = pushed_pairs(run, row, row.shift, row.moves, (1, -1, 2, -2))
        if row.interior:
            gaps = {k: inside(gaps, k, row, row.region) for k, gaps in gaps_by_k.items()}
            assert gaps[1], f"vacuous: {row}"
            assert max(itertools.chain(*gaps.values())) < EQUAL, row
        else:
            assert min(min(gaps_by_k[k].values()) for k in (1, -1)) > DIFFERENT, row


@each_network()
def test_no_wider_region_has_the_interior_law(name):
    run = running(name)
    for row in run.expect:
        if not row.interior:
            continue
        if name in DEEP:
            assert row.region == row.field.inside(run.network.image.shape[row.axis])
            continue
        lo, hi = row.region
        (outputs,) = run([run.image()])
        length = outputs[row.leaf].shape[row.moves[0][0]]
        assert 0 <= lo < hi <= length
        gaps_by_k = pushed_pairs(run, row, row.shift, row.moves, (1, -1))
        for wider in ((lo - 1, hi), (lo, hi + 1)):
            if wider[0] >= 0 and wider[1] <= length:
                assert max(gap for k in gaps_by_k for gap in inside(gaps_by_k[k], k, row, wider)) > DIFFERENT, (
                    row,
                    wider,
                )


@each_network()
def test_no_smaller_shift_has_an_interior_law(name):
    run = running(name)
    for row in run.expect:
        if not row.interior or row.shift == 1:
            continue
        ((axis, t),) = row.moves
        for move in range(t + 1):
            gaps_by_k = pushed_pairs(run, row, row.shift // 2, ((axis, move),), (1,))
            assert max(inside(gaps_by_k[1], 1, row, row.region)) > DIFFERENT, (row, move)


def reached(run, row, cells):
    """Return, for each cell along the row's axis, which outputs along the move depend on it.

    The cell is set to a NaN and to an infinity, and an output depends on it if the output is not finite. With positive
    weights an infinity passes every window. A NaN also passes functions with bounded results. (A NaN alone does not
    suffice, because XLA's fast path for large maxima on CPU loses NaNs.)
    """
    x = np.abs(run.image())
    (axis, _), *_ = row.moves or ((0, 0),)
    marks = [
        np.where(along(row.axis, x.ndim, np.arange(x.shape[row.axis]) == cell), mark, x).astype(np.float32)
        for cell in cells
        for mark in (np.nan, np.inf)
    ]
    leaves = [outputs[row.leaf] for outputs in run(marks, run.averaging)]
    lost = [~np.isfinite(leaf).all(axis=tuple(other for other in range(leaf.ndim) if other != axis)) for leaf in leaves]
    return [by_nan | by_inf for by_nan, by_inf in zip(lost[::2], lost[1::2], strict=True)]


@each_network()
def test_the_field_is_what_outputs_depend_on(name):
    """Outputs depend on no cell outside the field. At some phase they depend on its first cell, at some on its last."""
    run = running(name)
    for row in run.expect:
        length = run.network.image.shape[row.axis]
        if row.field is None:
            assert all(hits.all() for hits in reached(run, row, [0, length // 2])), row
            continue
        (_, t), field = row.moves[0], row.field
        if field.size + 2 > length:
            assert name in DEEP  # no cell to test: the field is wider than the image
            continue
        centre = (length - field.size) // 2 - field.first  # the field at this cell is inside the image
        outputs = [centre // field.rate + phase for phase in range(t)]
        for edge, holds in ((field.first - 1, False), (field.first, True), (field.last, True), (field.last + 1, False)):
            hits = reached(run, row, [field.rate * j + edge for j in outputs])
            assert any(hit[j] for j, hit in zip(outputs, hits, strict=True)) is holds, (row, edge)


def test_the_calculator_gives_the_published_fields():
    """Size, stride and padding from the table of google-research/receptive_field, for TF-Slim's networks at 224x224."""
    fields = [VGG16_FIELD, resnet_field(RESNET50), resnet_field(RESNET101)]
    assert [(field.size, field.rate, -field.first) for field in fields] == [
        (212, 32, 90),
        (483, 32, 239),
        (1027, 32, 511),
    ]


@pytest.mark.parametrize(
    ("name", "size", "region"),
    [
        ("vgg16", 224, (3, 4)),
        ("resnet50", 224, None),
        ("resnet50", 1024, (8, 25)),
        ("resnet101", 224, None),
        ("resnet101", 2048, (16, 48)),
        ("unet", 512, (11, 501)),
        ("small_cnn", 512, (1, 63)),
    ],
)
def test_regions_at_real_sizes(name, size, region):
    assert [row.region for row in network(name, large=True, height=size, width=size).expect] == [region, region]


@each_network(large=True)
def test_the_large_network_has_outputs_that_fit_its_expectations(name):
    large = network(name, large=True)
    leaves = jax.tree.leaves(jax.eval_shape(large.fn, *large.arguments))
    for row in large.expect:
        turns = large.image.shape[row.axis] / row.shift
        for axis, t in row.moves:
            length = leaves[row.leaf].shape[axis]
            # "VALID" padding gives fewer outputs.
            assert length == turns * t if row.cyclic or row.culprit else length < turns * t
            assert row.region is None or 0 <= row.region[0] < row.region[1] <= length


def equations(jaxpr):
    """Yield every equation, including those of inner jaxprs."""
    for equation in jaxpr.eqns:
        yield equation
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda value: hasattr(value, "eqns")):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from equations(inner)


@each_network()
def test_the_culprit_stands_where_it_is_said_to(name):
    """Some equation has the culprit's primitive, and a line of `networks` with the culprit's code in its traceback."""
    run = running(name)
    culprits = {row.culprit for row in run.expect if row.culprit}
    closed = jax.make_jaxpr(run.network.fn)(*run.network.arguments)
    for culprit in culprits:
        lines = [
            linecache.getline(frame.file_name, frame.line_num)
            for equation in equations(closed.jaxpr)
            if equation.primitive.name == culprit.primitive
            for frame in equation.source_info.traceback.frames
            if Path(frame.file_name).parent == Path(networks.__file__).parent
        ]
        assert any(culprit.code in line for line in lines), lines
    assert all(row.culprit is None for row in run.expect if row.cyclic)
