"""The site's pages that lie outside of docs/, and links: one text serves the repository and the site.

A hook of MkDocs. Links and pictures are written as the repository has them, from file to file. In the site, a link to a
file that is a page leads there, and so does a picture below docs/. A link to any other file, such as a source, is left
as its text, since the site does not hold it. A link to nothing, and a picture that the site does not hold, are
warnings, which `mkdocs build --strict` makes errors.

Formulas are written as on GitHub, `$...$` in a line and `$$...$$` as paragraphs of their own. They become MathML, which
browsers typeset without a script. Markdown does not see them: their place is held by a name while it is at work.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "proofs/README.md": "proofs.md",
    "proofs/checker/README.md": "checker.md",
}  # file of the repository -> page of the site
LINK = re.compile(r"(!?)\[([^\]\[]*)\]\((?!https?:|#|/)([^)#\s]+)(#[^)\s]*)?\)")
CODE = re.compile(r"`[^`\n]*`")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
FORMULA = re.compile(r"\$\$(?P<block>[^$]+)\$\$|(?<![\w$])\$(?P<line>[^\s$](?:[^$\n]*[^\s$])?)\$(?![\w$])")
HELD = re.compile(r"<p>formula-block-(\d+)</p>|formula-line-(\d+)")
LOG = logging.getLogger("mkdocs.hooks.pages")  # whose warnings --strict counts


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside of docs/."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Links and pictures of files become those of pages, and sessions are coloured as sessions.

    A bar within code, escaped for GitHub's tables, needs no escape here, and would show it.
    """
    here = page.file.src_uri
    source = next((source for source, name in PAGES.items() if name == here), f"docs/{here}")
    prose, fences = FENCE.split(markdown), FENCE.findall(markdown)
    barred = [CODE.sub(lambda code: code[0].replace(r"\|", "|"), text) for text in prose]
    linked = [LINK.sub(lambda link: _led(link, source, here), text) for text in barred]
    page.meta["formulas"] = formulas = list[str]()
    linked = [_without_formulas(text, formulas) for text in linked]
    sessions = [re.sub(r"\A```python\n(?=>>> )", "```pycon\n", fence) for fence in fences]
    return "".join(text + fence for text, fence in zip(linked, [*sessions, ""], strict=True))


def on_page_content(html: str, *, page: Page, **_: Any) -> str:
    """Formulas return, as MathML."""
    formulas = page.meta.get("formulas", [])
    return HELD.sub(lambda held: formulas[int(held[1] or held[2])], html)


def _without_formulas(text: str, formulas: list[str]) -> str:
    """The text with a name in place of each formula outside of code; the formulas are added to the list."""

    def name(found: re.Match[str]) -> str:
        kind, latex = ("block", found["block"]) if found["block"] else ("line", found["line"])
        math = convert(latex.strip(), display="block" if kind == "block" else "inline")
        formulas.append(f'<div class="formula">{math}</div>' if kind == "block" else math)
        return f"formula-{kind}-{len(formulas) - 1}"

    parts, codes = CODE.split(text), CODE.findall(text)
    return "".join(FORMULA.sub(name, part) + code for part, code in zip(parts, [*codes, ""], strict=True))


def _led(link: re.Match[str], source: str, here: str) -> str:
    """A link or picture of a file of the repository, as one of its page."""
    picture, text, target, anchor = link[1], link[2], link[3], link[4] or ""
    path = os.path.normpath(PurePosixPath(source).parent / target)
    if not (ROOT / path).exists():
        LOG.warning("%s links to %s, which does not exist", source, target)
    page = PAGES.get(path, path.removeprefix("docs/") if path.startswith("docs/") else None)
    if page is None:
        if picture:
            LOG.warning("%s shows %s, which is not below docs/", source, target)
        return text
    return f"{picture}[{text}]({os.path.relpath(page, PurePosixPath(here).parent)}{anchor})"
