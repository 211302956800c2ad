"""The arithmetic of windows over segments, against windows over the whole."""

from hypothesis import given, settings
from hypothesis import strategies as st

from jaxconv.apply.streaming.segment import Window

NUMBERS = st.integers(1, 5)


def positions(window, length):
    """How many positions a window has over a signal, by counting."""
    padded = window.before + max((length - 1) * window.spread + 1, 0) + window.after
    return len([start for start in range(0, padded, window.stride) if start + window.span <= padded])


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.integers(0, 6), st.integers(0, 6), st.integers(-6, 6), st.integers(0, 6))
@settings(max_examples=300)
def test_windows_that_arrive_are_those_of_the_whole(taps, stride, dilation, spread, before, after, offset, rest):
    """Those before the first chunk, those of each chunk, and those at the end add up, whatever the chunks are."""
    window = Window(taps, stride, dilation, spread, before, after)
    kept = window.kept(offset)
    _, at_end = window.last(offset, offset + rest)
    first, remainder = divmod(before + offset * spread - kept, stride)
    assert remainder == 0
    assert window.span - stride <= kept <= window.span - 1
    length = 60 * stride + offset + rest  # 60 * stride cells arrive with chunks
    assert first + 60 * spread + at_end == positions(window, length)


def test_the_cache_of_a_stride_of_one_is_the_window_without_its_last_tap():
    for taps, dilation in ((1, 1), (2, 8), (5, 3)):
        assert Window(taps, 1, dilation, before=4).kept(0) == (taps - 1) * dilation


def test_a_window_that_skips_cells_keeps_none():
    assert [Window(stride=4).kept(offset) for offset in range(5)] == [0, -3, -2, -1, 0]
