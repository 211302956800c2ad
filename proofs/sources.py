"""What the proofs consist of, read off their sources: no Coq is needed for any of it.

A `Theorem` is a claim: proofs/README.md has a row for it, the audit asks what it rests on, and a mutant shows that it
can fail. A `Lemma` is a step on the way.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
COQ = HERE / "coq"
REJECTED = HERE / "mutants" / "rejected.sha256"  # the digest of the sources of which every mutant was rejected
REQUIRED = re.compile(r"(?<!From Coq )(?<!From mathcomp )\bRequire(?:\s+(?:Import|Export))?\s+([\w\s]+)\.")
FORBIDDEN = re.compile(r"\b(Admitted|admit|Axioms?|Parameters?|Conjecture|Abort|Unset Guard Checking|bypass_check)\b")


@dataclass(frozen=True)
class Theorem:
    """A claim of the sources: its statement is `text[start:proof]`, its proof `text[proof:end]`."""

    module: str
    name: str
    start: int
    proof: int
    end: int

    @property
    def qualified(self) -> str:
        """As Coq and proofs/README.md name it."""
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Mutant:
    """A fault: in the theory `place`, `old`, which occurs there once, becomes `new`; the theorem's proof must fail."""

    module: str
    theorem: str
    place: str
    old: str
    new: str

    @property
    def qualified(self) -> str:
        """The theorem's name, as `Theorem.qualified`."""
        return f"{self.module}.{self.theorem}"


def theories() -> dict[str, str]:
    """Every Coq source, by the name of its module."""
    return {path.stem: path.read_text() for path in sorted(COQ.glob("*.v"))}


def digest() -> str:
    """Of all that decides whether a mutant is rejected: the theories, the faults, and how they are tried."""
    paths = [*COQ.iterdir(), *(HERE / "mutants").glob("*.toml"), HERE / "prove.py", HERE / "sources.py"]
    found = hashlib.sha256()
    for path in sorted(path for path in paths if path.is_file() and path.suffix in (".v", ".toml", ".py", "")):
        text = path.read_bytes()
        found.update(f"{path.relative_to(HERE).as_posix()} {len(text)}\n".encode() + text)
    return found.hexdigest()


def between(place: str, module: str) -> list[str]:
    """The theories to compile when `place` has changed, up to `module`: each after those that it requires.

    >>> between("CertifierDomain", "CertifierSums")
    ['CertifierDomain', 'CertifierAxis', 'CertifierSums']
    """
    texts = theories()
    required = {name: REQUIRED.findall(text) for name, text in texts.items()}
    needs = {name: [one for line in lines for one in line.split() if one in texts] for name, lines in required.items()}
    found: list[str] = []

    def visit(name: str) -> bool:
        """Whether a theory changes with `place`."""
        changes = [visit(one) for one in needs[name]]
        changed = name == place or any(changes)
        if changed and name not in found:
            found.append(name)
        return changed

    visit(module)
    return found


def theorems() -> list[Theorem]:
    """Every theorem of every theory, in the order of the files."""
    return [theorem for module, text in theories().items() for theorem in theorems_in(module, text)]


def theorems_in(module: str, text: str) -> Iterator[Theorem]:
    """The theorems of one theory."""
    for found in re.finditer(r"^Theorem (\w+)", text, re.MULTILINE):
        proof = text.index("Proof.", found.end())
        yield Theorem(module, found[1], found.start(), proof, text.index("Qed.", proof) + len("Qed."))


def mutants() -> list[Mutant]:
    """Every mutant: mutants/<module>.toml has for each theorem `old` and `new`, and `in` for a change elsewhere."""
    return [
        Mutant(path.stem, theorem, change.get("in", path.stem), change["old"], change["new"])
        for path in sorted((HERE / "mutants").glob("*.toml"))
        for theorem, change in tomllib.loads(path.read_text()).items()
    ]


def forbidden() -> list[str]:
    """Every line of the sources that leaves something unproved, as `file:line: text`."""
    return [
        f"{module}.v:{number}: {line.strip()}"
        for module, text in theories().items()
        for number, line in enumerate(text.splitlines(), start=1)
        if FORBIDDEN.search(line)
    ]


def rows() -> list[str]:
    """Every theorem named in the tables of the README files under proofs/, as `Module.theorem`, row by row."""
    tables = [line for path in sorted(HERE.rglob("README.md")) for line in path.read_text().splitlines()]
    return [name for line in tables if line.startswith("|") for name in re.findall(r"`([A-Z]\w+\.\w+)`", line)]
