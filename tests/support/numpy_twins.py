"""A judge of single rules that runs a NumPy twin of each function, so that thousands of cases need no compilation.

`certify` traces the function. The twin is executed on integers: they are exact, and large, so that no agreement is by
chance. A twin takes a batch [b, n, ...] in place of the one example [1, n, ...] that was certified. The judge shares no
code with the other judge, `oracle.violation`, or with the certifier.
"""

import itertools
import math
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxconv as jc
from jaxconv.verify.certificate import Verdict
from support.bare_proofs import bare

# The judge


def certified(fn, shape, dtype="int32"):
    """Return the cyclic and the interior claim about the single output of `fn`, for shifts along axis 1."""
    (claims,) = all_certified([fn], shape, dtype)
    return claims


def all_certified(fns, shape, dtype="int32"):
    """Return the claims about each of many functions, traced as one: a small trace is mostly overhead."""
    return each_certified(lambda x: [fn(x) for fn in fns], shape, dtype)


def each_certified(fn, shape, dtype="int32"):
    """Return the claims about each output of `fn`."""
    with bare():
        leaves = jc.certify(fn, jax.ShapeDtypeStruct(shape, dtype), axes=(1,), search=False).leaves
    return [{"cyclic": leaf.axes[0].cyclic, "interior": leaf.axes[0].interior} for leaf in leaves]


@cache
def draw(shape, count, seed):
    return np.random.default_rng(seed).integers(-(2**20), 2**20, (count, *shape))


def entering(x, y, by):
    """Return y with the content of x moved into it by `by` cells along axis 0."""
    n, y = len(x), y.copy()
    if abs(by) < n:
        y[max(by, 0) : n + min(by, 0)] = x[max(-by, 0) : n - max(by, 0)]
    return y


def rolled(output, moves, k):
    for axis, step in moves:
        output = np.roll(output, k * step, axis - 1)
    return output


def not_cyclic(run, claim, x, y):
    ks = range(1, len(x) // math.gcd(len(x), claim.shift) + 1)
    before, *after = run(np.stack([x, *(np.roll(x, k * claim.shift, 0) for k in ks)]))
    for k, output in zip(ks, after, strict=True):
        if not np.array_equal(output, rolled(before, claim.moves, k)):
            return f"rolling by {k} * {claim.shift} does not roll the output"
    return None


def not_interior(run, claim, x, y):
    regions = {axis: (lo, hi) for axis, lo, hi in claim.region}
    most = max(
        [
            math.ceil(len(x) / claim.shift),
            *(math.ceil((hi - lo) / abs(claim.moves[0][1])) for lo, hi in regions.values()),
        ]
    )
    ks = [k for k in range(-most, most + 1) if k]
    before, *after = run(np.stack([x, *(entering(x, y, k * claim.shift) for k in ks)]))
    for axis, (lo, hi) in regions.items():
        if not 0 <= lo <= hi <= before.shape[axis - 1]:
            return f"the region {claim.region} does not fit {before.shape}"
    for k, output in zip(ks, after, strict=True):
        source, target = [slice(None)] * before.ndim, [slice(None)] * before.ndim
        for axis, step in claim.moves:
            (lo, hi), by = regions[axis], k * step
            lo, hi = max(lo, lo - by), min(hi, hi - by)
            source[axis - 1], target[axis - 1] = slice(lo, max(lo, hi)), slice(lo + by, max(lo, hi) + by)
        if not np.array_equal(output[tuple(target)], before[tuple(source)]):
            return f"moving in by {k} * {claim.shift} does not move the output inside {claim.region}"
    return None


def inside(field, outputs, n, kind):
    """Return a mask [output, cell] of the input cells in the receptive field of each output."""
    phase = outputs % field.period
    first, last = np.array(field.phases)[phase * len(field.phases) // field.period].T * field.rate.denominator
    start = field.rate.numerator * (outputs - phase) + first  # in units of 1/denominator of a cell, as below
    cells, span = np.arange(n) * field.rate.denominator - start[:, None], (last - first)[:, None]
    return cells % (n * field.rate.denominator) <= span if kind == "cyclic" else (cells >= 0) & (cells <= span)


def reads_beyond(run, claim, kind, x, y):
    """Describe an output that changes although its receptive field does not; None if there is none."""
    axis = claim.moves[0][0]
    (before,) = run(x[None])
    lo, hi = next(((lo, hi) for a, lo, hi in claim.region if a == axis), (0, before.shape[axis - 1]))
    if lo >= hi:
        return None
    outputs = np.arange(lo, hi)
    kept = inside(claim.receptive_field, outputs, len(x), kind).reshape(len(outputs), len(x), *[1] * (x.ndim - 1))
    after = np.moveaxis(run(np.where(kept, x, y)), axis, 1)[np.arange(len(outputs)), outputs]
    wrong = (after != np.moveaxis(before, axis - 1, 0)[lo:hi]).reshape(len(outputs), -1).any(1)
    return f"output {outputs[wrong][0]} reads beyond {claim.receptive_field}" if wrong.any() else None


def refutation(twin, shape, claims, samples=2):
    """Describe the first proved claim that an execution refutes; None if there is none."""
    for kind, claim in claims.items():
        if claim.verdict is not Verdict.PROVED:
            continue
        if claim.shift < 1 or ((claim.moves == ()) != (claim.region == ()) and kind == "interior"):
            return f"{kind}: {claim} is no claim"
        for seed in range(samples):
            x, y = draw(shape[1:], 2, seed)
            violation = (not_cyclic if kind == "cyclic" else not_interior)(twin, claim, x, y)
            if violation is None and claim.receptive_field is not None and claim.moves:
                violation = reads_beyond(twin, claim, kind, x, y)
            if violation is not None:
                return f"{kind} {claim.shift} -> {claim.moves}: {violation}"
    return None


def longest_interior(twin, shape, shift, step, samples=2):
    """Return the length of the longest range of output positions on which no sample refutes the interior claim."""
    refuted = set()
    for seed in range(samples):
        x, y = draw(shape[1:], 2, seed)
        (before,) = twin(x[None])
        length = len(before)
        most = max(math.ceil(len(x) / shift), math.ceil(length / step))
        ks = [k for k in range(-most, most + 1) if k]
        after = twin(np.stack([entering(x, y, k * shift) for k in ks]))
        for k, output in zip(ks, after, strict=True):
            lo, hi = max(0, -k * step), min(length, length - k * step)
            refuted |= {(j, j + k * step) for j in range(lo, hi) if not np.array_equal(output[j + k * step], before[j])}
    ends = [min((max(pair) for pair in refuted if min(pair) >= lo), default=length) - lo for lo in range(length)]
    return max(ends, default=0)


def proved(claims):
    return {kind for kind, claim in claims.items() if claim.verdict is Verdict.PROVED}


def survey(cases):
    """Return the number of cases (name, fn, twin, shape) with a proof; fail with the first five refuted ones."""
    count, wrong = 0, []
    of_shape = lambda case: case[3]
    for shape, group in itertools.groupby(sorted(cases, key=of_shape), of_shape):
        rows = list(group)
        for (name, _, twin, _), claims in zip(rows, all_certified([fn for _, fn, *_ in rows], shape), strict=True):
            count += bool(proved(claims))
            violation = refutation(twin, shape, claims)
            if violation is not None:
                wrong.append((name, shape, violation))
    assert wrong[:5] == [], wrong[:5]
    return count


def judge_line(line, *, hopeless, sure):
    """Fail if `line(np, x)` refutes a proof about `line(jnp, x)`, x [b, 6, 2].

    Also fail if `hopeless` and a claim is proved, or if `sure` and not both claims are proved.
    """
    shape = (1, 6, 2)
    claims = certified(lambda x: line(jnp, x), shape)
    violation = refutation(lambda x: line(np, x), shape, claims, samples=4)
    assert violation is None, violation
    assert not hopeless or proved(claims) == set(), claims
    assert not sure or proved(claims) == {"cyclic", "interior"}, claims


def by_kinds(both, cyclic, neither):
    """Return the rows of three tables as parameters, each with the kinds of claims that should be proved of it."""
    return [
        pytest.param(row, kinds, id=name)
        for rows, kinds in ((both, {"cyclic", "interior"}), (cyclic, {"cyclic"}), (neither, set()))
        for name, row in rows.items()
    ]


# Subsets of the enumerations

THINNED = pytest.mark.parametrize("one_in", [3, pytest.param(1, marks=pytest.mark.slow)])


def thinned(cases, one_in, remainder=0):
    """Return the cases whose settings have a sum that is `remainder` modulo `one_in`.

    If a setting has `one_in` consecutive values, every combination of the others still occurs, with one of these.
    """
    return [case for case in cases if (sum(case) - remainder) % one_in == 0]


# Pieces of twins


def spread(x, apart, fill=0):
    """Return x with apart - 1 cells of `fill` between neighbouring cells."""
    out = np.full((len(x), (x.shape[1] - 1) * apart + 1), fill, x.dtype)
    out[:, ::apart] = x
    return out


def bordered(x, before, after, fill=0):
    """Return x with cells of `fill` before and after; negative counts crop."""
    wide = np.pad(x, ((0, 0), (max(before, 0), max(after, 0))), constant_values=fill)
    return wide[:, max(-before, 0) : max(wide.shape[1] - max(-after, 0), 0)]


def windows(x, taps, stride, dilation):
    """Return windows [b, j, u]: cell j*stride + u*dilation."""
    count = max((x.shape[1] - dilation * (taps - 1) - 1) // stride + 1, 0)
    return x[:, np.arange(count)[:, None] * stride + np.arange(taps) * dilation]


def worth_reporting(length, shift, clear, step):
    """Whether an interior law is reported: shift at most length/2, and at least max(step, 2) pairs a step apart."""
    return 2 * shift <= length and clear - step >= max(step, 2)
