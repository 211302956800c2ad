"""Gathers at constant indices and dynamic slices, over all small shapes: what is proved survives execution."""

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from support.numpy_twins import certified, proved, refutation, survey

import jaxconv as jc


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
                claim = replace(claim, receptive_field=None) if times == 2 else claim
                assert refutation(twin, (1, n), {kind: claim}) is None, (n, times, size, start)
    assert count > 8


def _int(*shape):
    return jax.ShapeDtypeStruct(shape, "int32")
