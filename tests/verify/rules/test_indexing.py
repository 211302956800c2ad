"""Gathers at constant indices and dynamic slices, of all small shapes: execution does not refute what is proved."""

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.numpy_twins import certified, proved, refutation, survey

import jaxconv as jc


def gathers():
    """Tables of affine indices: wrapped or clipped, with repeats, and with a second axis (im2col)."""
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


def gathers_by_channel():
    """Tables of indices for each channel (`take_along_axis`) that advance along positions and channels."""
    for n, channels in ((4, 2), (3, 3), (4, 4), (5, 4)):
        for by, by_channel, start, size in itertools.product((-1, 0, 1), (-1, 0, 1, 2), (0, 1), (1, 2, n)):
            places = by * np.arange(size)[:, None] + by_channel * np.arange(channels) + start
            yield n, places % n
            yield n, np.clip(places + (n - 1 if min(by, by_channel) < 0 else 0), 0, n - 1)


def test_gathers_by_channel_prove_nothing_that_is_false():
    """In a diagonal, a step along the channels of the indices also changes the channel of x."""
    along = lambda p: lambda x: jnp.take_along_axis(x, p[None], axis=1)
    taken = lambda p: lambda x: np.take_along_axis(x, p[None], axis=1)
    cases = ((p.tolist(), along(p), taken(p), (1, n, p.shape[1])) for n, p in gathers_by_channel())
    assert survey(cases) > 40


def test_windows_by_channel_prove_nothing_that_is_false():
    """`vmap` of a slice at a start for each channel."""

    def sliced(starts, size):
        slice_of = lambda column, i: lax.dynamic_slice(column, (i,), (size,))
        return lambda x: jax.vmap(jax.vmap(slice_of, (1, 0), 1), (0, None))(x, starts)

    twin = lambda starts, n: lambda x: np.stack([x[:, i : i + n, c] for c, i in enumerate(starts.tolist())], 2)
    cases = [(starts, size) for starts in map(np.array, ([0, 1, 2, 3], [3, 2, 1, 0], [0, 2, 0, 2])) for size in (1, 3)]
    survey(((s.tolist(), n), sliced(s, n), twin(s, n), (1, 7, 4)) for s, n in cases)


def test_a_diagonal_moves_if_all_rows_are_alike():
    """If all rows are equal, it does not matter from which row a cell is read."""
    diagonal = jax.vmap(lambda row, i: row[i])
    alike = lambda x: diagonal(jnp.broadcast_to(x, (4, 4)), np.arange(4))
    assert certified(alike, (1, 4))["cyclic"].moves == ((0, 1),)
    assert certified(lambda x: diagonal(x, np.arange(4)), (4, 4))["cyclic"].verdict == "UNDECIDED"


COLUMNS = {  # the values along the second axis of a table of pairs, whose first axis has those of x [b, n]
    "of itself": lambda n, x: x,
    "of the reversed": lambda n, x: x[:, ::-1],
    "of the enlarged": lambda n, x: n.repeat(x, 2, axis=1),
    "of every other cell": lambda n, x: x[:, ::2],
    "of another": lambda n, x: n.arange(x.shape[1], dtype=x.dtype)[None],
}


def table_of_pairs(n, x, columns):
    return 3 * x[:, :, None] + COLUMNS[columns](n, x)[:, None, :]


@pytest.mark.parametrize("columns", COLUMNS)
def test_gathers_along_two_axes_prove_nothing_that_is_false(columns):
    """Cells (a*i + b, c*i + d) of a table of pairs: diagonals, and lines of other slopes; some leave the table."""
    read = lambda n, p, q: lambda x: table_of_pairs(n, x, columns)[:, p, q]

    def cases():
        for n in (4, 6):
            width = COLUMNS[columns](np, np.zeros((1, n))).shape[1]
            slopes = itertools.product((1, 2), (0,), (-2, -1, 0, 1, 2), (0, 1, 3), (n // 2, n))
            for a, b, c, d, size in slopes:
                p, q = a * np.arange(size) + b, c * np.arange(size) + d
                for rows, cells in ((p % n, q % width), (np.clip(p, 0, n - 1), np.clip(q, 0, width - 1))):
                    yield (a, b, c, d, size), read(jnp, rows, cells), read(np, rows, cells), (1, n)

    assert survey(cases()) > (0 if columns == "of another" else 20)


@pytest.mark.parametrize(
    ("columns", "rows", "cells", "shift"),
    [
        ("of itself", np.arange(6), np.arange(6), 1),
        ("of itself", np.arange(6), np.arange(6) - 5, 1),
        ("of the reversed", np.arange(6), 5 - np.arange(6), 1),
        ("of the enlarged", np.arange(6), 2 * np.arange(6) + 1, 1),
        ("of every other cell", np.arange(0, 6, 2), np.arange(3), 2),
        ("of itself", np.arange(6), 5 - np.arange(6), 3),  # half a period on is half a period back
        ("of the reversed", np.arange(6), np.arange(6), 3),
        ("of the enlarged", np.arange(6), np.arange(6), None),
        ("of another", np.arange(6), np.arange(6), None),
    ],
)
def test_a_line_through_a_table_of_pairs_moves_if_it_advances_as_the_table_does(columns, rows, cells, shift):
    claim = certified(lambda x: table_of_pairs(jnp, x, columns)[:, rows, cells], (1, 6))["cyclic"]
    moved = None if shift is None else ((1, 1 if shift == 2 else shift),)
    assert (claim.verdict, claim.shift, claim.moves or None) == ("PROVED" if shift else "UNDECIDED", shift, moved)


def test_diagonals_of_scores_move_in_the_interior_too():
    """The first and the last row and column are those of a zero pad, and the second diagonal has one cell less."""
    scores = lambda x: (
        jnp.pad(x[:, 1:-1], ((0, 0), (1, 1)))[:, :, None] * jnp.pad(x[:, 1:-1], ((0, 0), (1, 1)))[:, None]
    )
    for k, region in ((0, ((1, 1, 7),)), (1, ((1, 1, 6),)), (-1, ((1, 1, 6),))):
        claim = certified(lambda x, k=k: jnp.diagonal(scores(x), k, 1, 2), (1, 8))["interior"]
        assert (claim.shift, claim.moves, claim.region) == (1, ((1, 1),), region)
        assert claim.receptive_field.size == 1 + abs(k)


def test_windows_by_indices_and_nearest_enlargement_are_proved():
    table = (np.arange(6)[:, None] + np.arange(3)) % 6
    claims = certified(lambda x: x[:, table], (1, 6))
    assert (claims["cyclic"].shift, claims["cyclic"].moves) == (1, ((1, 1),))
    claims = certified(lambda x: x[:, np.repeat(np.arange(6), 2)], (1, 6))
    assert (claims["cyclic"].shift, claims["cyclic"].moves) == (1, ((1, 2),))


@pytest.mark.parametrize(
    ("places", "shift", "moves", "region"),
    [
        (np.repeat(np.arange(12), 3), 1, ((1, 3),), ((1, 0, 36),)),
        (np.arange(30) * 2 // 5, 2, ((1, 5),), ((1, 0, 30),)),
        (5 * np.arange(12) % 12, 1, ((1, 5),), ((1, 0, 12),)),
    ],
    ids=["every cell thrice", "five cells for two", "every fifth cell, around"],
)
def test_of_several_interior_laws_the_one_with_most_pairs_is_told(places, shift, moves, region):
    """Two cells of a run of three, or three of twelve, also follow a law, which holds for few pairs."""
    claim = certified(lambda x: x[:, places], (1, 12))["interior"]
    assert (claim.shift, claim.moves, claim.region) == (shift, moves, region)


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


def test_slices_at_two_unknown_starts_are_two_signals():
    """The windows start three cells apart. Concatenated, they would pass for one window of six cells."""
    one_of = lambda start, x: lax.dynamic_slice(x, (0, start), (1, 3))
    fn = lambda first, second, x: jnp.concatenate([one_of(first, x[:, :5]), one_of(second, x[:, 3:])], axis=1)
    start, x = jax.ShapeDtypeStruct((), "int32"), jax.ShapeDtypeStruct((1, 8), "float32")
    report = jc.certify(fn, start, start, x, axes={2: (1,)}, search=False).leaves[0].axes[0]
    assert report.cyclic.verdict == "UNDECIDED"
    assert report.interior.region == ((1, 0, 3),)


def test_indices_that_go_around_do_so_to_the_end():
    assert certified(lambda x: x[:, np.array([1, 2, 3, 4, 5, 0])], (1, 6))["cyclic"].shift == 1
    assert certified(lambda x: x[:, np.array([1, 2, 3, 4, 5, 5])], (1, 6))["cyclic"].verdict == "UNDECIDED"
    assert certified(lambda x: x[:, np.array([1, 2, 3, 4, 5, 0, 2])], (1, 6))["cyclic"].verdict == "UNDECIDED"


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_a_start_that_xla_misreads_proves_no_region(dtype):
    """XLA on the CPU takes 130 of 8 bits for a negative number, and slices from the first cell on."""
    padded = lambda x: lax.pad(x, jnp.float32(0), [(0, 0, 0), (50, 0, 0)])
    fn = lambda x: lax.dynamic_slice(padded(x), tuple(np.array([0, 130], dtype)), (1, 100))
    claim = certified(fn, (1, 200), "float32")["interior"]
    assert (claim.verdict == "PROVED") == (dtype == "int32")


def test_a_part_of_the_shifted_axis_that_no_index_names_ends_the_proof():
    """The rule failed instead."""
    numbers = lax.GatherDimensionNumbers(offset_dims=(0, 1), collapsed_slice_dims=(), start_index_map=(0,))
    fn = lambda x: lax.gather(x, np.zeros((1,), np.int32), numbers, slice_sizes=(1, 3))
    claim = certified(fn, (1, 6))["interior"]
    assert claim.culprit.reason == "reads a part of the shifted axis that no index names"


@pytest.mark.parametrize("mode", ["clip", "fill", "promise_in_bounds"])
def test_indices_out_of_bounds_are_content_of_the_border(mode):
    """A window of two cells at each index: those that do not lie within x are moved in, or read nothing."""
    places = np.arange(-2, 8)
    read = {"clip": lambda x: x[:, np.clip(places, 0, 5)],
            "fill": lambda x: np.where((places >= 0) & (places < 6), x[:, np.clip(places, 0, 5)], 3)}  # fmt: skip
    fn = lambda x: x.at[:, places].get(mode=mode, fill_value=3, wrap_negative_indices=False)
    claims = certified(fn, (1, 6))
    assert claims["interior"].region == ((1, 2, 8),)
    for twin in read.values() if mode == "promise_in_bounds" else [read[mode]]:
        assert refutation(twin, (1, 6), claims) is None


def test_windows_out_of_bounds_are_moved_in():
    """Windows of 3 cells at 0, 1, ..., 5 of 6: the last two are those at 3."""
    numbers = lax.GatherDimensionNumbers(offset_dims=(0, 2), collapsed_slice_dims=(), start_index_map=(1,))
    starts = np.arange(6)[:, None]
    fn = lambda x: lax.gather(x, starts, numbers, slice_sizes=(1, 3), mode="clip")
    twin = lambda x: x[:, np.minimum(starts, 3) + np.arange(3)]
    claims = certified(fn, (1, 6))
    assert refutation(twin, (1, 6), claims) is None
    assert claims["interior"].region == ((1, 0, 4),)
    dropped = certified(lambda x: lax.gather(x, starts, numbers, slice_sizes=(1, 3), mode="fill", fill_value=0), (1, 6))
    assert dropped["interior"].region == ((1, 0, 4),)


@pytest.mark.parametrize("places", [[0, 1, 2, 3, 4, 9], [-3, 1, 2, 3, 4, 5]], ids=["last", "first"])
@pytest.mark.parametrize(("mode", "stays"), [("clip", True), ("fill", False)])
def test_only_what_clips_reads_a_cell_out_of_bounds(mode, stays, places):
    """Clipped, these are the cells of x in their order: the identity. Filled, one cell is 3."""
    clipped = np.clip(places, 0, 5)
    claims = certified(lambda x: x.at[:, places].get(mode=mode, fill_value=3, wrap_negative_indices=False), (1, 6))
    assert ("cyclic" in proved(claims)) == stays
    within = lambda x: np.where(clipped == places, x[:, clipped], 3)
    assert refutation((lambda x: x[:, clipped]) if stays else within, (1, 6), claims) is None
