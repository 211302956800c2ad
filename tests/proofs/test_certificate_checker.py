"""The verified checker of certificates: its corpus, and what it says of it; the theorems are in proofs/coq.

Without Coq: the corpus is what `jc.certify` writes today, and a translated program computes what the function does.
With Coq and OCaml the checker is built, once, and gives its verdicts.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import available, network
from pairs import FUNCTIONS
from pairs import X as ROWS
from programs import random_program
from translation import Program, translate
from translation.execute import execute

import jaxconv as jc
from jaxconv.verify import rules

CHECKER = Path(__file__).parents[2] / "proofs" / "checker"


def loaded(name):
    """A script of proofs/checker as a module."""
    spec = importlib.util.spec_from_file_location(f"checker_{name}", CHECKER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for their module there
    spec.loader.exec_module(module)
    return module


build, corpus = loaded("build"), loaded("corpus")
FILES = sorted(path.stem for path in corpus.CORPUS.glob("*.json"))
SPECTRA = {"fno", "fno_1d"}  # whose certificates are about spectra, of which there are no theorems


def committed(name):
    return json.loads((corpus.CORPUS / f"{name}.json").read_text())


def draw(shapes, seed=0):
    random = np.random.default_rng(seed)
    return [random.integers(-3, 4, shape).astype(np.float32) for shape in shapes]


def agrees(fn, arguments, translated):
    """Whether a program computes what the function does, on whole numbers of both signs; floats but for rounding."""
    found = execute(translated, jax.tree.leaves(arguments))
    expected = jax.tree.leaves(jax.jit(fn)(*arguments))
    return len(found) == len(expected) and all(
        np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-3, atol=1e-3, equal_nan=True)
        for a, b in zip(found, expected, strict=True)
    )


# Without Coq.


def test_the_corpus_is_what_certify_writes_today():
    """Every file as it is committed: right ones, and the tampered ones that are made of them."""
    files = corpus.files()
    assert sorted(files) == FILES
    for name, file in files.items():
        assert json.loads(json.dumps(file)) == committed(name), f"{name}: run python proofs/checker/corpus.py"


def test_every_right_network_is_tampered_with_or_unknown_somewhere():
    """The corpus shows each kind of verdict, and tampered files differ from those that they are made of."""
    verdicts = {said.split()[0] for name in FILES for said in committed(name)["verdicts"].values()}
    assert verdicts == {"accepted", "rejected", "no", "unknown"}
    for name, tampering in corpus.TAMPERED.items():
        right, tampered = committed(tampering.of), committed(f"{tampering.of}--{name}")
        assert (right["program"], right["certificate"]) != (tampered["program"], tampered["certificate"])
        assert right["verdicts"] != tampered["verdicts"]


@pytest.mark.parametrize("name", corpus.RIGHT)
def test_the_corpus_programs_compute_what_their_networks_do(name):
    entry = corpus.RIGHT[name]
    (x,) = draw([entry.x.shape])
    assert agrees(entry.fn, (jnp.asarray(x),), translate(entry.fn, entry.x))


@pytest.mark.parametrize("seed", range(8))
def test_random_programs_are_translated_to_what_they_compute(seed):
    program = random_program(seed)
    assert agrees(program.fn, program.arguments, translate(program.fn, *program.arguments))


@pytest.mark.slow
def test_translations_compute_what_functions_do():
    """Every function of every family of rules, and two hundred programs."""
    rows = (jnp.asarray(*draw([ROWS.shape])),)
    assert [name for name, fn in FUNCTIONS.items() if not agrees(fn, rows, translate(fn, ROWS))] == []
    programs = map(random_program, range(100, 300))
    assert [p for p in programs if not agrees(p.fn, p.arguments, translate(p.fn, *p.arguments))] == []


def test_a_wrong_translation_does_not_agree():
    """The comparison can fail: a program whose window is moved by one cell."""
    entry = corpus.RIGHT["zero_padded"]
    translated = translate(entry.fn, entry.x)
    window = next(parts for parts in translated.program.instructions if parts[0] == "unfold")
    window[5] += 1
    (x,) = draw([entry.x.shape])
    assert not agrees(entry.fn, (jnp.asarray(x),), translated)


def test_an_unknown_primitive_is_called_by_its_name():
    fn = lambda x: jnp.fft.fft(x, axis=1)
    instructions = translate(fn, jax.ShapeDtypeStruct((1, 8, 2), "float32")).as_json()["instructions"]
    assert [parts[1] for parts in instructions if parts[0] == "opaque"] == ["fft"]


@pytest.mark.parametrize(
    ("shape", "target"),
    [
        ((2, 3, 4), (6, 4)),
        ((6, 4), (2, 3, 4)),
        ((4, 3), (2, 6)),
        ((1, 12, 1), (3, 1, 4)),
        ((5,), (1, 5, 1)),
        ((1, 1), ()),
    ],
)
def test_reshape_moves_no_cell(shape, target):
    program = Program()
    x = program.input(0, shape)
    y = program.reshape(x, target)
    assert program.shapes[y] == target
    translated = type(translate(lambda x: x, jnp.zeros(())))(program, [], [y])
    cells = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    assert np.array_equal(execute(translated, [cells])[0], cells.reshape(target))


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


def test_a_file_that_is_no_certificate_is_refused(checker, tmp_path):
    file = committed("sorted")
    del file["certificate"]["derivations"][0][0][0]["outputs"]
    (tmp_path / "one.json").write_text(json.dumps(file))
    assert checker(tmp_path / "one.json")["output 0, axis 0, cyclic"] == "malformed: there is no outputs"


@pytest.mark.slow
def test_each_theorem_fails_once_its_mutant_is_in(checker):
    build.prove()
    assert build.try_mutants() == f"{len(build.mutants())} mutants, each rejected by the proof of its theorem"
