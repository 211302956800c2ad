"""The site: every page is in its menu, every public name in its reference, every source that a docstring names on a page.

Whether it builds, and where its links lead, `mkdocs build --strict` says.
"""

import ast
import inspect
import re
import tomllib
from pathlib import Path

import pytest

import jaxconv as jc
from jaxconv import reference, testing
from jaxconv.testing import strategies
from jaxconv.verify import measures

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MENU = re.findall(r"[\w/-]+\.md$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
PAGES = [path.relative_to(DOCS).as_posix() for path in sorted(DOCS.rglob("*.md"))]
ELSEWHERE = {
    "index.md",
    "changelog.md",
    "contributing.md",
    "proofs.md",
    "checker.md",
}  # outside of docs/: see website/pages.py
TEXTS = [*sorted(DOCS.rglob("*.md")), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))]
COQ = ROOT / "proofs" / "coq"
REFERENCE = re.findall(
    r"^::: (\S+)$", "\n".join(path.read_text() for path in (DOCS / "api").glob("*.md")), re.MULTILINE
)
TITLES = [
    " ".join(title.split()).lower()
    for title in re.findall(r"\*\*(.+?)\*\*", (DOCS / "citations.md").read_text(), re.DOTALL)
]


def public(module):
    """What a module offers: the names that it lists, or all that it imports or defines."""
    return getattr(module, "__all__", None) or [
        name for name, value in vars(module).items() if not name.startswith("_") and not inspect.ismodule(value)
    ]


def sources():
    """Every "Source:" of every docstring, and whose it is."""
    for path in sorted((ROOT / "jaxconv").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                for found in re.findall(r"^Source: (.*?)(?:\n\n|\Z)", ast.get_docstring(node) or "", re.M | re.S):
                    yield f"{path.name}:{getattr(node, 'name', '')}", " ".join(found.split())


def test_every_page_is_in_the_menu_once():
    assert sorted(MENU) == sorted({*PAGES, *ELSEWHERE})


@pytest.mark.parametrize(
    ("module", "path"),
    [(jc, "jaxconv"), (testing, "jaxconv.testing"), (measures, "jaxconv.verify.measures")],
)
def test_every_public_name_is_in_the_reference_once(module, path):
    # `check` has the shorter name, since it is the face's.
    names = {f"{path}.{name}" for name in public(module) if module is jc or name not in public(jc)}
    assert sorted(one for one in REFERENCE if one in names) == sorted(names)


def test_strategies_and_the_reference_are_in_the_reference():
    defined = lambda module: [name for name, value in vars(module).items() if inspect.getmodule(value) is module]
    drawn = [name for name in defined(strategies) if not name.startswith("_")]
    assert {f"jaxconv.testing.strategies.{name}" for name in drawn} <= set(REFERENCE)
    assert {inspect.getmodule(getattr(reference, name)).__name__ for name in public(reference)} <= set(REFERENCE)


def referenced(source):
    """Whether each work that a source names is on the list, by its title; or the page that it names exists."""
    if page := re.search(r"docs/\w+\.md", source):
        return (ROOT / page[0]).is_file()
    plain = source.replace('"', "").lower()
    found = [title for title in TITLES if f", {title}" in plain]  # after its authors
    return len(found) >= max(1, len(re.findall(r"\b(?:19|20)\d\d\b", source)))


def test_every_source_has_its_reference():
    """One test, since finding the sources takes a second, which pytest would need to name a test for each."""
    found = list(sources())
    assert len(found) > 30
    assert [(name, source) for name, source in found if not referenced(source)] == []


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_tests_and_theorems_that_a_page_names_exist(page):
    text = page.read_text()
    for path, test in re.findall(
        r"`((?:benchmarks|docs|examples|jaxconv|proofs|tests|website)/[\w/]+\.\w+)(?:::(\w+))?", text
    ):
        assert (ROOT / path).is_file(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(), test
    for path in re.findall(r"`((?:benchmarks|docs|examples|jaxconv|proofs|tests|website)/[\w/]*)`", text):
        assert (ROOT / path).is_dir(), path
    for theory, theorem in re.findall(r"`([A-Z]\w+)\.([a-z]\w+)`", text):
        if (COQ / f"{theory}.v").exists():
            assert re.search(rf"^Theorem {theorem}\b", (COQ / f"{theory}.v").read_text(), re.MULTILINE), theorem


def test_the_citation_has_the_version_and_title_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cff = (ROOT / "CITATION.cff").read_text()
    (bibtex,) = re.findall(r"```bibtex\n(.*?)```", (DOCS / "citations.md").read_text(), re.DOTALL)
    assert f"\nversion: {project['version']}\n" in cff
    assert f"version = {{{project['version']}}}," in bibtex
    (title,) = re.findall(r'^title: "(.+)"$', cff, re.MULTILINE)
    assert title in " ".join(bibtex.replace("{JAX}", "JAX").split())
    (author,) = re.findall(r"^  - name: (.+)$", cff, re.MULTILINE)
    assert f"author  = {{{{{author}}}}}," in bibtex


def test_every_extra_is_on_the_page_on_installation_and_no_other():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    page = (DOCS / "installation.md").read_text()
    named = re.findall(r"(?:jaxconv|\.)\[(\w+)\]", page)
    assert set(named) == set(extras)


def typed(page):
    """The lines of a page's blocks that a reader types or copies: all but what programs print."""
    for kind, block in re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        lines = block.splitlines()
        if any(line.startswith(">>> ") for line in lines):
            yield from (line for line in lines if line.startswith((">>> ", "... ")))
        elif kind != "text":
            yield from lines


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_code_fits_the_width_of_the_site(page):
    """A longer line is cut off beside the menus, on a window of 1400 pixels."""
    assert [line for line in typed(page.read_text()) if len(line) > 88] == []


def test_code_that_does_not_fit_would_be_seen():
    block = lambda kind, line: list(typed(f"```{kind}\n{line}\n```\n"))
    assert block("python", f">>> {'x' * 85}\n{'y' * 89}") == [f">>> {'x' * 85}"]
    assert block("bash", "x" * 89) == ["x" * 89]
    assert block("text", "x" * 89) == []


def test_a_source_without_a_reference_would_be_seen():
    assert not referenced("Somebody, A method of nobody's, 2031")
    assert not referenced(f"Somebody, {TITLES[0]}, 2031, and Nobody, Another method, 2032")
    assert not referenced("docs/nowhere.md")
