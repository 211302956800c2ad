"""Checks the proofs about the certifier, builds the checker: `python proofs/checker/build.py`. Needs Coq 8.16, OCaml.

Compiles proofs/coq/Certifier*.v, refuses what is left unproved, asks of every theorem what it rests on and takes
nothing but "Closed under the global context", extracts the checker and compiles it.

    --mutants   also puts a fault into the theories for each theorem, whose proof must then fail

Everything is built in build/checker, of which nothing is committed; the checker is build/checker/certificate_checker.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
COQ = HERE.parent / "coq"
MUTANTS = HERE.parent / "mutants"
BUILD = HERE.parents[1] / "build" / "checker"
BINARY = BUILD / "certificate_checker"
# In the order in which they build on one another; CertifierExtract comes last, by itself.
THEORIES = ("Domain", "Axis", "Sums", "View", "Weigh", "Rules", "Program", "Infer", "Sound", "Claims")
MODULES = tuple(f"Certifier{name}" for name in THEORIES)
LIBRARY = ["-R", ".", "Certifier"]
UNPROVED = re.compile(r"\b(Admitted|admit|Axioms?|Parameters?|Conjecture|Abort|Unset Guard Checking|bypass_check)\b")
INSTALL = "apt-get update && apt-get install -y --no-install-recommends coq ocaml-findlib"


def main() -> None:
    """Check, audit, extract, compile; stop at the first step that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", action="store_true", help="also show that each theorem can fail")
    options = parser.parse_args()
    if missing := missing_tools():
        sys.exit(f"checker: {missing}. On Debian 12: {INSTALL}")
    print(f"checker: {prove()}", flush=True)
    print(f"checker: {audit()}", flush=True)
    print(f"checker: {compile_checker()}", flush=True)
    if options.mutants:
        print(f"checker: {try_mutants()}", flush=True)


def missing_tools() -> str:
    """What is not installed, if anything."""
    absent = [tool for tool in ("coqc", "ocamlfind", "ocamlopt") if shutil.which(tool) is None]
    return f"{', '.join(absent)} not installed" if absent else ""


def source(module: str) -> str:
    """A theory's text."""
    return (COQ / f"{module}.v").read_text()


def theorems(module: str) -> list[str]:
    """The names of a theory's theorems."""
    return re.findall(r"^Theorem (\w+)", source(module), re.MULTILINE)


def prove() -> str:
    """Compile every theory, in a fresh copy."""
    left = [f"{m}.v: {line}" for m in MODULES for line in source(m).splitlines() if UNPROVED.search(line)]
    if left:
        sys.exit("checker: the sources leave something unproved:\n" + "\n".join(left))
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    for module in MODULES:
        shutil.copy(COQ / f"{module}.v", BUILD)
        _run(["coqc", *LIBRARY, f"{module}.v"])
    return f"{len(MODULES)} theories, nothing left unproved"


def audit() -> str:
    """What every theorem rests on: nothing."""
    names = [f"{module}.{name}" for module in MODULES for name in theorems(module)]
    lines = [f"Require {module}." for module in MODULES] + [f"Print Assumptions {name}." for name in names]
    (BUILD / "Audit.v").write_text("\n".join(lines) + "\n")
    answers = _run(["coqc", *LIBRARY, "Audit.v"]).strip().splitlines()
    if answers != ["Closed under the global context"] * len(names):
        sys.exit("checker: some theorem rests on an axiom:\n" + "\n".join(answers))
    return f"{len(names)} theorems, each closed under the global context"


def compile_checker() -> str:
    """Extract the checker, and compile it with what reads certificates."""
    shutil.copy(COQ / "CertifierExtract.v", BUILD)
    _run(["coqc", *LIBRARY, "CertifierExtract.v"])
    for name in ("json.ml", "main.ml"):
        shutil.copy(HERE / name, BUILD)
    _run(["ocamlfind", "ocamlopt", "-o", BINARY.name, "certifier.mli", "certifier.ml", "json.ml", "main.ml"])
    return f"{BINARY.relative_to(BUILD.parents[1])} compiled"


def mutants() -> list[tuple[str, str, dict[str, str]]]:
    """Every mutant: the theory, the theorem, and the change: `old` becomes `new`, in another theory if `in` says so."""
    return [
        (path.stem, theorem, change)
        for path in sorted(MUTANTS.glob("Certifier*.toml"))
        for theorem, change in tomllib.loads(path.read_text()).items()
    ]


def try_mutants() -> str:
    """Each theorem's proof fails once its mutant is in."""
    found = mutants()
    claimed = [(module, name) for module in MODULES for name in theorems(module)]
    if sorted((module, theorem) for module, theorem, _ in found) != sorted(claimed):
        sys.exit(f"checker: there should be a mutant for each theorem and no other:\n{claimed}")
    survived = [message for mutant in found if (message := _survives(*mutant))]
    if survived:
        sys.exit("checker: mutants survived:\n" + "\n".join(survived))
    return f"{len(found)} mutants, each rejected by the proof of its theorem"


def _survives(module: str, theorem: str, change: dict[str, str]) -> str:
    """Why a mutant is not rejected by the theorem's own proof; nothing if it is."""
    place, old, new = change.get("in", module), change["old"], change["new"]
    texts = {name: source(name) for name in MODULES}
    if texts[place].count(old) != 1:
        return f"{module}.{theorem}: the text to change occurs {texts[place].count(old)} times in {place}.v"
    texts[place] = texts[place].replace(old, new)
    folder = BUILD / "mutants"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    first, last = MODULES.index(place), MODULES.index(module)
    for name in MODULES[:first]:
        (folder / f"{name}.vo").symlink_to(BUILD / f"{name}.vo")
    for name in MODULES[first : last + 1]:
        (folder / f"{name}.v").write_text(texts[name])
        command = ["coqc", *LIBRARY, f"{name}.v"]
        done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, timeout=300)
        if done.returncode:
            break
    else:
        return f"{module}.{theorem}: everything is proved in spite of the fault"
    text = texts[module]
    start = text.index("Proof.", re.search(rf"^Theorem {theorem}\b", text, re.MULTILINE).end())
    lines = text[:start].count("\n") + 1, text[: text.index("Qed.", start)].count("\n") + 1
    error = re.search(r'^File "./(\w+)\.v", line (\d+), characters \d+-\d+:\nError', done.stderr, re.MULTILINE)
    if error is None or error[1] != module or not lines[0] <= int(error[2]) <= lines[1]:
        return f"{module}.{theorem}: its proof, lines {lines}, is not what fails:\n{done.stderr.strip()[:400]}"
    return ""


def _run(command: Sequence[str]) -> str:
    """The command's standard output; what it printed, and the end, where it fails."""
    done = subprocess.run(command, check=False, cwd=BUILD, capture_output=True, text=True, timeout=600)
    if done.returncode:
        sys.exit(f"checker: {' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
