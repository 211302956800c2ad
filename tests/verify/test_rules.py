"""Each rule alone, over all small shapes: what it proves survives execution, and where the answer is known it is tight.

The judge here runs a NumPy twin of each function, so that thousands of cases need no compilation: the function is
traced by `certify`, the twin is executed on integers, which are exact, and large, so that nothing agrees by chance.
A twin takes a batch [b, n, ...] in place of the one example [1, n, ...] that was certified.
"""

import itertools
import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxconv as jc
from jaxconv.verify.certificate import ReceptiveField, Verdict

FILL = 7  # what pads are filled with: not 0, so that it is told from what is not there
KERNEL = np.array([2, -3, 5])


# The judge


def certified(fn, shape, dtype="int32"):
    """The cyclic and the interior claim about the one output of `fn`, for shifts along axis 1."""
    (leaf,) = jc.certify(fn, jax.ShapeDtypeStruct(shape, dtype), axes=(1,), search=False).leaves
    return {"cyclic": leaf.axes[0].cyclic, "interior": leaf.axes[0].interior}


def draw(shape, count, seed):
    return np.random.default_rng(seed).integers(-(2**20), 2**20, (count, *shape))


def entering(x, y, by):
    """y with x's content moved into it by so many cells along axis 0."""
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
    for k, found in zip(ks, after, strict=True):
        if not np.array_equal(found, rolled(before, claim.moves, k)):
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
    for k, found in zip(ks, after, strict=True):
        here, there = [slice(None)] * before.ndim, [slice(None)] * before.ndim
        for axis, step in claim.moves:
            (lo, hi), by = regions[axis], k * step
            lo, hi = max(lo, lo - by), min(hi, hi - by)
            here[axis - 1], there[axis - 1] = slice(lo, max(lo, hi)), slice(lo + by, max(lo, hi) + by)
        if not np.array_equal(found[tuple(there)], before[tuple(here)]):
            return f"moving in by {k} * {claim.shift} does not move the output inside {claim.region}"
    return None


def inside(field, j, n, kind):
    """Which input cells are in the receptive field of output j."""
    lo, hi = math.ceil(field.rate * j + field.first), math.floor(field.rate * j + field.last)
    return np.array([(i - lo) % n <= hi - lo if kind == "cyclic" else lo <= i <= hi for i in range(n)])


def reads_beyond(run, claim, kind, x, y):
    """An output that changes although its receptive field does not."""
    axis = claim.moves[0][0]
    (before,) = run(x[None])
    lo, hi = next(((lo, hi) for a, lo, hi in claim.region if a == axis), (0, before.shape[axis - 1]))
    if lo >= hi:
        return None
    kept = [inside(claim.receptive_field, j, len(x), kind).reshape(-1, *[1] * (x.ndim - 1)) for j in range(lo, hi)]
    after = run(np.stack([np.where(cells, x, y) for cells in kept]))
    for j, found in zip(range(lo, hi), after, strict=True):
        if not np.array_equal(np.take(found, j, axis - 1), np.take(before, j, axis - 1)):
            return f"output {j} reads beyond {claim.receptive_field}"
    return None


def refutation(twin, shape, claims, samples=2):
    """The first proved claim that an execution refutes."""
    for kind, claim in claims.items():
        if claim.verdict is not Verdict.PROVED:
            continue
        if claim.shift < 1 or ((claim.moves == ()) != (claim.region == ()) and kind == "interior"):
            return f"{kind}: {claim} is no claim"
        for seed in range(samples):
            x, y = draw(shape[1:], 2, seed)
            found = (not_cyclic if kind == "cyclic" else not_interior)(twin, claim, x, y)
            if found is None and claim.receptive_field is not None and claim.moves:
                found = reads_beyond(twin, claim, kind, x, y)
            if found is not None:
                return f"{kind} {claim.shift} -> {claim.moves}: {found}"
    return None


def longest_interior(twin, shape, shift, step, samples=2):
    """The length of the longest range of output positions on which no sample refutes the interior claim."""
    refuted = set()
    for seed in range(samples):
        x, y = draw(shape[1:], 2, seed)
        (before,) = twin(x[None])
        length = len(before)
        most = max(math.ceil(len(x) / shift), math.ceil(length / step))
        ks = [k for k in range(-most, most + 1) if k]
        after = twin(np.stack([entering(x, y, k * shift) for k in ks]))
        for k, found in zip(ks, after, strict=True):
            lo, hi = max(0, -k * step), min(length, length - k * step)
            refuted |= {(j, j + k * step) for j in range(lo, hi) if not np.array_equal(found[j + k * step], before[j])}
    ends = [min((max(pair) for pair in refuted if min(pair) >= lo), default=length) - lo for lo in range(length)]
    return max(ends, default=0)


def proved(claims):
    return {kind for kind, claim in claims.items() if claim.verdict is Verdict.PROVED}


def survey(cases):
    """How many cases had something proved, of (name, fn, twin, shape); fails with the first ones that are refuted."""
    count, wrong = 0, []
    for name, fn, twin, shape in cases:
        claims = certified(fn, shape)
        count += bool(proved(claims))
        found = refutation(twin, shape, claims)
        if found is not None:
            wrong.append((name, shape, found))
    assert wrong[:5] == []
    return count


# Twins


def spread(x, apart, fill=0):
    """Cells of x with apart - 1 cells of `fill` between any two."""
    out = np.full((len(x), (x.shape[1] - 1) * apart + 1), fill, x.dtype)
    out[:, ::apart] = x
    return out


def bordered(x, before, after, fill=0):
    """Cells of `fill` around x; negative counts cut off."""
    wide = np.pad(x, ((0, 0), (max(before, 0), max(after, 0))), constant_values=fill)
    return wide[:, max(-before, 0) : max(wide.shape[1] - max(-after, 0), 0)]


def windows(x, taps, stride, dilation):
    """[b, j, u]: cell j*stride + u*dilation."""
    count = max((x.shape[1] - dilation * (taps - 1) - 1) // stride + 1, 0)
    return x[:, np.arange(count)[:, None] * stride + np.arange(taps) * dilation]


# The judge is judged first


def test_the_judge_refutes_what_is_false_and_lets_stand_what_is_true():
    shape = (1, 6)
    twin = lambda x: bordered(x, 1, 1)[:, :-2] * 2 - bordered(x, 1, 1)[:, 2:]
    fn = lambda x: jnp.pad(x, ((0, 0), (1, 1)))[:, :-2] * 2 - jnp.pad(x, ((0, 0), (1, 1)))[:, 2:]
    claims = certified(fn, shape)
    claim = claims["interior"]
    assert proved(claims) == {"interior"}
    assert claim.region == ((1, 1, 5),)
    assert claim.receptive_field == ReceptiveField(Fraction(1), Fraction(-1), Fraction(1))
    assert refutation(twin, shape, claims) is None
    assert longest_interior(twin, shape, 1, 1) == 4
    false = [
        ("inside ((1, 0, 5),)", {"region": ((1, 0, 5),)}),
        ("inside", {"moves": ((1, 2),)}),
        ("beyond", {"receptive_field": ReceptiveField(Fraction(1), Fraction(0), Fraction(1))}),
    ]
    for word, change in false:
        assert word in refutation(twin, shape, {"interior": _replace(claim, **change)})
    assert "does not roll" in refutation(twin, shape, {"cyclic": _replace(claim, region=())})


def _replace(claim, **changes):
    return type(claim)(**{**vars(claim), **changes})


# Slices, pads, reversals, concatenations


def slices(longest):
    for n in range(1, longest + 1):
        for start, stop, stride in itertools.product(range(n), range(1, n + 1), (1, 2, 3)):
            if start < stop:
                yield n, start, stop, stride


@pytest.mark.parametrize("turn", [1, -1])
def test_slices_keep_all_they_show_and_reversed_ones_move_backwards(turn):
    for n, start, stop, stride in slices(7):
        cut = lambda x: x[:, start:stop:stride][:, ::turn]
        claims = certified(cut, (1, n))
        assert refutation(cut, (1, n), claims) is None, (n, start, stop, stride)
        count = len(range(start, stop, stride))
        whole = count * stride == n and start < stride
        assert ("cyclic" in proved(claims)) == whole, (n, start, stop, stride)
        assert ("interior" in proved(claims)) == (count > 1), (n, start, stop, stride)
        if count > 1:
            claim = claims["interior"]
            assert (claim.shift, claim.moves, claim.region) == (stride, ((1, turn),), ((1, 0, count),))
            assert claim.receptive_field.size == 1


def test_pads_of_every_sign_show_the_signal_where_it_is():
    for n, before, after, between in itertools.product(range(1, 6), range(-2, 3), range(-2, 3), range(3)):
        fn = lambda x: lax.pad(x, jnp.int32(FILL), ((0, 0, 0), (before, after, between)))
        twin = lambda x: bordered(spread(x, between + 1, FILL), before, after, FILL)
        if n + between * (n - 1) + before + after < 1:
            continue
        claims = certified(fn, (1, n))
        assert refutation(twin, (1, n), claims) is None, (n, before, after, between)
        longest = longest_interior(twin, (1, n), 1, between + 1)
        assert ("interior" in proved(claims)) == (longest > between + 1), (n, before, after, between)
        if longest > between + 1:
            ((_, lo, hi),) = claims["interior"].region
            assert hi - lo == longest, (n, before, after, between)
        if before + after == between and 0 <= before <= between:
            assert "cyclic" in proved(claims), (n, before, after, between)


def test_two_slices_joined_are_a_signal_only_where_they_continue_one_another():
    def cases():
        for n in range(1, 6):
            pieces = [slice(a, b) for a, b in itertools.combinations(range(n + 1), 2)]
            for one, other in itertools.product(pieces, pieces):
                yield (
                    (one, other),
                    lambda x, one=one, other=other: jnp.concatenate([x[:, one], x[:, other]], 1),
                    lambda x, one=one, other=other: np.concatenate([x[:, one], x[:, other]], 1),
                    (1, n),
                )

    assert survey(cases()) > 200


def test_wrapping_by_every_amount_shows_the_signal_everywhere():
    for n in range(2, 6):
        for before, after in itertools.product(range(2 * n + 1), range(n + 1)):
            fn = lambda x: jnp.pad(x, ((0, 0), (before, after)), mode="wrap")
            twin = lambda x: np.pad(x, ((0, 0), (before, after)), mode="wrap")
            assert refutation(twin, (1, n), certified(fn, (1, n))) is None
            # What wrapping shows is seen through a window that is a whole period long, wherever it stands.
            for start in range(before + after + 1):
                claims = certified(lambda x: fn(x)[:, start : start + n], (1, n))
                assert claims["cyclic"].moves == ((1, 1),), (n, before, after, start)
                assert refutation(lambda x: twin(x)[:, start : start + n], (1, n), claims) is None


def test_rolling_by_every_amount_is_proved():
    for n, by in itertools.product(range(2, 8), range(-8, 9)):
        claims = certified(lambda x: jnp.roll(x, by, axis=1), (1, n))
        assert claims["cyclic"].moves == ((1, 1),), (n, by)
        assert claims["cyclic"].receptive_field.size == 1
        assert refutation(lambda x: np.roll(x, by, axis=1), (1, n), claims) is None


def test_pieces_of_a_reversed_strided_or_mapped_signal_join_only_with_their_own_kind():
    views = {
        "itself": lambda x: x,
        "reversed": lambda x: x[:, ::-1],
        "doubled": lambda x: x * 2,
        "negated": lambda x: -x,
        "even": lambda x: x[:, ::2],
        "odd": lambda x: x[:, 1::2],
        "reversed odd": lambda x: x[:, ::-2],
    }

    def cases():
        for (a, one), (b, other) in itertools.product(views.items(), views.items()):
            for at in range(5):
                join = lambda np_, one=one, other=other, at=at: (
                    lambda x: np_.concatenate([one(x)[:, at:], other(x)[:, :at]], 1)
                )
                yield (a, b, at), join(jnp), join(np), (1, 6)

    assert survey(cases()) > 30


# Reshapes


def factorisations(size, most):
    """Ordered factorisations into at most so many factors."""
    if most == 1:
        return [(size,)]
    smaller = {(d, *rest) for d in range(1, size + 1) if size % d == 0 for rest in factorisations(size // d, most - 1)}
    return sorted({(size,)} | smaller)


@pytest.mark.parametrize("shape", [(12, 1), (6, 2), (4, 3), (3, 4), (2, 6)])
@pytest.mark.parametrize("between", ["nothing", "reversal", "swap", "stride"])
def test_two_reshapes_in_a_row_lose_and_invent_nothing(shape, between):
    middle = {
        "nothing": lambda y: y,
        "reversal": lambda y: y[:, ::-1],
        "swap": lambda y: y.swapaxes(1, y.ndim - 1),
        "stride": lambda y: y[:, ::2] if y.shape[1] % 2 == 0 else y,
    }[between]
    sizes = factorisations(12, 3)

    def cases():
        for one, other in itertools.product(sizes, sizes):
            if between == "stride" and one[0] % 2 == 0:
                other = (*other[:-1], other[-1] // 2) if other[-1] % 2 == 0 else None
            if other is not None:
                fn = lambda x, one=one, other=other: middle(x.reshape(-1, *one)).reshape(-1, *other)
                yield (one, other), fn, fn, (1, *shape)

    assert survey(cases()) > 30


def test_a_split_and_its_merge_are_nothing():
    for n, minor in ((6, 2), (6, 3), (12, 4), (8, 2)):
        claims = certified(lambda x: x.reshape(1, n // minor, minor).reshape(1, n), (1, n))
        assert claims["cyclic"].moves == ((1, minor),)
        assert claims["cyclic"].shift == minor


# Windows


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
        if apart > 1 or n <= stride or not outputs(*case):
            continue
        fn, twin = convolution(*case)
        claim, clear = certified(fn, (1, n))["interior"], clear_positions(case)
        assert (claim.verdict is Verdict.PROVED) == (len(clear) > 1), case
        if len(clear) > 1:
            assert claim.region == ((1, clear[0], clear[-1] + 1),), case
            assert len(clear) <= longest_interior(twin, (1, n), stride, 1), case
            assert (claim.shift, claim.moves) == (stride, ((1, 1),))
            field = ReceptiveField(Fraction(stride), Fraction(-before), Fraction(dilation * (taps - 1) - before))
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
        if apart == 1 and n > stride:
            claim, clear = claims["interior"], clear_positions(case)
            assert (claim.verdict is Verdict.PROVED) == (len(clear) > 1), case
            assert len(clear) <= 1 or claim.region == ((1, clear[0], clear[-1] + 1),), case


def pooled_back(x, taps, stride, before, after):
    """The gradient of sum of 5/2 m**2 over the maxima m of all windows."""
    wide = bordered(x, before, after, -(2**40))
    seen = windows(wide, taps, stride, 1)
    out = np.zeros_like(wide)
    for j in range(seen.shape[1]):
        np.add.at(out, (np.arange(len(x)), j * stride + seen[:, j].argmax(-1)), 5 * seen[:, j].max(-1))
    return out[:, before : before + x.shape[1]]


def test_the_gradient_of_max_pooling_of_every_geometry_proves_nothing_that_is_false():
    count = 0
    for n, taps, stride, before, after in itertools.product(range(2, 9), (1, 2, 3), (1, 2, 3), (0, 1), (0, 1)):
        if max(before, after) >= taps or n + before + after < taps:
            continue

        def fn(x):
            pads = ((0, 0), (before, after))
            pool = lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, taps), (1, stride), pads)
            y, back = jax.vjp(pool, x)
            return back(5 * y)[0]

        twin = lambda x: pooled_back(x, taps, stride, before, after)
        claims = certified(fn, (1, n), "float32")
        count += len(proved(claims))
        assert refutation(twin, (1, n), claims, samples=4) is None, (n, taps, stride, before, after)
        whole = (before, after) == (0, 0) and taps <= stride and n % stride == 0
        assert "cyclic" in proved(claims) or not whole, (n, taps, stride, before, after)
    assert count > 100


# Indices


def gathers():
    """Affine tables, with and without a turn, with repeats, with a second axis (im2col)."""
    for n in (3, 4, 6):
        for by, start, size in itertools.product((-2, -1, 1, 2, 3), range(2), (2, 3, n, 2 * n)):
            places = by * np.arange(size) + start
            yield n, places % n
            yield n, np.clip(places + (n - 1 if by < 0 else 0), 0, n - 1)
            yield n, np.repeat(places, 2)[:size] % n
            yield n, (places[:, None] + np.arange(2)) % n
            yield n, (np.arange(2)[:, None] + places) % n


def test_gathers_at_affine_indices_prove_nothing_that_is_false():
    cases = (
        (places.tolist(), lambda x, p=places: x[:, p], lambda x, p=places: x[:, p], (1, n)) for n, places in gathers()
    )
    assert survey(cases) > 200


def test_gathers_at_random_indices_prove_nothing_that_is_false():
    random = np.random.default_rng(0)
    tables = [(n := int(random.integers(2, 5)), random.integers(0, n, random.integers(1, 7))) for _ in range(150)]
    survey((p.tolist(), lambda x, p=p: x[:, p], lambda x, p=p: x[:, p], (1, n)) for n, p in tables)


def test_windows_by_indices_and_nearest_enlargement_are_proved():
    table = (np.arange(6)[:, None] + np.arange(3)) % 6
    claims = certified(lambda x: x[:, table], (1, 6))
    assert (claims["cyclic"].shift, claims["cyclic"].moves) == (1, ((1, 1),))
    claims = certified(lambda x: x[:, np.repeat(np.arange(6), 2)], (1, 6))
    assert (claims["cyclic"].shift, claims["cyclic"].moves) == (1, ((1, 2),))


def test_dynamic_slices_at_known_starts_are_slices():
    def cases():
        for n in range(1, 7):
            for start, size in itertools.product(range(n + 2), range(1, n + 1)):
                at = min(start, n - size)
                yield (
                    (start, size),
                    lambda x, start=start, size=size: lax.dynamic_slice(x, (0, start), (1, size)),
                    lambda x, at=at, size=size: x[:, at : at + size],
                    (1, n),
                )

    assert survey(cases()) > 60


def test_dynamic_slices_at_unknown_starts_prove_only_what_holds_at_each():
    count = 0
    for n, times, size in itertools.product((2, 3, 4), (1, 2), range(1, 9)):
        if size > n * times:
            continue
        fn = lambda x, i: lax.dynamic_slice(jnp.concatenate([x] * times, axis=1), (0, i), (1, size))
        (leaf,) = jc.certify(fn, _int(1, n), _int(), axes={0: (1,)}, search=False).leaves
        claims = {"cyclic": leaf.axes[0].cyclic, "interior": leaf.axes[0].interior}
        count += bool(proved(claims))
        for start in range(n * times - size + 1):
            twin = lambda x: np.tile(x, (1, times))[:, start : start + size]
            for kind, claim in claims.items():
                claim = _replace(claim, receptive_field=None) if times == 2 else claim
                assert refutation(twin, (1, n), {kind: claim}) is None, (n, times, size, start)
    assert count > 8


def _int(*shape):
    return jax.ShapeDtypeStruct(shape, "int32")


# Position by position


def test_a_known_mask_leaves_the_shifts_that_it_repeats_after():
    for n in range(2, 7):
        for cells in itertools.product((1, 2), repeat=n):
            mask = np.array(cells, np.int32)[None]
            claims = certified(lambda x: x * mask, (1, n))
            assert refutation(lambda x: x * mask, (1, n), claims) is None, cells
            period = next(p for p in range(1, n + 1) if np.array_equal(np.roll(mask, p), mask))
            if period < n:
                assert claims["cyclic"].shift == period, cells


def test_a_mask_on_channels_or_on_the_batch_costs_nothing():
    mask = np.arange(1, 4, dtype=np.int32)
    claims = certified(lambda x: x * mask[None, None, :] + 3, (1, 5, 3))
    assert (claims["cyclic"].shift, claims["interior"].region) == (1, ((1, 0, 5),))


def test_a_strided_mask_and_a_strided_signal_meet_at_a_common_multiple():
    mask = np.array([1, 2, 1, 2, 1, 2], np.int32)[None]
    fn = lambda x: x[:, ::2] * mask
    claims = certified(fn, (1, 12))
    assert refutation(fn, (1, 12), claims) is None
    assert (claims["cyclic"].shift, claims["cyclic"].moves) == (4, ((1, 2),))


# Everything else, one line each: (function, with jnp or np for `n`), on [b, 6, 2] unless it says more


OTHERS = {
    "sum over channels": lambda n, x: x.sum(2),
    "largest of channels": lambda n, x: x.max(2),
    "sum over positions": lambda n, x: x.sum(1),
    "largest of positions": lambda n, x: x.max(1),
    "sum over the first positions": lambda n, x: x[:, :4].sum(1),
    "sum over pairs": lambda n, x: x.reshape(-1, 3, 2, 2).sum(2),
    "sum over thirds": lambda n, x: x.reshape(-1, 3, 2, 2).sum(1),
    "place of the largest channel": lambda n, x: n.argmax(x, 2),
    "place of the largest position": lambda n, x: n.argmax(x, 1),
    "running sum over channels": lambda n, x: n.cumsum(x, 2),
    "running sum over positions": lambda n, x: n.cumsum(x, 1),
    "sorted channels": lambda n, x: n.sort(x, 2),
    "sorted positions": lambda n, x: n.sort(x, 1),
    "sorted first positions": lambda n, x: n.sort(x[:, :4], 1),
    "swapped": lambda n, x: n.swapaxes(x, 1, 2),
    "outer axes": lambda n, x: x[:, :, None, :] - x[:, None, :, :],
    "outer axes, swapped": lambda n, x: n.swapaxes(x[:, :, None, :] - 2 * x[:, None, :, :], 1, 2),
    "outer axes, one reversed": lambda n, x: (x[:, :, None, :] - 2 * x[:, None, :, :])[:, ::-1],
    "outer axes, summed": lambda n, x: (x[:, :, None, :] * x[:, None, :, :]).sum(2),
    "outer axes, one strided": lambda n, x: x[:, ::2, None, :] - x[:, None, :, :],
    "stacked": lambda n, x: n.stack([x, x * 2], 2),
    "stacked before": lambda n, x: n.stack([x, x * 2], 1),
    "joined channels": lambda n, x: n.concatenate([x, x * 2], 2),
    "joined channels, one shifted": lambda n, x: n.concatenate([x, n.roll(x, 1, 1)], 2),
    "joined channels, one reversed": lambda n, x: n.concatenate([x, x[:, ::-1]], 2),
    "split": lambda n, x: n.split(x, [2], axis=1)[1],
    "split and joined anew": lambda n, x: n.concatenate(n.split(x, [2], axis=1)[::-1], 1),
    "interleaved": lambda n, x: n.stack([x, x * 2], 2).reshape(-1, 12, 2),
    "interleaved wrongly": lambda n, x: n.concatenate([x, x * 2], 1),
    "twice in a row": lambda n, x: n.concatenate([x, x], 1),
    "two channels joined": lambda n, x: n.concatenate([x[:, :, :1], x[:, :, 1:]], 1),
    "two channels wrapped": lambda n, x: n.concatenate([x[:, 2:, :1], x[:, :2, 1:]], 1),
    "repeated": lambda n, x: n.repeat(x, 2, axis=1),
    "tiled": lambda n, x: n.tile(x, (1, 2, 1)),
    "mean removed": lambda n, x: 6 * x - x.sum(1, keepdims=True),
    "first position everywhere": lambda n, x: x[:, :1] + 0 * x,
    "own reversal": lambda n, x: x + x[:, ::-1],
    "own half": lambda n, x: x[:, :3] - x[:, 3:],
    "even and odd": lambda n, x: x[:, ::2] - x[:, 1::2],
    "differences": lambda n, x: n.diff(x, axis=1),
    "channels mixed": lambda n, x: n.einsum("bic,dc->bid", x, n.array([[1, 2], [3, 4], [5, 7]], x.dtype)),
    "attention": lambda n, x: n.einsum("bic,bjc->bij", x, 3 * x),
    "attention over shifted": lambda n, x: n.einsum("bic,bjc->bij", x, n.roll(x, 2, 1)),
    "attended": lambda n, x: n.einsum("bij,bjc->bic", n.einsum("bic,bjc->bij", x % 97, x % 89), x),
    "channel products": lambda n, x: n.einsum("bic,bid->bcd", x, x),
    "summed with ones": lambda n, x: n.einsum("bic,i->bc", x, n.ones(6, x.dtype)),
    "summed with a checkerboard": lambda n, x: n.einsum("bic,i->bc", x, n.array([1, 2] * 3, x.dtype)),
    "summed with weights": lambda n, x: n.einsum("bic,i->bc", x, n.arange(6).astype(x.dtype)),
    "a dense layer": lambda n, x: n.einsum("bic,io->bo", x, n.arange(24).reshape(6, 4).astype(x.dtype)),
    "compared": lambda n, x: n.where(x > n.roll(x, 1, 1), x, 5),
    "clipped": lambda n, x: n.clip(x, -1000, 1000),
    "chosen by a checkerboard": lambda n, x: n.where(n.array([1, 0] * 3)[None, :, None] > 0, x, -x),
    "chosen by places": lambda n, x: n.where(n.arange(6)[None, :, None] < 3, x, -x),
    "a constant": lambda n, x: n.zeros((len(x), 4), x.dtype),
    "one position": lambda n, x: x[:, 3],
}
# What no shift keeps: a proof here is refuted by the judge, and its absence is asserted for good measure.
HOPELESS = {
    "sum over the first positions", "place of the largest position", "running sum over positions",
    "sorted first positions", "first position everywhere", "own reversal", "summed with weights", "a dense layer",
    "one position", "joined channels, one reversed",
}  # fmt: skip
# What both kinds of shifts keep.
SURE = {
    "sum over channels", "largest of channels", "place of the largest channel", "running sum over channels",
    "sorted channels", "swapped", "outer axes", "outer axes, one reversed", "outer axes, one strided", "stacked",
    "joined channels", "interleaved", "repeated", "even and odd", "channels mixed", "attention", "clipped", "a constant",
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_primitives_prove_nothing_that_is_false(name):
    fn = OTHERS[name]
    claims = certified(lambda x: fn(jnp, x), (1, 6, 2))
    assert refutation(lambda x: fn(np, x), (1, 6, 2), claims, samples=4) is None
    if name in HOPELESS:
        assert proved(claims) == set()
    if name in SURE:
        assert proved(claims) == {"cyclic", "interior"}


# Loops and branches


def loop_scan(n, x, body):
    if n is np:
        for i in range(3):
            x = body(np, x, i)
        return x
    return lax.scan(lambda c, i: (body(jnp, c, i), None), x, jnp.arange(3, dtype=x.dtype))[0]


def loop_while(n, x, body):
    if n is np:
        for i in range(3):
            x = body(np, x, i)
        return x
    return lax.while_loop(lambda s: s[1] < 3, lambda s: (body(jnp, s[0], s[1]), s[1] + 1), (x, jnp.zeros((), x.dtype)))[
        0
    ]


def collect(n, x, body):
    if n is np:
        rows = []
        for i in range(3):
            rows.append(x * 2)
            x = body(np, x, i)
        return np.stack(rows, 1)
    rows = lax.scan(lambda c, i: (body(jnp, c, i), c * 2), x, jnp.arange(3, dtype=x.dtype))[1]
    return jnp.moveaxis(rows, 0, 1)


def branches(n, x, body):
    """All branches one after the other in the channels."""
    if n is np:
        return np.concatenate([body(np, x, i) for i in range(3)], 2)
    return jnp.concatenate([lax.switch(i, [lambda v, i=i: body(jnp, v, i) for i in range(3)], x) for i in range(3)], 2)


BODIES = {
    "scaled": lambda n, x, i: x * 3 + i,
    "smoothed": lambda n, x, i: x + n.roll(x, 1, 1) * 2,
    "rolled": lambda n, x, i: n.roll(x, 2, 1),
    "reversed": lambda n, x, i: x[:, ::-1],
    "mean removed": lambda n, x, i: x - x.sum(1, keepdims=True),
    "placed": lambda n, x, i: x * n.arange(1, 7, dtype=x.dtype)[None, :, None],
    "checkered": lambda n, x, i: x * n.array([1, 2] * 3, x.dtype)[None, :, None],
    "cut": lambda n, x, i: n.pad(x[:, 1:], ((0, 0), (0, 1), (0, 0))),
}


@pytest.mark.parametrize("loop", [loop_scan, loop_while, collect, branches])
@pytest.mark.parametrize("body", BODIES)
def test_loops_and_branches_prove_only_what_holds_after_every_round(loop, body):
    fn = lambda n: lambda x: loop(n, x, BODIES[body])
    claims = certified(fn(jnp), (1, 6, 2))
    assert refutation(fn(np), (1, 6, 2), claims, samples=3) is None
    if body in ("scaled", "rolled"):
        assert "cyclic" in proved(claims)
    if body == "placed":
        assert proved(claims) == set()


def test_scanning_over_the_shifted_axis_is_not_proved():
    def fn(x):
        return jnp.moveaxis(lax.scan(lambda c, v: (c + v, c), x[:, 0], jnp.moveaxis(x, 1, 0))[1], 0, 1)

    assert proved(certified(fn, (1, 6, 2))) == set()


@pytest.mark.parametrize("call", [jax.jit, jax.checkpoint, jax.custom_jvp])
def test_calls_are_followed(call):
    fn = call(lambda x: jnp.roll(x, 1, 1)[:, ::2] * 2)
    if isinstance(fn, jax.custom_jvp):
        fn.defjvp(lambda primals, tangents: (fn(*primals), fn(*tangents)))
    claims = certified(fn, (1, 6))
    assert (claims["cyclic"].shift, claims["cyclic"].moves) == (2, ((1, 1),))
    assert refutation(lambda x: np.roll(x, 1, 1)[:, ::2] * 2, (1, 6), claims) is None
