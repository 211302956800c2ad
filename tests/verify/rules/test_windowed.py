"""Convolutions and pooling of every geometry: what is proved survives execution, and where it is known it is tight."""

import itertools
from fractions import Fraction
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.numpy_twins import (
    bordered,
    certified,
    longest_interior,
    proved,
    refutation,
    spread,
    windows,
    worth_reporting,
)

import jaxconv as jc
from jaxconv.lowering import forced
from jaxconv.verify.certificate import ReceptiveField, Verdict

# Convolutions

KERNEL = np.array([2, -3, 5])


def conv_cases(longest):
    return itertools.product(range(1, longest + 1), (1, 2, 3), (1, 2, 3), (1, 2), (1, 2), (0, 1, 2), (0, 1, 2))


def convolution(n, taps, stride, apart, dilation, before, after):
    def fn(x):
        kernel = jnp.asarray(KERNEL[:taps], x.dtype)[:, None, None]
        numbers = ("NWC", "WIO", "NWC")
        y = lax.conv_general_dilated(
            x[..., None], kernel, (stride,), ((before, after),), (apart,), (dilation,), numbers
        )
        return y.reshape(y.shape[:2])

    return fn, lambda x: windows(bordered(spread(x, apart), before, after), taps, stride, dilation) @ KERNEL[:taps]


def outputs(n, taps, stride, apart, dilation, before, after):
    return max((apart * (n - 1) + 1 + before + after - dilation * (taps - 1) - 1) // stride + 1, 0)


def test_convolutions_of_every_geometry_prove_nothing_that_is_false():
    count = 0
    for case in conv_cases(6):
        if outputs(*case):
            fn, twin = convolution(*case)
            claims = certified(fn, (1, case[0]))
            count += bool(proved(claims))
            assert refutation(twin, (1, case[0]), claims, samples=1) is None, case
    assert count > 500


def clear_positions(case):
    """The positions at which no tap is in the padding."""
    n, taps, stride, _, dilation, before, _ = case
    reads = lambda j: [j * stride - before + u * dilation for u in range(taps)]
    return [j for j in range(outputs(*case)) if all(0 <= cell < n for cell in reads(j))]


def test_a_convolutions_interior_is_what_reads_no_padding_and_its_receptive_field_is_its_span():
    for case in conv_cases(6):
        n, taps, stride, apart, dilation, before, _ = case
        if apart > 1 or not outputs(*case):
            continue
        fn, twin = convolution(*case)
        claim, clear = certified(fn, (1, n))["interior"], clear_positions(case)
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
        wrapped = lambda np_: lambda x: np_.pad(x, ((0, 0), (0, span)), mode="wrap")
        claims = certified(lambda x: fn(wrapped(jnp)(x)), (1, n))
        assert refutation(lambda x: twin(wrapped(np)(x)), (1, n), claims) is None
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


@pytest.mark.parametrize("name", POOLS)
def test_pooling_of_every_geometry_proves_nothing_false_and_its_interior_reads_no_padding(name):
    reducer, initial, reduce = POOLS[name]
    for case in itertools.product(range(1, 7), (1, 2, 3), (1, 2, 3), (1, 2), (1, 2), (0, 1), (0, 2)):
        n, taps, stride, apart, dilation, before, after = case
        if not outputs(*case):
            continue
        fn = lambda x: lax.reduce_window(
            x, jnp.int32(initial), reducer, (1, taps), (1, stride), ((0, 0), (before, after)), (1, apart), (1, dilation)
        )
        twin = lambda x: reduce(
            windows(bordered(spread(x, apart, initial), before, after, initial), taps, stride, dilation)
        )
        claims = certified(fn, (1, n))
        assert refutation(twin, (1, n), claims, samples=3) is None, case
        if apart == 1:
            claim, clear = claims["interior"], clear_positions(case)
            worth = worth_reporting(n, stride, len(clear), 1)
            assert (claim.verdict is Verdict.PROVED) == worth, case
            assert not worth or claim.region == ((1, clear[0], clear[-1] + 1),), case


def pooled_back(x, taps, stride, before, after):
    """The gradient of sum of 5/2 m**2 over the maxima m of all windows."""
    wide = bordered(x, before, after, -(2**40))
    seen = windows(wide, taps, stride, 1)
    out = np.zeros_like(wide)
    for j in range(seen.shape[1]):
        np.add.at(out, (np.arange(len(x)), j * stride + seen[:, j].argmax(-1)), 5 * seen[:, j].max(-1))
    return out[:, before : before + x.shape[1]]


@pytest.mark.parametrize("way", ["taps", "lax"])
def test_the_gradient_of_max_pooling_of_every_geometry_proves_nothing_that_is_false(way):
    count = 0
    for n, taps, stride, before, after in itertools.product(range(2, 9), (1, 2, 3), (1, 2, 3), (0, 1), (0, 1)):
        if max(before, after) >= taps or n + before + after < taps:
            continue

        def fn(x):
            with forced(way):
                pool = lambda x: jc.max_pool(x[..., None], (taps,), stride=stride, padding=((before, after),))
                y, back = jax.vjp(pool, x)
                return back(5 * y)[0]

        twin = lambda x: pooled_back(x, taps, stride, before, after)
        claims = certified(fn, (1, n), "float32")
        count += len(proved(claims))
        assert refutation(twin, (1, n), claims, samples=4) is None, (n, taps, stride, before, after)
        whole = (before, after) == (0, 0) and taps <= stride and n % stride == 0 and 2 * stride <= n
        assert "cyclic" in proved(claims) or not whole, (n, taps, stride, before, after)
    assert count > 100


def picked(x, taps, stride, before, after):
    """Of each window the square of the first largest cell, as `jax.jvp` by the tangent x*x follows it."""
    seen = windows(bordered(x, before, after, -(2**40)), taps, stride, 1)
    return np.take_along_axis(seen * seen, seen.argmax(-1)[..., None], -1)[..., 0]


def test_the_change_of_max_pooling_of_every_geometry_proves_nothing_that_is_false():
    count = 0
    for n, taps, stride, before, after in itertools.product(range(2, 10), (1, 2, 3), (1, 2, 3), (0, 1), (0, 1)):
        if max(before, after) >= taps or n + before + after < taps:
            continue
        case = (n, taps, stride, 1, 1, before, after)
        pool = lambda x: jc.max_pool(x[..., None], (taps,), stride=stride, padding=((before, after),))[..., 0]
        claims = certified(lambda x: jax.jvp(pool, (x,), (x * x,))[1], (1, n), "float32")
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
    """Claims of ours and of lax's are the same, those of the gradients included."""
    pools = {"max": jc.max_pool, "sum": partial(jc.avg_pool, divisor=1)}
    for n, taps, stride, before, padding in itertools.product((6, 7), (1, 2, 3), (1, 2), (0, 1), ("circular", None)):
        if before >= taps:
            continue
        pad = padding or ((before, 0),)

        def layer(x):
            return pools[name](x[..., None], (taps,), stride=stride, padding=pad)[..., 0]

        def gradient(x):
            return jax.grad(lambda x: jnp.sum(layer(x) ** 2))(x)

        for fn in (layer, gradient):
            said = []
            for way in ("taps", "lax"):
                with forced(way):
                    said.append(certified(lambda x: fn(x), (1, n), "float32"))  # noqa: PLW0108  traced anew
            facts = [{k: (c.verdict, c.shift, c.moves, c.region) for k, c in one.items()} for one in said]
            assert facts[0] == facts[1], (n, taps, stride, pad)
