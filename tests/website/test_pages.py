"""Links of the repository as links of the site. They need what `pip install -e '.[docs]'` brings."""

import logging
from types import SimpleNamespace

import pytest

pytest.importorskip("mkdocs")
pages = pytest.importorskip("pages")


def written(markdown, here):
    """What the hook makes of a page of the site."""
    return pages.on_page_markdown(markdown, page=SimpleNamespace(file=SimpleNamespace(src_uri=here)))


@pytest.mark.parametrize(
    ("here", "link", "expected"),
    [
        ("index.md", "[norms](docs/normalisation.md)", "[norms](normalisation.md)"),
        ("index.md", "[it](docs/tutorials/train.md#the-step)", "[it](tutorials/train.md#the-step)"),
        ("proofs.md", "[it](../README.md#proofs)", "[it](index.md#proofs)"),
        ("tutorials/train.md", "[LeNet-5](../../README.md#lenet-5)", "[LeNet-5](../index.md#lenet-5)"),
        ("tutorials/train.md", "[norms](../normalisation.md)", "[norms](../normalisation.md)"),
        ("why-shared.md", "[proofs](../proofs/README.md)", "[proofs](proofs.md)"),
        ("lowering.md", "[a table](../jaxconv/lowering/table.py)", "a table"),
        (
            "lowering.md",
            "[here](#what-it-costs), [there](https://jax.dev)",
            "[here](#what-it-costs), [there](https://jax.dev)",
        ),
        ("lowering.md", "[root](/etc/hosts)", "[root](/etc/hosts)"),
        ("lowering.md", "![a picture](picture.png)", "![a picture](picture.png)"),
        ("testing.md", r"| `a\|b` | c \| d |", r"| `a|b` | c \| d |"),
        ("lowering.md", "```python\n>>> a[0](b)\n```", "```pycon\n>>> a[0](b)\n```"),
    ],
)
def test_links(here, link, expected, caplog):
    assert written(link, here) == expected
    assert caplog.records == []


def test_a_link_to_nothing_is_a_warning(caplog):
    """Which `--strict` makes an error, since the logger is below MkDocs' own."""
    with caplog.at_level(logging.WARNING, "mkdocs"):
        written("[it](nothing.md)", "lowering.md")
    assert "docs/lowering.md links to nothing.md, which does not exist" in caplog.text
    assert pages.LOG.name.startswith("mkdocs.")
