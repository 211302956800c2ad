"""Checks everything under proofs/: `python proofs/prove.py`. Needs Coq 8.16 with MathComp 1.15, and OCaml.

    tools     looks for them
    sources   refuses theories that leave something unproved
    build     compiles the theories; or copies them from build/proofs where those were compiled from the same sources
    audit     asks of every theorem what it rests on, and takes nothing but "Closed under the global context"
    golden    compiles the extracted reference, draws the golden files again, and compares them with the committed ones
    checker   compiles the extracted checker of certificates, build/proofs/certificate_checker
    mutants   puts a fault into the theories for each theorem, whose proof must then fail; not again while the theories
              and the faults are those of which `mutants/rejected.sha256` says that all were rejected

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

INSTALL = "apt-get update && apt-get install -y --no-install-recommends coq libcoq-mathcomp-algebra"
COQC = ["coqc", "-w", "-notation-overridden,-ambiguous-paths", "-R"]
CHECKER = "certificate_checker"
BUILD = sources.HERE.parent / "build" / "proofs"
MINUTES = 60


def main() -> None:
    """Run the steps in their order; stop at the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS), help="run these steps")
    parser.add_argument("--build", type=Path, default=BUILD, help="where to build")
    parser.add_argument(
        "--again", action="store_true", help="compile and try all mutants, although nothing has changed"
    )
    parser.add_argument("--write", action="store_true", help="write the golden files instead of comparing them")
    options = parser.parse_args()
    for name, step in STEPS.items():
        if name in options.only:
            print(f"proofs: {name}: {step(options.build.resolve(), options)}", flush=True)


def tools(build: Path, options: argparse.Namespace) -> str:
    """The versions that the theories are written for; later MathComps have other foundations."""
    needed = f"is not installed. On Debian 12, as root: {INSTALL}"
    for program in ("coqc", "ocamlfind", "make"):
        if shutil.which(program) is None:
            sys.exit(f"proofs: {program} {needed}")
    if "version 8.16." not in (version := run(["coqc", "--version"], Path())):
        sys.exit(f"proofs: Coq 8.16 {needed}\nThis is: {version}")
    if not (Path(run(["coqc", "-where"], Path()).strip()) / "user-contrib" / "mathcomp" / "algebra").is_dir():
        sys.exit(f"proofs: MathComp {needed}")
    return version.splitlines()[0]


def unproved(build: Path, options: argparse.Namespace) -> str:
    """No admitted proofs, no axioms."""
    if found := sources.forbidden():
        sys.exit("proofs: the sources leave something unproved:\n" + "\n".join(found))
    return f"{len(sources.theories())} theories, nothing left unproved"


def compile_theories(build: Path, options: argparse.Namespace) -> str:
    """Every theory, in a fresh copy; those of build/proofs as they are, where neither they nor Coq have changed."""
    compiled, state = BUILD / "coq" / "compiled", f"{sources.digest()} {tools(build, options)}"
    if not options.again and compiled.exists() and compiled.read_text() == state:
        if build != BUILD:
            shutil.rmtree(build, ignore_errors=True)
            shutil.copytree(BUILD / "coq", build / "coq")
        return "nothing has changed since they were compiled; --again compiles them again"
    shutil.rmtree(build, ignore_errors=True)
    (build / "coq").mkdir(parents=True)
    for path in [*sources.COQ.glob("*.v"), sources.COQ / "_CoqProject", sources.COQ / "Makefile"]:
        shutil.copy(path, build / "coq")
    run(["make", "-s", f"-j{os.cpu_count()}"], build / "coq", 15 * MINUTES)
    (build / "coq" / "compiled").write_text(state)
    return "compiled"


def audit(build: Path, options: argparse.Namespace) -> str:
    """What every theorem rests on: nothing."""
    names = [theorem.qualified for theorem in sources.theorems()]
    lines = [f"From WeightSharing Require {module}." for module in sources.theories()]
    lines += [f"Print Assumptions {name}." for name in names]
    (build / "Audit.v").write_text("\n".join(lines) + "\n")
    answers = run([*COQC, "coq", "WeightSharing", "Audit.v"], build, 5 * MINUTES).strip().splitlines()
    if answers != ["Closed under the global context"] * len(names):
        sys.exit("proofs: some theorem rests on an axiom:\n" + "\n".join(answers))
    return f"{len(names)} theorems, each closed under the global context"


def golden(build: Path, options: argparse.Namespace) -> str:
    """The golden files are what the verified reference computes today."""
    for path in [build / "coq" / "reference.ml", build / "coq" / "reference.mli", sources.HERE / "golden" / "main.ml"]:
        shutil.copy(path, build)
    run(["ocamlfind", "ocamlopt", "-w", "-a", "reference.mli", "reference.ml", "main.ml", "-o", "reference"], build)
    files = draw.golden(build / "reference")
    for name, text in files.items():
        path = sources.HERE / "golden" / name
        if options.write:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"proofs: golden/{name} is not what the reference computes; `proofs/prove.py --write` rewrites it")
    return f"{', '.join(files)} {'written' if options.write else 'are what the reference computes'}"


def checker(build: Path, options: argparse.Namespace) -> str:
    """The extracted checker, and what reads certificates for it."""
    own = [sources.HERE / "checker" / name for name in ("json.ml", "main.ml")]
    folder = build / "checker"
    folder.mkdir(exist_ok=True)
    for path in [build / "coq" / "certifier.mli", build / "coq" / "certifier.ml", *own]:
        shutil.copy(path, folder)
    files = ["certifier.mli", "certifier.ml", "json.ml", "main.ml"]
    run(["ocamlfind", "ocamlopt", *files, "-o", str(build / CHECKER)], folder)
    return f"{CHECKER} compiled"


def mutants(build: Path, options: argparse.Namespace) -> str:
    """Each theorem fails once its mutant is in."""
    found, digest = sources.mutants(), sources.digest()
    if not options.again and sources.REJECTED.exists() and sources.REJECTED.read_text().strip() == digest:
        return f"nothing has changed since all {len(found)} mutants were rejected; --again tries them again"
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        survived = [message for message in pool.map(lambda mutant: _survives(build, mutant), found) if message]
    if survived:
        sys.exit("proofs: mutants survived:\n" + "\n".join(survived))
    sources.REJECTED.write_text(digest + "\n")
    return f"{len(found)} mutants, each rejected by the proof of its theorem"


def _survives(build: Path, mutant: sources.Mutant) -> str | None:
    """Compile all up to the end of the theorem, the fault put in; None if its proof fails."""
    name, texts = mutant.qualified, sources.theories()
    if (times := texts[mutant.place].count(mutant.old)) != 1:
        return f"{name}: the text to change occurs {times} times in {mutant.place}.v"
    texts[mutant.place] = texts[mutant.place].replace(mutant.old, mutant.new)
    folder = build / "mutants" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for library in (build / "coq").glob("*.vo"):
        (folder / library.name).symlink_to(library)
    *before, _ = sources.between(mutant.place, mutant.module)
    for module in before:
        if (done := _coqc(folder, module, texts[module])).returncode:
            return f"{name}: {module}.v does not compile with the change: {done.stderr.strip()[-600:]}"
    (theorem,) = [t for t in sources.theorems_in(mutant.module, texts[mutant.module]) if t.name == mutant.theorem]
    text = texts[mutant.module][: theorem.end]
    done = _coqc(folder, mutant.module, text)
    error = re.search(r'^File "[^"]*", line (\d+), characters \d+-\d+:\nError', done.stderr, re.MULTILINE)
    first, last = text[: theorem.proof].count("\n") + 1, text.count("\n") + 1
    if error is None or not first <= int(error[1]) <= last:
        return f"{name}: its proof, lines {first} to {last}, does not fail; coqc said:\n{done.stderr.strip()[-600:]}"
    return None


def _coqc(folder: Path, module: str, text: str) -> subprocess.CompletedProcess[str]:
    """A changed theory, compiled among the libraries of the others."""
    (folder / f"{module}.vo").unlink(missing_ok=True)
    (folder / f"{module}.v").write_text(text + "\n")
    command = [*COQC, ".", "WeightSharing", f"{module}.v"]
    return subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, timeout=3 * MINUTES)


def run(command: Sequence[str], folder: Path, timeout: int = 2 * MINUTES) -> str:
    """The command's standard output; what it printed, and the end, where it fails."""
    done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        sys.exit(f"proofs: {' '.join(command[:2])} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


STEPS = {
    "tools": tools,
    "sources": unproved,
    "build": compile_theories,
    "audit": audit,
    "golden": golden,
    "checker": checker,
    "mutants": mutants,
}

if __name__ == "__main__":
    main()
