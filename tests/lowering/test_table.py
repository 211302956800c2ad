"""Which way the table takes: its rows, and what decides between them."""

import jax
import pytest

from jaxconv.lowering.form import FACES, Form, by_lax
from jaxconv.lowering.table import forced, forced_on_pools, forced_way, way_for
from jaxconv.lowering.version import OLD
from jaxconv.window import slide

PRODUCT, TAPS, SPLIT, SLICES = (3 * [way] for way in ("product", "taps", "split", "slices"))


@pytest.mark.parametrize(
    ("window", "channels", "settings", "expected"),
    [
        ((1, 1), (32, 8), {}, PRODUCT),
        ((1, 1), (16, 8), {}, ["lax", "canonical", "product"]),  # small, where lax is as fast
        ((1, 1), (64, 64), {"stride": 2}, ["lax", "canonical", "product"]),
        ((1, 1, 1), (2, 32), {}, PRODUCT),
        ((8, 8), (16, 4), {}, PRODUCT),  # laid on x in one place only
        ((1,), (3, 3), {"groups": 3}, TAPS),
        ((3, 3), (64, 64), {"groups": 64}, TAPS),
        ((3, 3), (64, 64), {"groups": 32}, SPLIT),
        ((3, 3), (64, 128), {"groups": 64}, SPLIT),
        ((3, 3), (16, 16), {}, ["lax", "canonical", "canonical"]),
        ((3, 3), (7, 1), {}, ["lax", "canonical", "canonical"]),
        ((5, 5), (1, 8), {}, ["banded", "banded", "banded"]),
        ((5, 5), (3, 8), {}, ["banded", "banded", "portions" if OLD else "banded"]),
        ((5, 5), (3, 16), {}, ["banded", "banded", "portions"]),
        ((5, 5), (6, 16), {}, ["lax", "banded", "portions" if OLD else "canonical"]),
        ((5, 5), (3, 64), {}, ["lax", "canonical", "portions"]),
        ((5, 5), (3, 8), {"stride": 2}, ["lax", "canonical", "canonical"]),
        ((7,), (1, 8), {}, ["banded", "banded", "banded"]),
        ((3, 3), (512, 512), {}, ["lax", "canonical", "portions"]),
        ((3, 3), (512, 128), {}, ["lax", "canonical", "portions" if OLD else "canonical"]),
        ((3, 3, 3), (8, 8), {}, SLICES),
    ],
)
def test_the_table(window, channels, settings, expected):
    """Of the convolution, of x's delta and of the kernel's, on 8 cells along each axis."""
    axes = slide("test", (8,) * len(window), window, settings.get("stride", 1))
    form = Form(axes, settings.get("groups", 1))
    assert [way_for(face, form, 256, *channels) for face in ("conv", "conv_dx", "conv_dkernel")] == expected


@pytest.mark.parametrize(
    ("face", "window", "channels", "way"),
    [("conv", (1, 1), (64, 64), "product"), ("conv_dx", (5, 5), (6, 16), "banded")],
)
def test_small_batches_are_laxs(face, window, channels, way):
    """Where the table's way starts more slowly; a batch of any size, as `jax.export` has it, is not small."""
    form = Form(slide("test", (20, 20), window), 1)
    small = "lax" if face == "conv" else "canonical"
    (any_batch,) = jax.export.symbolic_shape("n")
    assert [way_for(face, form, n, *channels) for n in (1, 32, any_batch)] == [small, way, way]


def test_a_large_product_is_laxs_where_lax_has_become_as_fast():
    form = Form(slide("test", (8, 8), (1, 1)), 1)
    assert way_for("conv", form, 64, 128, 128) == ("product" if OLD else "lax")


@pytest.mark.parametrize(
    ("length", "window", "channels", "before", "since"),
    [
        (
            14,
            5,
            (6, 16),
            ["canonical", "portions", "portions", "portions", "portions"],
            ["canonical", "canonical", "canonical", "canonical", "portions"],
        ),
        (
            28,
            3,
            (16, 24),
            ["canonical", "canonical", "portions", "portions", "portions"],
            ["canonical", "canonical", "canonical", "portions", "portions"],
        ),
        (28, 3, (3, 16), *[["banded", "portions", "portions", "portions", "portions"]] * 2),
        (28, 3, (1, 8), *[["banded", "banded", "banded", "banded", "portions"]] * 2),
    ],
)
def test_the_kernels_delta_of_large_batches(length, window, channels, before, since):
    """Lax's own is slow beyond the processor's caches, before 0.12 and of few channels much sooner."""
    form = Form(slide("test", (length, length), (window, window)), 1)
    found = [way_for("conv_dkernel", form, n, *channels) for n in (4, 32, 128, 512, 8192)]
    assert found == (before if OLD else since)


def test_a_way_is_forced_inside_only():
    """Of convolutions and pools, nested ones too, and after an error."""
    form, shapes = Form(slide("test", (8,), (3,), 1), 2), ((1, 8, 2), (3, 1, 2))
    ways = lambda: (forced_way(form, *shapes), forced_on_pools())
    assert ways() == (None, None)
    with forced("taps"):
        with forced("lax"):
            assert ways() == ("lax", "lax")
        assert ways() == ("taps", "taps")
    with pytest.raises(RuntimeError, match="inside"), forced("lax"):
        raise RuntimeError("inside")
    assert ways() == (None, None)


@pytest.mark.parametrize("empty", ["x", "kernel"])
@pytest.mark.parametrize("face", FACES)
def test_nothing_is_convolved_with_nothing(face, empty):
    """What lax's kernels of a platform make of operands without cells is not asked."""
    axes = slide("test", (8,), (3,), 1)
    batch, channels = (0, 2) if empty == "x" else (1, 0)
    shapes = {"x": (batch, 8, channels), "kernel": (3, channels, 4), "y": (batch, axes[0].out, 4)}
    *operands, result = (jax.ShapeDtypeStruct(shapes[role], "float32") for role in FACES[face])
    jaxpr = jax.make_jaxpr(lambda one, other: by_lax(face, Form(axes, 1), one, other))(*operands)
    assert [one.shape for one in jaxpr.out_avals] == [result.shape]
    assert "conv" not in str(jaxpr)
