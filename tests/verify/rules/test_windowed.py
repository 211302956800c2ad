"""Convolutions and pooling of every geometry: execution does not refute what is proved, and known regions are tight."""

import itertools
from fractions import Fraction
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.numpy_twins import (
    THINNED,
    all_certified,
    bordered,
    certified,
    longest_interior,
    proved,
    refutation,
    spread,
    thinned,
    windows,
    worth_reporting,
)

import jaxconv as jc
from jaxconv.lowering import use_algorithm
from jaxconv.verify.certificate import ReceptiveField, Verdict

# Convolutions

KERNEL = np.array([2, -3, 5])


LENGTHS = range(1, 7)


def convolution(n, taps, stride, base_dilation, dilation, before, after):
    kernel = KERNEL[:taps, None, None].astype(np.int32)

    def fn(x):
        numbers = ("NWC", "WIO", "NWC")
        wide = lax.expand_dims(x, (2,))
        y = lax.conv_general_dilated(
            wide, kernel, (stride,), ((before, after),), (base_dilation,), (dilation,), numbers
        )
        return lax.squeeze(y, (2,))

    return (
        fn,
        lambda x: windows(bordered(spread(x, base_dilation), before, after), taps, stride, dilation) @ KERNEL[:taps],
    )


def outputs(n, taps, stride, base_dilation, dilation, before, after):
    return max((base_dilation * (n - 1) + 1 + before + after - dilation * (taps - 1) - 1) // stride + 1, 0)


@cache
def certified_convolutions(n, one_in):
    """The claims about the convolutions of geometries that fit a signal of `n` cells."""
    every = itertools.product([n], (1, 2, 3), (1, 2, 3), (1, 2), (1, 2), (0, 1, 2), (0, 1, 2))
    cases = [case for case in thinned(every, one_in) if outputs(*case)]
    claims = all_certified([convolution(*case)[0] for case in cases], (1, n))
    return dict(zip(cases, claims, strict=True))


@THINNED
def test_convolutions_of_every_geometry_prove_nothing_that_is_false(one_in):
    """Every combination of taps, stride and dilations with a padding before, each with one padding after."""
    count = 0
    for n in LENGTHS:
        for case, claims in certified_convolutions(n, one_in).items():
            count += bool(proved(claims))
            assert refutation(convolution(*case)[1], (1, n), claims, samples=1) is None, case
    assert count > 500 / one_in


def clear_positions(case):
    """The positions at which no tap reads the padding."""
    n, taps, stride, _, dilation, before, _ = case
    reads = lambda j: [j * stride - before + u * dilation for u in range(taps)]
    return [j for j in range(outputs(*case)) if all(0 <= cell < n for cell in reads(j))]


@THINNED
@pytest.mark.parametrize("n", LENGTHS)
def test_a_convolutions_interior_is_what_reads_no_padding_and_its_receptive_field_is_its_span(n, one_in):
    """The geometries are those of the previous test."""
    for case, claims in certified_convolutions(n, one_in).items():
        _, taps, stride, base_dilation, dilation, before, _ = case
        if base_dilation > 1:
            continue
        _, twin = convolution(*case)
        claim, clear = claims["interior"], clear_positions(case)
        assert (claim.verdict is Verdict.PROVED) == worth_reporting(n, stride, len(clear), 1), case
        if claim.verdict is Verdict.PROVED:
            assert claim.region == ((1, clear[0], clear[-1] + 1),), case
            assert len(clear) <= longest_interior(twin, (1, n), stride, 1), case
            assert (claim.shift, claim.moves) == (stride, ((1, 1),))
            field = ReceptiveField(Fraction(stride), 1, ((-before, dilation * (taps - 1) - before),))
            assert claim.receptive_field == field, case


def test_a_convolution_after_wrapping_by_its_span_moves_by_one_for_each_stride():
    for taps, stride, dilation, n in itertools.product((1, 2, 3), (1, 2, 3), (1, 2), (6, 7)):
        span = dilation * (taps - 1)
        fn, twin = convolution(n + span, taps, stride, 1, dilation, 0, 0)
        wrapped = lambda np_, x: np_.pad(x, ((0, 0), (0, span)), mode="wrap")
        claims = certified(lambda x: fn(wrapped(jnp, x)), (1, n))
        assert refutation(lambda x: twin(wrapped(np, x)), (1, n), claims) is None
        assert ("cyclic" in proved(claims)) == (n % stride == 0), (taps, stride, dilation, n)
        if n % stride == 0:
            assert (claims["cyclic"].shift, claims["cyclic"].moves) == (stride, ((1, 1),))
            assert claims["cyclic"].receptive_field.size == span + 1


# Pooling


POOLS = {
    "max": (lax.max, -(2**31), lambda w: w.max(-1)),
    "min": (lax.min, 2**31 - 1, lambda w: w.min(-1)),
    "add": (lax.add, 0, lambda w: w.sum(-1)),
}


def pooling(name, n, taps, stride, base_dilation, dilation, before, after):
    reducer, initial, reduce = POOLS[name]
    settings = ((1, taps), (1, stride), ((0, 0), (before, after)), (1, base_dilation), (1, dilation))

    def twin(x):
        padded = bordered(spread(x, base_dilation, initial), before, after, initial)
        return reduce(windows(padded, taps, stride, dilation))

    return lambda x: lax.reduce_window(x, np.int32(initial), reducer, *settings), twin


@THINNED
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("name", POOLS)
def test_pooling_of_every_geometry_proves_nothing_false_and_its_interior_reads_no_padding(name, n, one_in):
    """Each geometry is tested with one of the three reductions."""
    every = itertools.product([n], (1, 2, 3), (1, 2, 3), (1, 2), (1, 2), (0, 1), (0, 2))
    cases = [case for case in thinned(every, one_in, list(POOLS).index(name)) if outputs(*case)]
    pools = [pooling(name, *case) for case in cases]
    for case, (_, twin), claims in zip(cases, pools, all_certified([fn for fn, _ in pools], (1, n)), strict=True):
        _, _, stride, base_dilation, *_ = case
        assert refutation(twin, (1, n), claims, samples=3) is None, case
        if base_dilation == 1:
            claim, clear = claims["interior"], clear_positions(case)
            worth = worth_reporting(n, stride, len(clear), 1)
            assert (claim.verdict is Verdict.PROVED) == worth, case
            assert not worth or claim.region == ((1, clear[0], clear[-1] + 1),), case


def pooled_back(x, taps, stride, before, after):
    """The gradient of the sum of 5/2 m**2 over the maxima m of all windows."""
    padded = bordered(x, before, after, -(2**40))
    in_windows = windows(padded, taps, stride, 1)
    out = np.zeros_like(padded)
    for j in range(in_windows.shape[1]):
        np.add.at(out, (np.arange(len(x)), j * stride + in_windows[:, j].argmax(-1)), 5 * in_windows[:, j].max(-1))
    return out[:, before : before + x.shape[1]]


def max_pool(taps, stride, before, after):
    return lambda x: jc.max_pool(x[..., None], (taps,), stride=stride, padding=((before, after),))[..., 0]


def max_pools(n):
    """Geometries of max pooling in which every window reads a cell."""
    every = itertools.product((1, 2, 3), (1, 2, 3), (0, 1), (0, 1))
    fits = lambda taps, before, after: max(before, after) < taps <= n + before + after
    return [case for case in every if fits(case[0], *case[2:])]


@pytest.mark.parametrize("algorithm", ["window_slices", "lax"])
def test_the_gradient_of_max_pooling_of_every_geometry_proves_nothing_that_is_false(algorithm):
    def gradient(*case):
        def fn(x):
            y, back = jax.vjp(max_pool(*case), x)
            return back(5 * y)[0]

        return fn

    count = 0
    for n in range(2, 9):
        with use_algorithm(algorithm):
            all_claims = all_certified([gradient(*case) for case in max_pools(n)], (1, n), "float32")
        for case, claims in zip(max_pools(n), all_claims, strict=True):
            taps, stride, before, after = case
            count += len(proved(claims))
            assert refutation(lambda x: pooled_back(x, *case), (1, n), claims, samples=4) is None, (n, *case)
            whole = (before, after) == (0, 0) and taps <= stride and n % stride == 0 and 2 * stride <= n
            assert "cyclic" in proved(claims) or not whole, (n, *case)
    assert count > 100


def picked(x, taps, stride, before, after):
    """The square of the first largest cell of each window, which is `jax.jvp` for the tangent x*x."""
    in_windows = windows(bordered(x, before, after, -(2**40)), taps, stride, 1)
    return np.take_along_axis(in_windows * in_windows, in_windows.argmax(-1)[..., None], -1)[..., 0]


def test_the_change_of_max_pooling_of_every_geometry_proves_nothing_that_is_false():
    change = lambda *case: lambda x: jax.jvp(max_pool(*case), (x,), (x * x,))[1]
    count = 0
    for n in range(2, 10):
        all_claims = all_certified([change(*case) for case in max_pools(n)], (1, n), "float32")
        for (taps, stride, before, after), claims in zip(max_pools(n), all_claims, strict=True):
            case = (n, taps, stride, 1, 1, before, after)
            count += len(proved(claims))
            twin = lambda x: picked(x, taps, stride, before, after)
            assert refutation(twin, (1, n), claims, samples=4) is None, case
            claim, clear = claims["interior"], clear_positions(case)
            worth = worth_reporting(n, stride, len(clear), 1)
            assert (claim.verdict is Verdict.PROVED) == worth, case
            assert not worth or claim.region == ((1, clear[0], clear[-1] + 1),), case
    assert count > 100


@pytest.mark.parametrize("name", ["max", "sum"])
def test_our_pools_say_what_laxs_do(name):
    """The claims about jaxconv's pooling and lax's are equal, and so are those about their gradients."""
    pool = {"max": jc.max_pool, "sum": partial(jc.avg_pool, divisor=1)}[name]

    def layer(taps, stride, before, padding):
        pad = padding or ((before, 0),)
        return lambda x: pool(x[..., None], (taps,), stride=stride, padding=pad)[..., 0]

    gradient = lambda layer: jax.grad(lambda x: jnp.sum(layer(x) ** 2))

    every = itertools.product((1, 2, 3), (1, 2), (0, 1), ("circular", None))
    cases = [case for case in every if case[2] < case[0]]
    for n in (6, 7):
        results = []
        for algorithm in ("window_slices", "lax"):
            layers = [layer(*case) for case in cases]  # new functions, which are traced again
            with use_algorithm(algorithm):
                claims = all_certified([*layers, *map(gradient, layers)], (1, n), "float32")
            results.append(
                [{k: (c.verdict, c.shift, c.moves, c.region) for k, c in by_kind.items()} for by_kind in claims]
            )
        for case, ours, laxs in zip([*cases, *cases], *results, strict=True):
            assert ours == laxs, (n, *case)


# Windows along an axis that does not move


@pytest.mark.parametrize("window", [convolution, partial(pooling, "add")], ids=["convolution", "pooling"])
def test_equal_cells_stay_equal_under_a_window_only_without_padding(window):
    """x + a window over cells that all equal sum(x). A window that also reads padding gives another result there.

    If the certifier assumed that they are equal, it would prove a cyclic law, which the twin refutes.
    """
    n, taps = 6, 3
    for before, after in itertools.product(range(-1, taps), repeat=2):
        wide = n + taps - 1 - before - after
        fn, twin = window(wide, taps, 1, 1, 1, before, after)
        totals = lambda np_, x: np_.broadcast_to(x.sum(1, keepdims=True), (len(x), wide))
        claims = certified(lambda x: x + fn(totals(jnp, x)), (1, n))
        assert refutation(lambda x: x + twin(totals(np, x)), (1, n), claims) is None, (before, after)
        assert ("cyclic" in proved(claims)) == (before <= 0 and after <= 0), (before, after)


# No rule here may prove these. Each function is named after the reason why it breaks the law.


def convolved(x, kernel, **settings):
    return lax.conv_general_dilated(x, kernel, (1,), "VALID", dimension_numbers=("NHC", "HIO", "NHC"), **settings)


def by_itself(x, cells):
    """A convolution of x with a kernel made of `cells`, which moves with them."""
    return convolved(x, jnp.moveaxis(cells, 0, -1))


def scattered(x, cells):
    """The gradient of max pooling of 12 cells in pairs, for a cotangent that does not move with the pairs."""
    _, pull = jax.vjp(lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 1), (1, 2, 1), "VALID"), x)
    return pull(cells)[0]


BREAKING = {
    "a shifted axis of channels": (
        lambda x: convolved(x, np.arange(24, dtype=np.float32).reshape(1, 2, 12)),
        2,
        "the shifted axis is summed over as channels",
    ),
    "groups of a shifted batch": (
        lambda x: convolved(jnp.moveaxis(x, 1, 0), jnp.ones((1, 2, 4)), batch_group_count=2),
        1,
        "the shifted axis is the batch axis, which batch_group_count splits",
    ),
    "half a period as the kernel": (lambda x: by_itself(x, x[:, :6]), 1, "only 6 positions of a period of 12 remain"),
    "two periods as the kernel": (
        lambda x: by_itself(jnp.concatenate([x] * 3, 1), jnp.concatenate([x, x], 1)),
        1,
        "sums over something other than one whole period",
    ),
    "the gradient of a kernel with windows inside only": (
        lambda x: jax.grad(lambda kernel: jnp.sum(convolved(x, kernel) ** 2))(jnp.ones((3, 2, 3))),
        1,
        "only 10 positions of a period of 12 remain",
    ),
    "maxima scattered from neighbours": (
        lambda x: scattered(x, x[:, 3:9]),
        1,
        "the pooled input and the scattered values do not move together",
    ),
    "maxima scattered from one cell in four": (
        lambda x: scattered(x, jnp.concatenate([x, x], 1)[:, ::4]),
        1,
        "the pooled input and the scattered values do not move together",
    ),
    "an initial value that depends on the input": (
        lambda x: lax.reduce_window(x, x.sum(), lax.add, (1, 3, 1), (1, 1, 1), "VALID"),
        1,
        "the initial value depends on the input",
    ),
}


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_the_law_is_named(name):
    fn, axis, reason = BREAKING[name]
    report = jc.certify(fn, jax.ShapeDtypeStruct((1, 12, 2), "float32"), axes=(axis,), search=False).leaves[0].axes[0]
    assert Verdict.PROVED not in (report.cyclic.verdict, report.interior.verdict)
    assert reason in report.cyclic.culprit.reason


def test_the_gradient_of_max_pooling_reads_what_the_cotangent_reads():
    """Along an axis without a window it had the field of x alone: one cell, where two are read."""

    def fn(x):
        y, back = jax.vjp(lambda x: jc.max_pool(x[..., None], (1, 2))[..., 0], x)
        return back(jnp.roll(y, 2, 1))[0]

    def by_lax(x):
        pool = lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2), (1, 1, 2), "VALID")
        y, back = jax.vjp(pool, x)
        return back(jnp.roll(y, 2, 1))[0]

    for gradient in (fn, by_lax):
        x = jax.ShapeDtypeStruct((1, 8, 4), jnp.float32)
        certificate = jc.certify(gradient, x, axes=(1,), search=False)
        field = certificate.leaves[0].axes[0].cyclic.receptive_field
        assert field is None or (field.size, field.cells(4)) == (3, range(2, 5))
        assert jc.recheck(certificate, gradient, x) == ()


def test_the_gradient_of_max_pooling_moves_if_its_cotangent_is_the_same_everywhere():
    """Along an axis without a window a uniform cotangent moves with x."""
    gradient = jax.grad(lambda x: jnp.sum(jc.max_pool(x, (1, 2))))
    x = jax.ShapeDtypeStruct((1, 8, 6, 2), jnp.float32)
    certificate = jc.certify(gradient, x, axes=(1,), search=False)
    claim = certificate.leaves[0].axes[0].cyclic
    assert (claim.verdict, claim.shift, claim.moves) == (Verdict.PROVED, 1, ((1, 1),))
    assert jc.recheck(certificate, gradient, x) == ()
