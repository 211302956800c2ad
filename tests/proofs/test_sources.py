"""The pages name every theorem and no other; each has a mutant; nothing is left unproved. No Coq is needed."""

from pathlib import Path

import pytest
import sources
from golden import read

ROOT = Path(__file__).parents[2]
THEOREMS = [theorem.qualified for theorem in sources.theorems()]
PAGE = (ROOT / "proofs" / "README.md").read_text()


def test_there_are_theorems():
    assert len(THEOREMS) > 50
    assert len(THEOREMS) == len(set(THEOREMS))


def test_every_theorem_has_a_row_and_every_row_a_theorem():
    assert set(sources.rows()) == set(THEOREMS)


def test_nothing_is_left_unproved():
    assert not sources.forbidden()


@pytest.mark.parametrize("word", ["Admitted.", "  admit.", "Axiom a : False.", "Parameter p : nat.", "Abort."])
def test_what_is_left_unproved_is_found(word, tmp_path, monkeypatch):
    (tmp_path / "Broken.v").write_text(f"Lemma l : True.\n{word}\n")
    monkeypatch.setattr(sources, "COQ", tmp_path)
    assert sources.forbidden() == [f"Broken.v:2: {word.strip()}"]


def test_every_theorem_has_a_mutant_that_changes_its_theory():
    mutants = sources.mutants()
    assert sorted(mutant.qualified for mutant in mutants) == sorted(THEOREMS)
    texts = sources.theories()
    assert [mutant for mutant in mutants if texts[mutant.place].count(mutant.old) != 1] == []
    assert [mutant for mutant in mutants if mutant.old == mutant.new] == []


def test_a_mutant_is_compiled_up_to_its_theorem():
    """Each theory after those that it requires, from the one that is changed to the theorem's own."""
    for mutant in sources.mutants():
        path = sources.between(mutant.place, mutant.module)
        assert (path[0], path[-1]) == (mutant.place, mutant.module)
        assert len(path) == len(set(path))


def test_the_page_counts_the_golden_cases():
    golden = f"golden files ({len(read.windows()):,} windows, {len(read.convolutions())}\n  convolutions)"
    assert golden in PAGE


def test_every_theory_says_in_words_what_it_is_about():
    for module, text in sources.theories().items():
        assert text.startswith("(** "), module


def test_the_files_that_tie_exist():
    """The column "tested by" of the tables: paths from the root, or from proofs/."""
    ties = {
        word.strip("`")
        for line in PAGE.splitlines()
        if line.startswith("|") and any(f"`{name}`" in line for name in THEOREMS)
        for word in line.split("|")[4].replace(",", " ").split()
        if word.strip("`").endswith(".py")
    }
    assert len(ties) > 10
    missing = [tie for tie in ties if not (ROOT / tie).exists() and not (ROOT / "proofs" / tie).exists()]
    assert not missing


def test_the_mutants_were_rejected_for_the_sources_as_they_are():
    """`python proofs/prove.py` writes the digest once they were."""
    assert sources.REJECTED.read_text().strip() == sources.digest()


@pytest.mark.parametrize("name", ["coq/Lattice.v", "mutants/Lattice.toml", "prove.py", "coq/_CoqProject"])
def test_the_digest_sees_each_source(name, monkeypatch):
    before, read = sources.digest(), Path.read_bytes
    edited = lambda path: read(path) + (b" " if path == sources.HERE / name else b"")
    monkeypatch.setattr(Path, "read_bytes", edited)
    assert sources.digest() != before
