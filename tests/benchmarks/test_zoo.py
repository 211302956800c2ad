"""The table of the zoo: what it says of each architecture is what execution shows, exactly, at every border."""

from math import prod

import architecture_tables
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from architecture_tables import Row
from zoo import ARCHITECTURES

# Not proved, because every output row depends on every row of the image.
GLOBAL = {
    "MobileNetV3-Large": "reduce_sum",
    "EfficientNet-B0": "reduce_sum",
    "U-Net, two steps, with group norm": "reduce_sum",
    "DeepLabv3": "reduce_sum",
    "ViT-B/16": "add",
    "MLP-Mixer-S/16": "dot_general",
    "FNO": "fft",
}
UNPROVED = GLOBAL | {"SegNet": "jaxconv_max_pool_gather", "Swin-T": "select_n"}  # the last two may be true
PROVED = [name for name in ARCHITECTURES if name not in UNPROVED]
NOT_TILED = ["DeepLabv3 without image pooling"]  # although its interior is proved
SLOW = [
    "FCN-VGG16, scores",
    "HRNet, two resolutions",
    "ResNet-101",
    "ResNet-152",
    "DenseNet-121",
    "Inception-v3",
    "ConvNeXt-T",
    "FCN-GoogLeNet, scores",
]
EACH = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in PROVED]
# Where XLA fuses a ReLU into a product and a sum of windows, it drops NaN on the CPU: relu, 1x1, average. So this one
# runs equation by equation. A NaN that is dropped fails the test; it cannot hide a fault.
EAGER = ["DenseNet-121"]
ROUNDING = 1e-9  # of float64, relative to the largest output; after a wrong shift nothing agrees so well


def drawn(draw, shape):
    """Normally distributed numbers that preserve the scale of activations; numbers of few cells are near 1."""
    return (
        draw.normal(size=shape) * (2 / max(1, prod(shape[:-1]))) ** 0.5
        if len(shape) > 1
        else draw.normal(1, 0.1, shape)
    )


def finite(y):
    """Which rows of an output have no NaN."""
    return np.isfinite(y).all(tuple(range(1, y.ndim)))


def agree(a, b):
    """Which rows of two outputs agree up to rounding."""
    difference = np.abs(a - b) / max(np.abs(a).max(), np.abs(b).max())
    return difference.max(tuple(range(1, a.ndim))) < ROUNDING


@pytest.mark.parametrize("name", EACH)
def test_each_claim_is_what_execution_shows(name):
    """NaN spreads to exactly the outputs that depend on it, through any depth, whatever the numbers."""
    own, draw = ARCHITECTURES[name], np.random.default_rng(5)
    claim = Row(own).timed[0].interior
    rows, shift, ((axis, step),), ((_, lo, hi),) = own.tile, claim.shift, claim.moves, claim.region
    assert axis == 1
    wide = draw.normal(size=own.whole.shape)
    start = max(shift, rows // 2 // shift * shift)
    cut = lambda at: wide[:, at : at + rows]
    x = cut(start)

    # The image, the image shifted by the lattice and by parts of it, and six images with NaN.
    parts = sorted({shift // prime for prime in (2, 3, 5) if shift % prime == 0})
    field = claim.receptive_field
    output = (lo + hi) // 2
    first, last = field.cells(output)[0], field.cells(output)[-1]
    outside, before, after = (x.copy() for _ in range(3))
    outside[:, :first] = outside[:, last + 1 :] = np.nan
    before[:, first], after[:, last] = np.nan, np.nan
    batch = np.concatenate([x, cut(start - shift), *(cut(start - part) for part in parts), outside, before, after])
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: drawn(draw, leaf.shape), own.params)
        apply = own.apply if name in EAGER else jax.jit(own.apply)
        y, shifted, *wrongly, only, without_first, without_last = np.asarray(apply(params, batch))
    kept, moved = slice(lo, hi - step), slice(lo + step, hi)
    assert agree(y[kept], shifted[moved]).all()
    for wrong in wrongly:
        assert not any(agree(y[kept], wrong[lo + by : hi - step + by]).all() for by in range(step + 1))

    # The receptive field, to the cell.
    assert last - first + 1 <= field.size
    assert finite(only)[output]
    assert not finite(without_first)[output]
    assert not finite(without_last)[output]

    # The region: output rows that depend on no cell outside the image, when it lies inside a larger one.
    masked = wide.copy()
    masked[:, :start] = masked[:, start + rows :] = np.nan
    with jax.enable_x64(True):
        whole, inside = np.asarray(apply(params, np.concatenate([wide, masked])))
    at = start // shift * step
    assert np.flatnonzero(finite(inside)).tolist() == list(range(at + lo, at + hi))
    assert agree(whole[at + lo : at + hi], y[lo:hi]).all()


@pytest.mark.parametrize("name", PROVED)
def test_tiles_discard_what_the_interior_does(name):
    row = Row(ARCHITECTURES[name])
    interior, tiles = row.timed[0].interior, row.claim
    if name in NOT_TILED:
        assert not tiles.proved
        return
    assert (tiles.shift, tiles.step) == (interior.shift, interior.moves[0][1])
    assert tiles.inner == interior.region[0][1:]


@pytest.mark.parametrize("name", [name for name, own in ARCHITECTURES.items() if own.published])
def test_the_published_receptive_field_is_proved(name):
    own = ARCHITECTURES[name]
    assert Row(own).timed[0].interior.receptive_field.size == own.published.cells


@pytest.mark.parametrize("name", UNPROVED)
def test_what_is_not_proved_names_its_line(name):
    row = Row(ARCHITECTURES[name])
    culprit = row.timed[0].interior.culprit
    assert culprit.primitive == UNPROVED[name]
    assert "/zoo/" in culprit.source
    assert not row.claim.proved


@pytest.mark.parametrize("name", GLOBAL)
def test_what_is_global_has_no_interior(name):
    """New content in the first row changes every output row, so no shift has an interior law."""
    own, draw = ARCHITECTURES[name], np.random.default_rng(7)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):  # attention promotes its logits
        params = jax.tree.map(lambda leaf: drawn(draw, leaf.shape), own.params)
        x = draw.normal(size=own.shape)
        entering = x.copy()
        entering[:, 0] = draw.normal(size=x[:, 0].shape)
        y, changed = np.asarray(jax.jit(own.apply)(params, jnp.concatenate([x, entering])))
    assert (y != changed).reshape(len(y), -1).any(1).all()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_page_has_the_row(name):
    page = (architecture_tables.DOCS / "zoo.md").read_text()
    cells = list(architecture_tables.zoo_cells(Row(ARCHITECTURES[name])))
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {cells[0]} |")]
    written = line.removeprefix("| ").removesuffix(" |").split(" | ")
    seconds = architecture_tables.ZOO.index(architecture_tables.SECONDS)
    assert float(written.pop(seconds)) >= 0
    cells.pop(seconds)
    assert [cell.strip() for cell in written] == cells


def test_the_page_has_no_other_rows():
    page = (
        (architecture_tables.DOCS / "zoo.md")
        .read_text()
        .split(architecture_tables.BEGIN)[1]
        .split(architecture_tables.END)[0]
    )
    assert len(page.splitlines()) == 2 + len(ARCHITECTURES)
