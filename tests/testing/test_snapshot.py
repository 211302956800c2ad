"""Snapshots: which changes are losses, and round trips of the file."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from jaxconv.testing.snapshot import changes
from jaxconv.testing.snapshot_file import read, update


@st.composite
def claims(draw):
    """A claim about an output of 12 cells, or None."""
    if draw(st.booleans()):
        return None
    moves = draw(st.sampled_from([[], [[1, 1]], [[1, -1]], [[1, 2]], [[2, 1]], [[1, 1], [2, 1]]]))
    region = [[axis, draw(st.integers(0, 4)), draw(st.integers(5, 12))] for axis, _ in moves]
    claim = {"shift": draw(st.sampled_from([1, 2, 3, 4, 6])), "moves": moves}
    return claim | ({"region": region} if region else {})


def entry(claim, length=12):
    return {"output along axis 1 of argument 0": {"length": length, "cyclic": claim, "interior": None}}


def says(claim):
    """All consequences of a claim: shifts up to 24, their moves, and the cells."""
    if claim is None:
        return set()
    cells = {(axis, j) for axis, lo, hi in claim.get("region", ()) for j in range(lo, hi)} or {None}
    lattice = {
        (s, axis, Fraction(t * s, claim["shift"]))
        for s in range(claim["shift"], 25, claim["shift"])
        for axis, t in claim["moves"] or [[None, 0]]
    }
    return {(*move, cell) for move in lattice for cell in cells if cell is None or cell[0] == move[1]}


@settings(max_examples=1000)  # with 40 examples no two claims differ only by shift or region; nothing is compiled
@given(before=claims(), now=claims())
def test_lost_is_what_was_said_and_is_not_any_more(before, now):
    (change,) = changes(entry(before), entry(now)) or [None]
    lost = not says(before) <= says(now)
    same_axes = before is None or now is None or [a for a, _ in before["moves"]] == [a for a, _ in now["moves"]]
    if same_axes:
        assert (change is not None and change.lost) == lost
        assert (change is None) == (says(before) == says(now))
    else:
        assert change.lost


@given(claim=claims())
def test_images_of_another_size_have_other_regions(claim):
    smaller = claim and claim | ({"region": [[axis, 2, 3] for axis, _ in claim["moves"]]} if claim["moves"] else {})
    assert changes(entry(claim), entry(smaller, length=5)) == []


def test_an_output_that_is_gone_is_lost_if_something_was_proved_of_it():
    assert [change.lost for change in changes(entry({"shift": 1, "moves": []}), {})] == [True]
    assert changes(entry(None), {}) == []


@given(
    tests=st.dictionaries(st.text(max_size=5), st.dictionaries(st.text(max_size=5), claims().map(entry), max_size=2))
)
def test_files_come_back_as_they_were_written(tmp_path_factory, tests):
    path = tmp_path_factory.getbasetemp() / "folder" / "certificates.json"
    update(path, lambda _: tests)
    assert read(path) == tests
