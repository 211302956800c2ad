"""The tables of architectures: what they say of tiles, shards and streams is right, and is what the pages have.

`test_zoo.py` executes the networks.
"""

import doctest

import architecture_tables
import jax.numpy as jnp
import pytest
from architecture_tables import Row
from zoo import ARCHITECTURES

PROVED = ["U-Net, two steps", "Dilated context module", "ResNet-18", "MobileNetV1", "ConvNeXt-T", "ESPCN"]
PROVED += ["WaveNet, one block"]
CULPRITS = {"U-Net, two steps, with group norm": "reduce_sum", "ViT-B/16": "dot_general", "FNO": "fft"}
# Input rows that a tile discards, by hand: each window reaches (taps - 1) / 2 * dilation * (strides before it) rows, and
# the sum is rounded up to whole output rows. Of an even "same" window with a stride, the longer reach is at the end.
MARGINS = {
    "Dilated context module": (1 + 1 + 2 + 4 + 8 + 16 + 1,) * 2,
    "ESPCN": (2 + 1 + 1,) * 2,
    "WaveNet, one block": (2**10 - 1, 0),
    # 2 + 4 + 8 + 5 * 16 + 32 = 126 before; 126 + 2 * (1 + 2 + 4 + 8 + 16) - 31 = 157 after.
    "MobileNetV1": (128, 160),
}


def test_every_architecture_is_listed():
    assert sorted(architecture_tables.TILED) == sorted([*PROVED, *CULPRITS])
    assert set(architecture_tables.TILED) < set(ARCHITECTURES)


@pytest.mark.parametrize("name", MARGINS)
def test_the_discarded_rows_are_those_by_hand(name):
    assert Row(ARCHITECTURES[name]).margins == MARGINS[name]


@pytest.mark.parametrize("name", PROVED)
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


def test_the_page_on_tiles_has_the_table():
    page = (architecture_tables.DOCS / "tutorials" / "tiling.md").read_text()
    table = architecture_tables.markdown(architecture_tables.tiling(map(Row, ARCHITECTURES.values())))
    assert architecture_tables.written(page, table) == page


def test_the_tables_are_written(tmp_path, monkeypatch, capsys):
    """The old table is replaced, and the text around it stays."""
    monkeypatch.setattr(architecture_tables, "DOCS", tmp_path)
    monkeypatch.setattr(architecture_tables, "ARCHITECTURES", {"ESPCN": ARCHITECTURES["ESPCN"]})
    pages = [tmp_path / name for name in architecture_tables.TABLES]
    for page in pages:
        page.parent.mkdir(exist_ok=True)
        page.write_text(f"before\n{architecture_tables.BEGIN}old{architecture_tables.END}\nafter")
    monkeypatch.setattr("sys.argv", ["architecture_tables.py", "--write"])
    architecture_tables.main()
    assert capsys.readouterr().out == "".join(f"table: {page}\n" for page in pages)
    tiles, zoo = (page.read_text() for page in pages)
    assert tiles.startswith(f"before\n{architecture_tables.BEGIN}| architecture |")
    row = "| ESPCN (Shi et al., 2016) | any row | 4 and 4 | yes | 4 rows late |  |"
    assert tiles.endswith(f"\n{row}{architecture_tables.END}\nafter")
    # 1 + 4 + 2 + 2 = 9 cells; of 3 * 128 output rows, 3 * 4 at each end depend on the border.
    assert "\n| ESPCN (Shi et al., 2016) | 128 | 1 → 3 | 12 to 372 of 384 | 9 |  | 4 and 4 |" in zoo


def test_the_examples_of_docstrings_run():
    found = doctest.testmod(architecture_tables)
    assert found.attempted == 3
    assert found.failed == 0


def test_other_errors_than_a_missing_proof_come_through():
    with pytest.raises(ZeroDivisionError):
        architecture_tables._proved(lambda: jnp.ones(1 // 0))
