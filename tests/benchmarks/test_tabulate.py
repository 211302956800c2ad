"""The tables of architectures: what they say of tiles, shards and streams is what execution shows, and no row too many."""

import doctest
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tabulate
from tabulate import Row
from zoo import ARCHITECTURES

TILED = ["U-Net", "Dilated segmentation", "ResNet", "MobileNet", "ConvNeXt", "Super-resolution", "WaveNet"]
CULPRITS = {"U-Net with group norm": "reduce_sum", "ViT": "dot_general", "FNO": "fft"}
# Input rows that a tile discards, by hand: each window reaches (taps - 1) / 2 * dilation * (strides before it) rows, and
# the sum is rounded up to whole output rows. Of an even "same" window with a stride, the longer reach is at the end.
MARGINS = {
    "Dilated segmentation": (1 + 1 + 2 + 4 + 8 + 16 + 1 + 1,) * 2,
    "Super-resolution": (2 + 1 + 1,) * 2,
    "WaveNet": (1 + 1 + 2 + 4 + 8 + 16, 0),
    "MobileNet": (4, 8),  # 0 + 2 + 0 before; 2 + 2 + 4 after: 1 * 1, 1 * 2, and 2 * 2 of the strided window
}
ROUNDING, DIFFERENT = 1e-12, 1e-9  # of float64: agreeing rows, and rows that the border of a tile changes


def test_every_architecture_is_listed():
    assert sorted(ARCHITECTURES) == sorted([*TILED, *CULPRITS])


@pytest.mark.parametrize("name", TILED)
def test_each_discarded_row_has_to_be_discarded(name):
    """With positive weights the border of a tile changes every row that it reaches at some offset, and no other."""
    architecture, draw = ARCHITECTURES[name], np.random.default_rng(3)
    row = Row(architecture)
    claim = row.claim
    offsets = range(claim.shift, claim.whole - claim.tile, max(claim.shift, 8))
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: weights(draw, leaf.shape), architecture.params)
        x = draw.uniform(0, 0.1, architecture.shape)
        apply = jax.jit(architecture.apply)
        whole = np.asarray(apply(params, x))
        tiles = [np.asarray(apply(params, x[:, offset : offset + claim.tile])) for offset in offsets]
    assert whole.dtype == np.float64
    differences = np.zeros(claim.output_tile)  # of each row of a tile, the largest of all offsets
    for offset, tile in zip(offsets, tiles, strict=True):
        at = claim.start + offset * claim.step // claim.shift
        difference = np.abs(tile - whole[:, at : at + claim.output_tile]) / np.abs(whole).max()
        differences = np.maximum(differences, np.moveaxis(difference, 1, 0).reshape(claim.output_tile, -1).max(1))
    lo, hi = claim.inner
    assert (differences[lo:hi] < ROUNDING).all(), differences
    assert lo == 0 or differences[lo - 1] > DIFFERENT, differences
    assert hi == claim.output_tile or differences[hi] > DIFFERENT, differences
    assert row.margins == MARGINS.get(name, row.margins)


def weights(draw, shape):
    """Positive numbers that preserve the scale of positive activations; small biases, which saturate nothing."""
    return draw.uniform(0.5, 1.5, shape) / np.prod(shape[:-1]) if len(shape) > 1 else draw.uniform(0.05, 0.15, shape)


@pytest.mark.parametrize("name", TILED)
def test_what_is_tiled_is_sharded_and_streamed(name):
    row = Row(ARCHITECTURES[name])
    assert row.sharded
    assert row.latency is not None


@pytest.mark.parametrize("name", CULPRITS)
def test_what_is_not_names_its_line(name):
    row = Row(ARCHITECTURES[name])
    assert not row.sharded
    assert row.latency is None
    assert row.claim.culprit.primitive == CULPRITS[name]
    assert "/zoo/" in row.claim.culprit.source


def test_the_pages_have_the_tables():
    for name, make in tabulate.TABLES.items():
        page = (tabulate.DOCS / name).read_text()
        assert tabulate.written(page, tabulate.markdown(make(map(Row, ARCHITECTURES.values())))) == page


def test_the_tables_are_written(tmp_path, monkeypatch, capsys):
    """The old table is replaced, and the text around it stays."""
    monkeypatch.setattr(tabulate, "DOCS", tmp_path)
    monkeypatch.setattr(tabulate, "ARCHITECTURES", {"WaveNet": ARCHITECTURES["WaveNet"]})
    (tmp_path / "tutorials").mkdir()
    page = tmp_path / "tutorials" / "tiling.md"
    page.write_text(f"before\n{tabulate.BEGIN}old{tabulate.END}\nafter")
    monkeypatch.setattr("sys.argv", ["tabulate.py", "--write"])
    tabulate.main()
    assert capsys.readouterr().out == f"table: {Path(page)}\n"
    row = "| WaveNet (van den Oord et al., 2016) | any row | 32 and 0 | yes | 0 rows late |  |"
    assert page.read_text().startswith(f"before\n{tabulate.BEGIN}| architecture |")
    assert page.read_text().endswith(f"\n{row}{tabulate.END}\nafter")


def test_the_examples_of_docstrings_run():
    found = doctest.testmod(tabulate)
    assert found.attempted == 3
    assert found.failed == 0


def test_other_errors_than_a_missing_proof_come_through():
    with pytest.raises(ZeroDivisionError):
        tabulate._proved(lambda: jnp.ones(1 // 0))
