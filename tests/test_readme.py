"""The README and the documents: their snippets run, their figures are what the library computes."""

import doctest
import re
from pathlib import Path

import pytest

from jaxconv.account.sharing import table, window_weights
from jaxconv.training.lenet import sharing
from jaxconv.window import slide

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NO_SNIPPETS = ("citations.md", "comparison.md", "installation.md", "lenet.md", "networks.md", "zoo.md")
REFERENCE = [*(DOCS / "api").glob("*.md"), *(DOCS / name for name in NO_SNIPPETS)]
GALLERY = DOCS / "gallery.md"  # of scripts instead of snippets: tests/examples runs them
QUICKSTART = DOCS / "quickstart.md"  # of files and commands: tests/test_quickstart.py runs them
PAGES = [ROOT / "README.md", *sorted({*DOCS.rglob("*.md")} - {*REFERENCE, GALLERY, QUICKSTART})]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_snippets_run(page):
    results = doctest.testfile(str(page), module_relative=False)
    assert results.attempted >= 5
    assert results.failed == 0


def test_lenets_table_is_the_one_that_is_printed():
    assert f"\n```\n{table(sharing())}\n```\n" in (DOCS / "lenet.md").read_text()


def test_the_weights_table_is_computed():
    page = (DOCS / "summary.md").read_text()
    for text, lengths, window, channels in (
        ("2x2 kernel over a 3x3 input", (3, 3), (2, 2), 1),
        ("eight 3x3 filters on a 32x32 image", (32, 32), (3, 3), 8),
        ("one 3x3 filter on a 224x224 image", (224, 224), (3, 3), 1),
    ):
        counts = window_weights(slide(lengths, window), 1, channels)
        assert f"| {text} | {counts.shared:,} | {counts.unshared:,} | {counts.dense:,} |" in page


def test_the_gallery_has_every_script_and_each_picture_is_on_a_page():
    page = GALLERY.read_text()
    scripts = {path.stem for path in (ROOT / "examples").glob("*.py")} - {"figures", "shared", "train_lenet"}
    trained = set(re.findall(r"python examples/(\w+)\.py", (DOCS / "networks.md").read_text()))
    assert trained == {name for name in scripts if name.startswith("train_")}
    scripts -= trained
    assert set(re.findall(r"python examples/(\w+)\.py", page)) == scripts
    pages = [*DOCS.rglob("*.md"), ROOT / "README.md"]
    shown = {
        (path.parent / picture).resolve()
        for path in pages
        for picture in re.findall(r"!\[[^]]+\]\((.+?)\)", path.read_text())
    }
    assert shown == set((DOCS / "pictures").iterdir())
    assert all(picture.stat().st_size < 150_000 for picture in shown)
