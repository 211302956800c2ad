"""Boxes are compared with sets of cells."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from jaxconv.account.boxes import remaining, volume, whole, without

LENGTHS = (4, 3, 5)
span = lambda length: st.tuples(st.integers(0, length), st.integers(0, length)).map(lambda pair: tuple(sorted(pair)))
boxes = st.tuples(*map(span, LENGTHS))


def cells(box):
    return set(product(*(range(start, stop) for start, stop in box)))


@given(box=boxes)
def test_volume_is_the_number_of_cells(box):
    assert volume(box) == len(cells(box))
    assert volume(whole(LENGTHS)) == 4 * 3 * 5


@given(box=boxes, others=st.lists(boxes, max_size=4))
def test_what_remains_is_disjoint_and_complete(box, others):
    left = remaining(box, others)
    assert sum(map(volume, left)) == len(set().union(*map(cells, left)))
    assert set().union(*map(cells, left)) == cells(box).difference(*map(cells, others))


@given(box=boxes, other=boxes)
def test_a_box_without_another_is_few_boxes(box, other):
    assert len(without(box, other)) <= 2 * len(LENGTHS)


def test_a_box_without_axes_is_one_cell():
    assert volume(()) == 1
    assert remaining((), [()]) == []
