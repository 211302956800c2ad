"""How docstrings become Markdown: sessions are code, laws and sources stand out, and a star is a star.

An extension of Griffe, which reads the docstrings for mkdocstrings. They are written to be read in a terminal:
`[n, *spatial, c] and [n, *out, o]` would otherwise be half in italics, and `>>> ` a quotation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import griffe

SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Warns|Yields):$")
MARK = re.compile(r"^(Law|Source): ", re.MULTILINE)
STAR = re.compile(r"(`[^`]*`|(?<!\w)\*\w[\w ]*\*(?!\w))|\*")  # code and emphasis stay; any other star is one
LIST = re.compile(r"^(?!- |\s)(.+\n)(?=- )", re.MULTILINE)  # a line that leads up to a list


class Docstrings(griffe.Extension):
    """Rewrites every docstring before it is parsed, and sees to it that names mean what they mean in Python."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Where a function is named like its module, as `check` is, the face of the package means the function."""
        for name, member in pkg.members.items():
            if not isinstance(member, griffe.Alias) or not member.target_path.startswith(pkg.path):
                continue
            if member.is_module and name in member.members:
                pkg.members[name] = griffe.Alias(name, f"{member.target_path}.{name}", parent=pkg)


def as_markdown(docstring: str) -> str:
    """A docstring in the style of this library, as Markdown with sections in Google's style."""
    blocks = groupby(_kinds(docstring.splitlines()), lambda line: line[0])
    return "\n".join(_WRITTEN[kind]("\n".join(line for _, line in block)) for kind, block in blocks)


def _kinds(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Each line with what it is part of: a "session", indented "code", or "prose", sections included."""
    section, session = False, False
    for line in lines:
        session = bool(line) and (session or line.startswith(">>> "))
        section = bool(SECTION.match(line)) or (section and (not line or line.startswith(" ")))
        code = line.startswith("    ") and not section
        yield "session" if session else "code" if code else "prose", line


def _prose(text: str) -> str:
    starred = STAR.sub(lambda found: found[1] or r"\*", text)
    return MARK.sub(r"**\1:** ", LIST.sub(r"\1\n", starred))


_WRITTEN = {"session": "```pycon\n{}\n```".format, "code": str, "prose": _prose}
