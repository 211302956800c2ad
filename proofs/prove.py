"""Checks everything under proofs/: `python proofs/prove.py`. Needs Coq 8.16 with MathComp 1.15, and OCaml.

Refuses sources that leave something unproved; builds the theories; asks of every theorem what it rests on, and takes
nothing but "Closed under the global context"; extracts and compiles the reference, draws the golden files again and
compares them with the committed ones; and puts a fault into the theories for each theorem, whose proof must then fail.

    --write     writes the golden files instead of comparing them
    --only STEP one of sources, build, audit, golden, mutants (the last three after a build)

Everything is built in build/proofs, of which nothing is committed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import sources
from golden import draw

BUILD = sources.HERE.parent / "build" / "proofs"
COQ = BUILD / "coq"
LIBRARY = ["-R", str(COQ), "WeightSharing"]
QUIET = ["-w", "-notation-overridden,-ambiguous-paths"]
INSTALL = "apt-get update && apt-get install -y --no-install-recommends coq libcoq-mathcomp-algebra"
MINUTES = 60


def main() -> None:
    """Run the steps in their order; stop at the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the golden files instead of comparing them")
    parser.add_argument("--only", choices=STEPS, help="run one step")
    options = parser.parse_args()
    if shutil.which("coqc") is None or shutil.which("ocamlfind") is None:
        sys.exit(f"proofs: coqc or ocamlfind is not installed. On Debian 12: {INSTALL}")
    for name, step in STEPS.items():
        if options.only in (None, name):
            print(f"proofs: {name}: {step(options.write)}", flush=True)


def check_sources(write: bool) -> str:
    """No admitted proofs, no axioms."""
    if found := sources.forbidden():
        sys.exit("proofs: the sources leave something unproved:\n" + "\n".join(found))
    return f"{len(sources.theories())} theories, nothing left unproved"


def build(write: bool) -> str:
    """Compile every theory, in a fresh copy."""
    shutil.rmtree(BUILD, ignore_errors=True)
    COQ.mkdir(parents=True)
    for path in [*sources.COQ.glob("*.v"), sources.COQ / "_CoqProject", sources.COQ / "Makefile"]:
        shutil.copy(path, COQ)
    run(["make", "-s", f"-j{os.cpu_count()}"], COQ, 15 * MINUTES)
    return "compiled"


def audit(write: bool) -> str:
    """What every theorem rests on: nothing."""
    names = [theorem.qualified for theorem in sources.theorems()]
    lines = [f"From WeightSharing Require {module}." for module in sources.theories()]
    lines += [f"Print Assumptions {name}." for name in names]
    (BUILD / "Audit.v").write_text("\n".join(lines) + "\n")
    answers = run(["coqc", *QUIET, *LIBRARY, "Audit.v"], BUILD, 5 * MINUTES).strip().splitlines()
    if answers != ["Closed under the global context"] * len(names):
        sys.exit("proofs: some theorem rests on an axiom:\n" + "\n".join(answers))
    return f"{len(names)} theorems, each closed under the global context"


def golden(write: bool) -> str:
    """The golden files are what the verified reference computes today."""
    for path in [COQ / "reference.ml", COQ / "reference.mli", sources.HERE / "golden" / "main.ml"]:
        shutil.copy(path, BUILD)
    run(["ocamlfind", "ocamlopt", "-w", "-a", "reference.mli", "reference.ml", "main.ml", "-o", "reference"], BUILD)
    files = draw.golden(BUILD / "reference")
    for name, text in files.items():
        path = sources.HERE / "golden" / name
        if write:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"proofs: golden/{name} is not what the reference computes; `proofs/prove.py --write` rewrites it")
    return f"{', '.join(files)} {'written' if write else 'are what the reference computes'}"


def mutants(write: bool) -> str:
    """Each theorem fails once its mutant is in."""
    found = sources.mutants()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        survived = [message for message in pool.map(_survives, found) if message]
    if survived:
        sys.exit("proofs: mutants survived:\n" + "\n".join(survived))
    return f"{len(found)} mutants, each rejected by the proof of its theorem"


def _survives(mutant: sources.Mutant) -> str | None:
    """Compile the theory up to the end of the theorem, the fault put in; None if its proof fails."""
    name = f"{mutant.module}.{mutant.theorem}"
    text = sources.theories()[mutant.module]
    if text.count(mutant.old) != 1:
        return f"{name}: the text to change occurs {text.count(mutant.old)} times"
    changed = text.replace(mutant.old, mutant.new)
    (theorem,) = [t for t in sources.theorems_in(mutant.module, changed) if t.name == mutant.theorem]
    folder = BUILD / "mutants" / name.replace(".", "_")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Mutant.v").write_text(changed[: theorem.end] + "\n")
    done = subprocess.run(
        ["coqc", *QUIET, *LIBRARY, "Mutant.v"],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=3 * MINUTES,
    )
    error = re.search(r'^File "\./Mutant\.v", line (\d+), characters \d+-\d+:\nError', done.stderr, re.MULTILINE)
    first, last = (changed[:end].count("\n") + 1 for end in (theorem.proof, theorem.end))
    if error is None or not first <= int(error[1]) <= last:
        return f"{name}: its proof, lines {first} to {last}, does not fail; coqc said:\n{done.stderr.strip()[-600:]}"
    return None


def run(command: Sequence[str], folder: Path, timeout: int = 2 * MINUTES) -> str:
    """The command's standard output; what it printed, and the end, where it fails."""
    done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        sys.exit(f"proofs: {' '.join(command[:2])} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


STEPS = {"sources": check_sources, "build": build, "audit": audit, "golden": golden, "mutants": mutants}

if __name__ == "__main__":
    main()
