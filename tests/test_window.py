"""Sliding-window arithmetic, compared with NumPy's padding, JAX's output sizes, and plain enumeration."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax import lax

from jaxconv.testing.strategies import conv_configurations
from jaxconv.window import BOUNDARIES, PADDINGS, Axis, Pad, lengths_before, positive, runs, slide, window_sizes

NUMPY_MODES: dict[str, Any] = {"CIRCULAR": "wrap", "REFLECT": "reflect", "SYMMETRIC": "symmetric", "EDGE": "edge"}
lengths, sizes, amounts = st.integers(1, 9), st.integers(1, 5), st.integers(0, 14)


@given(length=lengths, lo=amounts, hi=amounts, mode=st.sampled_from(sorted(NUMPY_MODES)))
def test_boundaries_are_numpys(length, lo, hi, mode):
    """Every coordinate maps to the cell that `np.pad` copies there, at any distance beyond the border."""
    axis = Axis(length, 1, 1, 1, Pad(lo, hi, mode))
    cells = [axis.cell(i) for i in range(-lo, length + hi)]
    assert cells == np.pad(np.arange(length), (lo, hi), mode=NUMPY_MODES[mode]).tolist()


def test_boundaries_are_all_compared_with_numpy():
    assert set(BOUNDARIES) == {*NUMPY_MODES, "ZERO"}


@pytest.mark.parametrize("name", ["VALID", "SAME", "SAME_LOWER"])
@given(length=lengths, taps=sizes, stride=sizes, dilation=sizes)
def test_zero_paddings_are_laxs(name, length, taps, stride, dilation):
    span = dilation * (taps - 1) + 1
    pad = PADDINGS[name](length, span, stride)
    assert (pad.lo, pad.hi) == lax.padtype_to_pads((length,), (span,), (stride,), name)[0]
    assert pad.boundary == "ZERO"


@pytest.mark.parametrize("name", ["SAME", "SAME_LOWER", "CAUSAL", *NUMPY_MODES])
@given(length=lengths, taps=sizes, stride=sizes, dilation=sizes)
def test_every_padding_but_valid_gives_ceil_length_over_stride(name, length, taps, stride, dilation):
    (axis,) = slide((length,), (taps,), stride, (name,), dilation)
    assert axis.out == -(-length // stride)


@pytest.mark.parametrize("name", sorted(NUMPY_MODES))
@given(length=lengths, taps=sizes, stride=sizes, dilation=sizes)
def test_boundary_paddings_centre_the_window_on_every_stride_th_cell(name, length, taps, stride, dilation):
    """For an odd number of taps, the middle tap of window j is at cell j*stride, for every length."""
    taps = 2 * (taps // 2) + 1
    (axis,) = slide((length,), (taps,), stride, (name,), dilation)
    assert [axis.reads(j)[taps // 2] for j in range(axis.out)] == list(range(0, length, stride))


@given(length=lengths, taps=sizes, stride=sizes, dilation=sizes)
def test_causal_windows_end_on_their_own_cell(length, taps, stride, dilation):
    (axis,) = slide((length,), (taps,), stride, ("CAUSAL",), dilation)
    assert all(axis.reads(j)[-1] == j * stride for j in range(axis.out))
    assert all(cell is None or cell <= j * stride for j in range(axis.out) for cell in axis.reads(j))


@given(length=lengths, taps=sizes, stride=sizes, dilation=sizes, lo=amounts, hi=amounts)
def test_out_counts_the_places_where_the_window_fits(length, taps, stride, dilation, lo, hi):
    """Position j fits if its last tap is within the padded input."""
    axis = Axis(length, taps, stride, dilation, Pad(lo, hi))
    last_tap = lambda j: j * stride - lo + (taps - 1) * dilation
    assert axis.out == sum(last_tap(j) < length + hi for j in range(length + lo + hi))


@given(case=conv_configurations())
def test_reads_are_the_padded_input_at_stride_and_dilation(case):
    """Tap u at position j reads element j*stride + u*dilation of the padded input."""
    for axis in case.axes:
        padded = [axis.cell(i) for i in range(-axis.pad.lo, axis.length + axis.pad.hi)]
        for j in range(axis.out):
            assert list(axis.reads(j)) == [padded[j * axis.stride + u * axis.dilation] for u in range(axis.taps)]
            assert axis.inside(j) == sum(cell is not None for cell in axis.reads(j))


def pytorchs_positions(length, taps, stride, dilation, lo, hi):
    """`pooling_output_shape` of ATen/native/Pool.h, in ceil mode."""
    positions = (length + lo + hi - dilation * (taps - 1) - 1 + stride - 1) // stride + 1
    return positions - 1 if (positions - 1) * stride >= length + lo else positions


@given(length=lengths, taps=sizes, stride=sizes, dilation=st.integers(1, 2), lo=st.integers(0, 2), hi=st.integers(0, 2))
def test_in_ceil_mode_there_are_as_many_positions_as_pytorch_has(length, taps, stride, dilation, lo, hi):
    """For paddings smaller than the window, which PyTorch requires. Cells beyond the padding are zeros."""
    lo, hi = min(lo, taps - 1), min(hi, taps - 1)
    expected = pytorchs_positions(length, taps, stride, dilation, lo, hi)
    sliding = partial(slide, (length,), (taps,), stride, ((lo, hi),), dilation)
    if expected < 1:
        with pytest.raises(ValueError, match="jaxconv: window along axis w is"):
            sliding(ceil_mode=True)
        return
    (axis,) = sliding(ceil_mode=True)
    assert axis.out == expected
    start = lambda j: j * stride - lo
    for j in range(axis.out):
        taps_at = [start(j) + u * dilation for u in range(taps)]
        assert axis.reads(j) == tuple(i if 0 <= i < length else None for i in taps_at)
    if axis.span <= length + lo + hi:
        assert sliding()[0].out in (axis.out - 1, axis.out)


@pytest.mark.parametrize("padding", ["SAME", "SAME_LOWER", "CAUSAL", "CIRCULAR", "EDGE", Pad(1, 1, "REFLECT")])
def test_ceil_mode_is_for_paddings_with_a_floor(padding):
    """CIRCULAR with one more window would repeat the first window, which breaks the shift law."""
    message = "jaxconv: ceil_mode is True, and the padding .* along axis w, but should be False unless padding is .VALID. or zeros"
    with pytest.raises(ValueError, match=message):
        slide((5, 6), (3, 2), 2, ("VALID", padding), ceil_mode=True)


@pytest.mark.parametrize("ceil_mode", [1, None, (True, False)])
def test_ceil_mode_is_one_boolean(ceil_mode):
    with pytest.raises(
        TypeError, match=r"jaxconv: ceil_mode is .*, but should be True or False. Write one of them, for all axes"
    ):
        slide((5, 6), (3, 2), 2, ceil_mode=ceil_mode)


cells = st.lists(st.none() | st.integers(0, 4), max_size=12)


@given(cells=cells)
def test_runs_spell_out_the_cells_again(cells):
    spelt = [None if first is None else first + i * step for first, count, step in runs(cells) for i in range(count)]
    assert spelt == cells


@pytest.mark.parametrize(
    ("mode", "most"), [("ZERO", 1), ("EDGE", 1), ("CIRCULAR", 1), ("REFLECT", 1), ("SYMMETRIC", 1)]
)
@given(length=st.integers(4, 9), amount=st.integers(1, 3))
def test_a_border_is_one_run(mode, most, length, amount):
    axis = Axis(length, 1, 1, 1, Pad(amount, amount, mode))
    assert len(runs(axis.cell(i) for i in range(-amount, 0))) <= most
    assert len(runs(axis.cell(i) for i in range(length, length + amount))) <= most


@pytest.mark.parametrize("spelling", ["circular", "Circular", "CIRCULAR"])
def test_any_letter_case(spelling):
    expected = slide((5, 6), (3, 2), 1, "CIRCULAR")
    assert slide((5, 6), (3, 2), 1, spelling) == expected
    assert slide((5, 6), (3, 2), 1, (spelling, Pad(0, 1, spelling))) == expected


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        (((1, 2), (0, 3)), [Pad(1, 2), Pad(0, 3)]),
        ([[1, 2], "edge"], [Pad(1, 2), Pad(1, 1, "EDGE")]),
        (("circular", (0, 3)), [Pad(1, 1, "CIRCULAR"), Pad(0, 3)]),
        (Pad(2, 0, "reflect"), [Pad(2, 0, "REFLECT")] * 2),
        ((np.array([1, 2]).tolist(), "valid"), [Pad(1, 2), Pad(0, 0)]),
    ],
)
def test_paddings_mix_per_axis(padding, expected):
    assert [axis.pad for axis in slide((7, 7), (3, 3), 1, padding)] == expected


def test_everything_is_hashable_and_comparable():
    axes = slide((5, 6), (3, 2), [1, 2], [(1, 1), "same"])
    assert hash(axes) == hash(slide((5, 6), (3, 2), (1, 2), ((1, 1), "SAME")))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"stride": 0}, ValueError, "jaxconv: stride is 0, but should be 1 or more"),
        ({"stride": -1}, ValueError, "jaxconv: stride is -1, but should be 1 or more"),
        ({"stride": (1, 2, 3)}, ValueError, r"jaxconv: stride is \(1, 2, 3\), but should be one integer, or 2 of them: \[h"),
        ({"stride": 1.5}, TypeError, "jaxconv: stride is 1.5, but should be an integer, or 2 of them"),
        ({"stride": (1, 2.0)}, TypeError, r"jaxconv: stride is \(1, 2.0\), but should be an integer, or 2 of them"),
        ({"stride": True}, TypeError, "jaxconv: stride is True, but should be an integer"),
        ({"stride": None}, TypeError, "jaxconv: stride is None, but should be an integer, or 2 of them"),
        ({"stride": {1, 2}}, TypeError, r"jaxconv: stride is \{1, 2\}, .* an integer, or 2 of them"),
        ({"stride": {1: 1, 2: 1}}, TypeError, r"jaxconv: stride is \{1: 1, 2: 1\}, but should be an integer, or 2 of them"),
        ({"stride": "22"}, TypeError, "jaxconv: stride is '22', but should be an integer, or 2 of them"),
        ({"dilation": frozenset({1, 2})}, TypeError, r"jaxconv: dilation is frozenset\(\{1, 2\}\), but should be an integer"),
        ({"dilation": (1, 0)}, ValueError, "jaxconv: dilation is 0, but should be 1 or more"),
        ({"window": (0, 3)}, ValueError, "jaxconv: window is 0, but should be 1 or more"),
        ({"window": (3, -3)}, ValueError, "jaxconv: window is -3, but should be 1 or more"),
        ({"lengths": (0, 5)}, ValueError, "jaxconv: x along axis h is 0 cells long, but should be 1 or more"),
        ({"lengths": (5, 2)}, ValueError, r"jaxconv: window along axis w is 3 cells wide \(3 taps, dilation 1\), but should "
         r"be at most as wide as the padded input, which has 2 cells \(0 \+ 2 \+ 0\)\. Use a larger input"),
        ({"dilation": 3}, ValueError, "jaxconv: window along axis h is 7 cells wide .3 taps, dilation 3."),
        ({"padding": "wrap"}, ValueError, "jaxconv: padding is 'wrap', but should be one of VALID, SAME, SAME_LOWER, CAU"),
        ({"padding": 1}, TypeError, r"jaxconv: padding is 1, .* One zero on every side is \(\(1, 1\), \(1, 1\)\)"),
        ({"padding": (1, 1)}, ValueError, r"jaxconv: padding is \(1, 1\), .* a \(lo, hi\) pair for each axis \[h, w\]"),
        ({"padding": ("same",)}, ValueError, r"jaxconv: padding is \('same',\), but should be"),
        ({"padding": ((1, 2, 3), "same")}, ValueError, r"jaxconv: padding is \(1, 2, 3\), but should be"),
        ({"padding": None}, TypeError, "jaxconv: padding is None, but should be"),
        ({"padding": ((-1, 1), (0, 0))}, ValueError, "jaxconv: padding is -1, but should be 0 or more"),
        ({"padding": ((0.5, 1), (0, 0))}, TypeError, "jaxconv: padding is 0.5, but should be an integer"),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_cure(change, error, message):
    arguments = {"lengths": (5, 5), "window": (3, 3), "stride": 1, "padding": "VALID", "dilation": 1} | change
    with pytest.raises(error, match=message):
        slide(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((-1, 0), ValueError, "Pad: lo is -1, but should be 0 or more"),
        ((0, 1.0), TypeError, "Pad: hi is 1.0, but should be an integer"),
        ((0, 1, "wrap"), ValueError, 'Pad: boundary is .wrap., but should be "ZERO", "CIRCULAR", "REFLECT", "SYMM'),
        ((0, 1, None), TypeError, 'Pad: boundary is None, but should be "ZERO", '),
    ],
)
def test_pad_checks_its_fields(arguments, error, message):
    with pytest.raises(error, match=message):
        Pad(*arguments)


@pytest.mark.parametrize("window", [3, (), []])
def test_a_window_says_how_many_axes_there_are(window):
    with pytest.raises(
        ValueError, match=r"jaxconv: window is .*, but should be one integer per spatial axis\. Its length is"
    ):
        window_sizes(window)


@pytest.mark.parametrize("window", [{2, 3}, {2: 3}, "22", None, 2.5, iter((2, 3))])
def test_a_window_has_an_order(window):
    with pytest.raises(TypeError, match=r"jaxconv: window is .*, but should be one integer per spatial axis"):
        window_sizes(window)


@pytest.mark.parametrize("one", [3, np.int64(3), np.array(3)])
def test_one_integer_stands_for_every_axis(one):
    assert positive("stride", one, 3) == (3, 3, 3)


@given(case=conv_configurations(max_rank=1))
def test_the_lengths_before_are_those_that_slide_makes_so_many_positions_of(case):
    """Tries all lengths up to a bound that no solution exceeds."""
    (out,) = case.out
    window, (stride, padding, dilation) = (
        case.window,
        (case.geometry[name] for name in ("stride", "padding", "dilation")),
    )

    def makes(length):
        try:
            return slide((length,), window, stride, padding, dilation)[0].out == out
        except ValueError:
            return False

    expected = [length for length in range(1, 60) if makes(length)]
    assert [*lengths_before((out,), window, stride, padding, dilation)[0]] == expected
