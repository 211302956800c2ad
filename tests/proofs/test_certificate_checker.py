"""The verified checker of certificates: its corpus, and what it says of it; the theorems are in proofs/coq.

Without Coq: the corpus is what `jc.certify` writes today, and nothing is left out of the tables. With Coq and OCaml the
checker is built, once, and gives its verdicts.
"""

import itertools
import json
import subprocess
from collections import Counter

import pytest
from support.checker_scripts import CHECKER, corpus
from support.claim_oracle import violation
from support.networks import each_network, network
from support.pairs_of_rules import FUNCTIONS
from support.pairs_of_rules import X as ROWS
from support.random_programs import random_program
from translation import translate

import jaxconv as jc
from jaxconv.verify import rules, strict_json
from jaxconv.verify.claims import Claim, Verdict

FILES = sorted(path.stem for path in corpus.CORPUS.glob("*.json"))
UNTRANSLATED = {"applied", "modes applied", "numbers of the device"}  # updates by a function, and random numbers
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


def test_each_rule_of_the_certifier_is_accounted_for():
    """With a theorem or without: no rule is passed over in silence."""
    readme = (CHECKER / "README.md").read_text()
    registered = {
        f"{rule.__module__.rpartition('.')[2]}.{rule.__name__}"
        for by_name in rules.RULES.values()
        for rule in by_name.values()
    }
    assert {rule for rule in registered if f"`{rule}`" not in readme} == set()


# With Coq.


@pytest.fixture(scope="session")
def checker(proved):
    """The checker's verdicts about a file, by claim."""
    build, said = proved
    assert "certificate_checker compiled" in said, said

    def verdicts(path):
        said = subprocess.run(
            [build / "certificate_checker", path], capture_output=True, text=True, check=True, timeout=60
        ).stdout
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


@each_network(without=SPECTRA)
def test_every_proof_about_a_real_network_is_accepted(certified, name):
    """Residual networks, U-nets, transformers and the like: whatever is claimed of them, the checker derives, too."""
    net = network(name)
    found = certified(net.fn, net.arguments, {len(net.arguments) - 1: net.axes})
    assert found
    assert {said.split(",")[0] for said in found.values()} <= {"accepted", "no proof claimed"}


def test_the_page_counts_the_proofs_that_are_accepted(certified):
    """Of the functions that use each rule: how many proofs the checker accepts, rejects, or has no instructions for."""
    said = Counter()
    for name, fn in FUNCTIONS.items():
        if name not in UNTRANSLATED:
            said.update(one.split(": ")[0].split(",")[0] for one in certified(fn, (ROWS,), (1,)).values())
    said.pop("no proof claimed", None)
    unknown = sum(count for words, count in said.items() if words.startswith("unknown instruction"))
    spectral = sum(count for words, count in said.items() if words.startswith("unknown instruction fft"))
    page = " ".join((CHECKER / "README.md").read_text().split())
    assert f"has {len(FUNCTIONS)} functions" in page
    assert f"All but {len(UNTRANSLATED)} of them can be translated, and {said.total()} claims about these are" in page
    assert f"accepts {said['accepted']} of them. It rejects {said['rejected']}," in page
    assert f"The other {unknown} rest on primitives without instructions, {spectral} of them on" in page


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
    for program in (program for program in map(random_program, seeds) if program.is_translated):
        certificate = jc.certify(program.fn, *program.arguments, axes={0: program.axes}, search=False)
        document = json.loads(certificate.to_json())
        for row in itertools.chain(*(rows for walks in document["derivations"] for rows in walks.values())):
            row["outputs"] = [{"culprit": None} for _ in row["outputs"]]  # it says nothing, so that it cannot be wrong
        leaf, parts = document["leaves"][0], {"program": translate(program.fn, *program.arguments).as_json()}
        for number, axis in enumerate(program.axes):
            length = program.arguments[0].shape[axis]
            for kind, claim in claims_to_forge(leaf["shape"], length):
                forged = {"verdict": "PROVED"} | {name: getattr(claim, name) for name in ("shift", "moves", "region")}
                undecided = {key: {"verdict": "UNDECIDED"} for key in ("cyclic", "interior")}
                leaf["axes"][number]["claims"] = undecided | {kind: forged}
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


def interior(file):
    """The interior claim about the first output and axis."""
    return file["certificate"]["leaves"][0]["axes"][0]["claims"]["interior"]


def shifted_twice(file):
    for leaf in file["certificate"]["leaves"]:
        leaf["axes"][0]["shifted"] = [[0, 1], [0, 2]]


def row(file):
    """The first row of the interior walk."""
    return file["certificate"]["derivations"][0]["interior"][0]


def carry(file):
    """What the first moving factor of a row carries."""
    return next(factor["motion"] for axis in row(file)["outputs"][0]["axes"] for factor in axis if factor["motion"])


MALFORMED = {  # what is changed in the file of a zero-padded network, and what is said of its interior claim
    "no outputs": (lambda f: row(f).pop("outputs"), "malformed: there is no outputs"),
    "a verdict nobody knows": (lambda f: interior(f).update(verdict="TRUE"), "malformed: the verdict TRUE"),
    "a shift in words": (lambda f: interior(f).update(shift="1"), "malformed: not a number"),
    "a fractional shift": (lambda f: interior(f).update(shift=1.0), "malformed: 1.0 is no whole number of 30 bits"),
    "a huge shift": (lambda f: interior(f).update(shift=2**62), "malformed: 4611686018427387904 is no whole number of"),
    "a move of no numbers": (lambda f: interior(f).update(moves=[[]]), "malformed: a move that is no pair"),
    "a region of two numbers": (lambda f: interior(f).update(region=[[1, 2]]), "malformed: a region of other than three"),
    "a rate over zero": (lambda f: carry(f).update(rate="1/0"), "malformed: 1/0, which is no fraction"),
    "a rate that is zero": (lambda f: carry(f).update(rate="0"), "rejected: a step: "),
    "a rate in hexadecimal": (lambda f: carry(f).update(rate="0x1"), "malformed: 0x1 is no whole number"),
    "a rate of two lines": (lambda f: carry(f).update(rate="1/1/1"), "malformed: 1/1/1, which is no fraction"),
    "one walk": (lambda f: f["certificate"]["derivations"][0].pop("interior"), "malformed: there is no interior"),
    "a value too many": (lambda f: f["program"]["equations"][0].update(values=[10_000]), "malformed: there is no value 10000"),
    "a negative value": (lambda f: f["program"].update(outputs=[-1]), "malformed: -1, a number of an axis or of a value"),
    "an operand of nothing": (
        lambda f: f["program"]["instructions"].__setitem__(0, ["opaque", "mystery", [[]], []]),
        "malformed: an operand that is no pair",
    ),
    "an argument shifted twice": (shifted_twice, "rejected: an argument is shifted twice"),
    "a region twice": (
        lambda f: interior(f).update(region=interior(f)["region"] * 2),
        "rejected: two regions along output axis 1",
    ),
    "a region backwards": (lambda f: interior(f).update(region=[[1, 3, 1]]), "rejected: the region [3, 1) is not in"),
    "a region of no axis": (
        lambda f: interior(f)["region"].append([7, 0, 1]),
        "rejected: it is of an axis that the output does not have",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_certificate_with_something_malformed_is_refused(checker, tmp_path, name):
    change, said = MALFORMED[name]
    file = committed("zero_padded")
    change(file)
    (tmp_path / "one.json").write_text(json.dumps(file))
    assert checker(tmp_path / "one.json")["output 0, axis 0, interior"].startswith(said)


def test_a_region_of_a_cyclic_claim_is_refused(checker, tmp_path):
    """It would be checked on that region only, and says nothing of regions."""
    file = committed("circular_pool")
    file["certificate"]["leaves"][0]["axes"][0]["claims"]["cyclic"]["region"] = [[1, 1, 2]]
    (tmp_path / "one.json").write_text(json.dumps(file))
    assert checker(tmp_path / "one.json")["output 0, axis 0, cyclic"] == "rejected: a cyclic claim has no regions"


TEXT = (corpus.CORPUS / "zero_padded.json").read_text()
VALUES = '"values":false'
HOSTILE = {  # a text, what the checker says of it, and what Python's reader does
    "cut off": (TEXT[: len(TEXT) // 2], "malformed: ", "invalid JSON"),
    "empty": ("", "malformed: no value at byte 0", "invalid JSON"),
    "two documents": (TEXT + TEXT, "malformed: more text", "invalid JSON"),
    "a key twice": (TEXT.replace(VALUES, '"format":1'), "malformed: the key format for the second time", "'format' is repeated"),
    "a key twice, once escaped": (
        TEXT.replace(VALUES, '"\\u0066ormat":1'),
        "malformed: the key format for the second time",
        "'format' is repeated",
    ),
    "NaN": (TEXT.replace(VALUES, '"values":NaN'), "malformed: no value", "NaN, but should be finite"),
    "Infinity": (TEXT.replace(VALUES, '"values":-Infinity'), "malformed: no digits", "Infinity, but should be finite"),
    "a number in hexadecimal": (TEXT.replace(VALUES, '"values":0x10'), "malformed: expected", "invalid JSON"),
    "a number with zeros in front": (TEXT.replace(VALUES, '"values":007'), "malformed: expected", "invalid JSON"),
    "half a number": (TEXT.replace(VALUES, '"values":1.'), "malformed: no digits", "invalid JSON"),
    "a comma too many": (TEXT.replace(VALUES, f"{VALUES},"), "malformed: expected", "invalid JSON"),
    "a line within a string": (TEXT.replace(VALUES, '"va\nlues":1'), "malformed: a control character", "invalid JSON"),
    "an unknown escape": (TEXT.replace(VALUES, r'"va\lues":1'), "malformed: an unknown escape", "invalid JSON"),
    "deep lists": ("[" * 1_000_000, "malformed: nested too deeply", "too deeply nested"),
    "deep objects": ('{"a":' * 1_000_000, "malformed: nested too deeply", "too deeply nested"),
    "another format": (TEXT.replace('"format":4', '"format":1'), "malformed: a format other than 4", None),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_the_checker_and_python_refuse_the_same_texts(proved, tmp_path, name):
    text, said, words = HOSTILE[name]
    assert text != TEXT
    (tmp_path / "one.json").write_text(text)
    command = [proved[0] / "certificate_checker", tmp_path / "one.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.startswith(said)
    if words:
        with pytest.raises(ValueError, match=words):
            strict_json.loads(text)


def test_what_python_reads_the_checker_reads(checker, tmp_path):
    """Escapes, spaces and exponents: the same certificate written in another way."""
    text = TEXT.replace('"format":4', '"\\u0066ormat" : \t4').replace(
        VALUES, '"values": false, "more": [1e5, -0.5E-3, {}]'
    )
    assert text.count("u0066") == text.count("more") == 1
    strict_json.loads(text)
    (tmp_path / "one.json").write_text(text)
    assert checker(tmp_path / "one.json") == checker(corpus.CORPUS / "zero_padded.json")


def test_a_file_that_is_not_there_is_said_to_be_missing(proved, tmp_path):
    command = [proved[0] / "certificate_checker", tmp_path / "none.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "No such file" in done.stdout
