"""Links of the repository as links of the site. They need what `pip install -e '.[docs]'` brings."""

import logging
import re
from types import SimpleNamespace

import pytest

pytest.importorskip("mkdocs")
pages = pytest.importorskip("pages")
Markdown = pytest.importorskip("markdown").Markdown


def written(markdown, here):
    """What the hook makes of a page of the site."""
    return pages.on_page_markdown(markdown, page=page_of(here))


def page_of(here):
    return SimpleNamespace(file=SimpleNamespace(src_uri=here), meta={})


@pytest.mark.parametrize(
    ("here", "link", "expected"),
    [
        ("index.md", "[norms](docs/normalisation.md)", "[norms](normalisation.md)"),
        ("index.md", "[it](docs/tutorials/train.md#the-step)", "[it](tutorials/train.md#the-step)"),
        ("proofs.md", "[it](../README.md#limits)", "[it](index.md#limits)"),
        ("tutorials/train.md", "[speed](../../README.md#speed)", "[speed](../index.md#speed)"),
        ("tutorials/train.md", "[norms](../normalisation.md)", "[norms](../normalisation.md)"),
        ("why-shared.md", "[proofs](../proofs/README.md)", "[proofs](proofs.md)"),
        ("lowering.md", "[a table](../jaxconv/lowering/table.py)", "a table"),
        (
            "lowering.md",
            "[here](#what-it-costs), [there](https://jax.dev)",
            "[here](#what-it-costs), [there](https://jax.dev)",
        ),
        ("lowering.md", "[root](/etc/hosts)", "[root](/etc/hosts)"),
        ("index.md", "![a map](docs/pictures/gradient.png)", "![a map](pictures/gradient.png)"),
        ("gallery.md", "![a map](pictures/gradient.png)", "![a map](pictures/gradient.png)"),
        ("tutorials/train.md", "![a map](../pictures/gradient.png)", "![a map](../pictures/gradient.png)"),
        ("lowering.md", "![a map](https://jax.dev/a.png)", "![a map](https://jax.dev/a.png)"),
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


@pytest.mark.parametrize(
    ("here", "picture", "message"),
    [
        ("index.md", "docs/pictures/nothing.png", "README.md links to docs/pictures/nothing.png, which does not exist"),
        ("checker.md", "../../LICENSE", "proofs/checker/README.md shows ../../LICENSE, which is not below docs/"),
    ],
)
def test_a_picture_that_the_site_does_not_hold_is_a_warning(here, picture, message, caplog):
    with caplog.at_level(logging.WARNING, "mkdocs"):
        written(f"![a map]({picture})", here)
    assert message in caplog.text


def test_every_picture_of_the_readme_is_on_the_home_page():
    """As a file that MkDocs finds, below docs/."""
    page = written((pages.ROOT / "README.md").read_text(), "index.md")
    shown = re.findall(r"!\[[^]]+\]\((.+?)\)", page)
    assert shown
    assert all((pages.ROOT / "docs" / picture).is_file() for picture in shown)


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        (
            "the sum $a_i * b$ of *all*",
            '<p>the sum <math.*display="inline".*<msub><mi>a</mi><mi>i</mi></msub>.*</math> of <em>all</em></p>',
        ),
        (
            "so\n\n$$x = \\frac{1}{2}$$\n\nholds",
            '<p>so</p>\n<div class="formula"><math.*display="block".*<mfrac>.*</math></div>\n<p>holds</p>',
        ),
        ("$a$, $b$", "<p><math.*<mi>a</mi>.*</math>, <math.*<mi>b</mi>.*</math></p>"),
        ("`$PATH` and `$HOME`", r"<p><code>\$PATH</code> and <code>\$HOME</code></p>"),
        ("5$ and 6$, or $ 7 $", r"<p>5\$ and 6\$, or \$ 7 \$</p>"),
        ("```\n$a$\n```", r"<pre><code>\$a\$\n</code></pre>"),
    ],
)
def test_formulas_are_typeset_and_code_is_not(markdown, expected):
    """MathML in place of each formula; a star within one is no emphasis."""
    page = page_of("lowering.md")
    html = Markdown(extensions=["pymdownx.superfences"]).convert(pages.on_page_markdown(markdown, page=page))
    found = pages.on_page_content(html, page=page)
    found = re.sub(r'<div class="highlight">|<span></span>|(?<=</pre>)</div>', "", found)
    assert re.fullmatch(expected, found, re.DOTALL), found
