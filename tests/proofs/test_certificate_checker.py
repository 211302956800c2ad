"""The verified checker of certificates: its corpus, and what it says of it; the theorems are in proofs/coq.

Without Coq: the corpus is what `jc.certify` writes today, and nothing is left out of the tables. With Coq and OCaml the
checker is built, once, and gives its verdicts.
"""

import itertools
import json
import subprocess

import pytest
from checker_scripts import CHECKER, build, corpus
from networks import available, network
from oracle import violation
from programs import random_program
from translation import translate

import jaxconv as jc
from jaxconv.verify import rules
from jaxconv.verify.claims import Claim, Verdict

FILES = sorted(path.stem for path in corpus.CORPUS.glob("*.json"))
SPECTRA = {"fno", "fno_1d"}  # whose certificates are about spectra, of which there are no theorems


def committed(name):
    return json.loads((corpus.CORPUS / f"{name}.json").read_text())


def test_the_corpus_is_what_certify_writes_today():
    """Every file as it is committed: right ones, and the tampered ones that are made of them."""
    files = corpus.files()
    assert sorted(files) == FILES
    for name, file in files.items():
        assert json.loads(json.dumps(file)) == committed(name), f"{name}: run python proofs/checker/corpus.py"


def test_the_corpus_shows_each_kind_of_verdict():
    """And tampered files differ from those that they are made of."""
    verdicts = {said.split()[0] for name in FILES for said in committed(name)["verdicts"].values()}
    assert verdicts == {"accepted", "rejected", "no", "unknown"}
    for name, tampering in corpus.TAMPERED.items():
        right, tampered = committed(tampering.of), committed(f"{tampering.of}--{name}")
        assert (right["program"], right["certificate"]) != (tampered["program"], tampered["certificate"])
        assert right["verdicts"] != tampered["verdicts"]


def test_each_theorem_has_a_row_and_a_mutant():
    """No theorem is left out of the table in the README, and the table names no theorem that there is not."""
    claimed = [f"{module}.{name}" for module in build.MODULES for name in build.theorems(module)]
    readme = (CHECKER / "README.md").read_text()
    named = [name for name in claimed if f"`{name}`" in readme]
    assert named == claimed
    assert sorted(f"{module}.{theorem}" for module, theorem, _ in build.mutants()) == sorted(claimed)
    for module, theorem, change in build.mutants():
        assert build.source(change.get("in", module)).count(change["old"]) == 1, f"{module}.{theorem}"


def test_each_rule_of_the_certifier_is_accounted_for():
    """With a theorem or without: no rule is passed over in silence."""
    readme = (CHECKER / "README.md").read_text()
    registered = {f"{rule.__module__.rpartition('.')[2]}.{rule.__name__}" for rule in rules.RULES.values()}
    assert {rule for rule in registered if f"`{rule}`" not in readme} == set()


# With Coq.


@pytest.fixture(scope="session")
def checker():
    """The checker's verdicts about a file, by claim; built if it is not, or if it is older than its sources."""
    if missing := build.missing_tools():
        pytest.skip(f"{missing}: {build.INSTALL}")
    sources = [*build.COQ.glob("Certifier*.v"), *CHECKER.glob("*.ml")]
    if not build.BINARY.exists() or build.BINARY.stat().st_mtime < max(path.stat().st_mtime for path in sources):
        build.prove()
        build.compile_checker()

    def verdicts(path):
        said = subprocess.run([build.BINARY, path], capture_output=True, text=True, check=True, timeout=60).stdout
        return dict(line.split(": ", 1) for line in said.splitlines())

    return verdicts


@pytest.fixture
def certified(checker, tmp_path):
    """The checker's verdicts about the certificate of a function."""

    def verdicts(fn, arguments, axes):
        certificate = jc.certify(fn, *arguments, axes=axes, search=False)
        file = {"program": translate(fn, *arguments).as_json(), "certificate": json.loads(certificate.to_json())}
        (tmp_path / "one.json").write_text(json.dumps(file))
        return checker(tmp_path / "one.json")

    return verdicts


@pytest.mark.parametrize("name", FILES)
def test_the_verdicts_are_those_expected(checker, name):
    found, expected = checker(corpus.CORPUS / f"{name}.json"), committed(name)["verdicts"]
    assert found.keys() == expected.keys()
    assert [claim for claim, said in found.items() if not said.startswith(expected[claim])] == []


@pytest.mark.parametrize("name", [name for name in available() if name not in SPECTRA])
def test_every_proof_about_a_real_network_is_accepted(certified, name):
    """Residual networks, U-nets, transformers and the like: whatever is claimed of them, the checker derives, too."""
    net = network(name)
    found = certified(net.fn, net.arguments, {len(net.arguments) - 1: net.axes})
    assert found
    assert {said.split(",")[0] for said in found.values()} <= {"accepted", "no proof claimed"}


def claims_to_forge(shape, length):
    """Claims of all sorts about an output, of which most are false: (kind, claim)."""
    for shift in (1, 2, 3):
        for out, t in [(0, 0), *itertools.product(range(len(shape)), (1, -1, 2))]:
            moves = ((out, t),) if t else ()
            if length % shift == 0:
                yield "cyclic", Claim(Verdict.PROVED, shift, moves)
            for cut in (0, 2):
                if not t or shape[out] - 2 * cut > abs(t):
                    region = ((out, cut, shape[out] - cut),) if t else ()
                    yield "interior", Claim(Verdict.PROVED, shift, moves, region)


def judged(checker, file, seeds):
    """How many forged claims about random programs are accepted, and those of them that an execution refutes."""
    accepted, false = 0, []
    for program in map(random_program, seeds):
        certificate = jc.certify(program.fn, *program.arguments, axes={0: program.axes}, search=False)
        document = json.loads(certificate.to_json())
        for row in itertools.chain(*itertools.chain(*document["derivations"])):
            row["outputs"] = [{"broken": None} for _ in row["outputs"]]  # it says nothing, so that it cannot be wrong
        leaf, parts = document["leaves"][0], {"program": translate(program.fn, *program.arguments).as_json()}
        for number, axis in enumerate(program.axes):
            length = program.arguments[0].shape[axis]
            for kind, claim in claims_to_forge(leaf["shape"], length):
                leaf["axes"][number] |= {key: {"verdict": "UNDECIDED"} for key in ("cyclic", "interior")}
                leaf["axes"][number][kind] = {"verdict": "PROVED"} | {
                    name: getattr(claim, name) for name in ("shift", "moves", "region")
                }
                file.write_text(json.dumps(parts | {"certificate": document}))
                if checker(file)[f"output 0, axis {number}, {kind}"].startswith("accepted"):
                    accepted += 1
                    found = violation(program.fn, program.arguments, 0, axis, 0, claim, kind, samples=2)
                    false += [] if found is None else [f"{program}: {found}"]
    return accepted, false


def test_no_forged_claim_is_accepted_that_an_execution_refutes(checker, tmp_path):
    accepted, false = judged(checker, tmp_path / "one.json", range(5))
    assert accepted > 0
    assert false == []


@pytest.mark.slow
def test_no_forged_claim_about_sixty_programs_is_accepted_that_an_execution_refutes(checker, tmp_path):
    accepted, false = judged(checker, tmp_path / "one.json", range(60))
    assert accepted > 100
    assert false == []


def test_a_file_that_is_no_certificate_is_refused(checker, tmp_path):
    file = committed("sorted")
    del file["certificate"]["derivations"][0][0][0]["outputs"]
    (tmp_path / "one.json").write_text(json.dumps(file))
    assert checker(tmp_path / "one.json")["output 0, axis 0, cyclic"] == "malformed: there is no outputs"


@pytest.mark.slow
def test_each_theorem_fails_once_its_mutant_is_in(checker):
    build.prove()
    assert build.try_mutants() == f"{len(build.mutants())} mutants, each rejected by the proof of its theorem"
