"""Changes of every field of every kind of certificate: `recheck` objects, or raises an error for an invalid one.

INFORMATIONAL lists the fields that `recheck` does not check, as does its docstring.
"""

import dataclasses
from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.certificates_to_recheck import X, conv, filtered, loss_gradient, with_claim

import jaxconv as jc
from jaxconv.verify import json_codec
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.claims import Culprit, Sample, Verdict
from jaxconv.verify.recheck import recheck, witness

SHORT = jax.ShapeDtypeStruct((1, 6, 2), "float32")
BIAS = jnp.ones((6, 1))


def proved(x):
    return jnp.maximum(conv(x, padding="CIRCULAR"), 0)


def zero_padded(x):
    return conv(x, padding="SAME")


def by_position(x):
    return x * jnp.arange(6.0)[None, :, None]


def beside(bias, x):
    return x + bias[None]


def folded(x):
    return loss_gradient(lambda x: conv(x, padding="CIRCULAR"))(x)


def filtered_short(x):
    return filtered(x, 3, 6)


CASES = {  # function, arguments, settings
    "proved": (proved, (SHORT,), {}),
    "invariant": (lambda x: jnp.mean(conv(x, padding="CIRCULAR"), axis=1), (SHORT,), {"search": False}),
    "refuted, proved in the interior": (zero_padded, (SHORT,), {}),
    "refuted twice": (by_position, (SHORT,), {}),
    "undecided": (zero_padded, (SHORT,), {"search": False}),
    "spectra": (filtered_short, (SHORT,), {"search": False}),
    "pieces": (folded, (SHORT,), {"search": False}),
    "numbers of parameters": (beside, (BIAS, SHORT), {"axes": {1: (1,)}, "values": True}),
    "two outputs": (lambda x: {"a": x[:, ::2], "b": jnp.sum(x, 1)}, (SHORT,), {"search": False}),
}
MADE = {
    name: jc.certify(fn, *arguments, **{"axes": (1,)} | settings) for name, (fn, arguments, settings) in CASES.items()
}

INFORMATIONAL = {
    "function": "the name of the function",
    "reason": "text",
    "cure": "text",
    "signal": "a name: another one implies less; test_steps.py tests one name for two signals",
    "start": "position in the signal, part of its name",
    "standing": "the smallest shift instead of None means that a search refuted nothing",
    "values": "True instead of False implies less; a test below covers the reverse",
}
# Changes of states in rows that imply more. One that implies less is accepted if the following states still follow.
STRONGER = {
    "lo": lambda lo: lo - 1,
    "hi": lambda hi: hi + 1,
    "field": lambda field: None if field is None else (*field[:-1], (field[-1][0] + 1, field[-1][1])),
    "rate": lambda rate: -rate,
    "period": lambda period: 1 if period is None else period,
    "depends": lambda depends: False,
    "shift": lambda shift: shift // 2,
    "cycle": lambda cycle: 5 if cycle else 6,
    "length": lambda length: length + 1,
}
OTHERS = {
    bool: lambda value: not value,
    int: lambda value: value + 1,
    str: lambda value: value + "'",
    Fraction: lambda value: value + 1,
    float: lambda value: 2 * value + 1,
    Verdict: lambda value: Verdict.PROVED if value != Verdict.PROVED else Verdict.UNDECIDED,
}
BROKEN = Culprit(0, "slice", "because", "", "file.py:1 (f)", ("file.py:1 (f)",))


def wide(state):
    """Whether another field of a state already lets each of its cells depend on the whole input."""
    carries = [factor.motion for axis in state.axes for factor in axis if factor.motion]
    return any(motion.field is None for motion in carries)


def mutants(value, path=()):
    """Yield (path, value with one change) for every change."""
    if dataclasses.is_dataclass(value):
        yield from mutants_of_fields(value, path)
    elif isinstance(value, tuple):
        yield from mutants_of_items(value, path)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from ((p, value | {key: new}) for p, new in mutants(item, (*path, key)))
    elif isinstance(value, np.ndarray):
        yield path, value[..., :1]
        if path[-1] != "entering":  # other entering cells may also refute the claim
            yield path, np.zeros_like(value)
    elif value is None:
        yield path, BROKEN if path[-1] in ("culprit", "edge", "lost", "longer", "merged") else 1
    else:
        yield path, OTHERS[type(value)](value)


def mutants_of_fields(value, path):
    of_a_state = type(value).__module__.endswith("domain")
    for name in json_codec.fields_of(type(value)):
        old = getattr(value, name)
        if of_a_state and name in STRONGER:
            new = old if name == "depends" and wide(value) else STRONGER[name](old)
            changed = [((*path, name), new)] if new != old else []
        else:
            changed = mutants(old, (*path, name))
        yield from ((field_path, replace(value, **{name: new})) for field_path, new in changed)


def mutants_of_items(value, path):
    """Yield changes of the items of a tuple: of all rows, but of the first and last item only in other tuples."""
    if value:
        yield (*path, "fewer"), value[:-1]
        yield (*path, "twice"), (*value, value[-1])
    some = (
        range(len(value)) if path[0] == "derivations" and len(path) < 3 else {0, len(value) - 1} & {*range(len(value))}
    )
    for number in some:
        changed = mutants(value[number], (*path, number))
        yield from ((p, (*value[:number], new, *value[number + 1 :])) for p, new in changed)


def accepted(name, *, rows):
    """Return the accepted changes of a certificate and the number of changes tried: of rows, or of all else."""
    fn, arguments, _ = CASES[name]
    paths, tried = [], 0
    for path, mutant in mutants(MADE[name]):
        if (path[0] == "derivations") != rows:
            continue
        tried += 1
        try:
            objections = recheck(mutant, fn, *arguments)
        except ValueError as error:
            objections = (str(error),)
            if not str(error).startswith("recheck: certificate."):
                raise
        if objections == () and path[-1] not in INFORMATIONAL:
            paths.append(path)
    return paths, tried


@pytest.fixture
def compiled_once(monkeypatch):
    """Share compiled functions between witnesses with the same samples."""
    runner, compiled = witness._runner, {}

    def shared(number, setting, example):
        key = number, setting.fn, *(np.asarray(x).tobytes() for x in example)
        if key not in compiled:
            compiled[key] = runner(number, setting, example)
        return compiled[key]

    monkeypatch.setattr(witness, "_runner", shared)


@pytest.mark.parametrize("name", CASES)
def test_nobody_objects_to_what_is_unchanged(name):
    fn, arguments, _ = CASES[name]
    assert recheck(MADE[name], fn, *arguments) == ()
    assert recheck(Certificate.from_json(MADE[name].to_json()), fn, *arguments) == ()


@pytest.mark.parametrize("name", CASES)
def test_every_field_of_a_claim_is_checked(name, unexecuted, compiled_once):
    paths, tried = accepted(name, rows=False)
    assert paths == []
    assert tried > 30


# Duplicate pieces of a parent are accepted if no later state depends on them: the rest of the parent can compensate.
QUICK = ["undecided", "numbers of parameters", "two outputs"]
SLOW = ["proved", "refuted twice", "spectra", "pieces"]


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_every_field_of_a_row_is_checked(name, executes_by_numpy, compiled_once):
    paths, tried = accepted(name, rows=True)
    assert [path for path in paths if path[-2:] != ("spans", "twice")] == []
    assert tried > 30


def test_the_kinds_of_certificates_are_all_there():
    verdicts = {(certificate.cyclic, certificate.interior) for certificate in MADE.values()}
    assert {cyclic for cyclic, _ in verdicts} == {interior for _, interior in verdicts} == set(Verdict)


def test_numbers_that_were_looked_at_are_not_all_numbers():
    (fn, arguments, _), certificate = CASES["numbers of parameters"], MADE["numbers of parameters"]
    (objection, *_) = recheck(replace(certificate, values=False), fn, *arguments)
    assert "shifting the input by 1" in objection


# Forgeries of more than one field


def claim_of(certificate, kind, **changes):
    """Return the certificate with another claim about its first output."""
    (leaf, *others) = certificate.leaves
    report = with_claim(leaf.axes[0], kind, replace(leaf.axes[0].claims[kind], **changes))
    return replace(certificate, leaves=(replace(leaf, axes=(report, *leaf.axes[1:])), *others))


def test_an_undecided_claim_is_not_relabelled():
    """It is rejected without a witness, and with one that refutes too few shifts or nothing."""
    certificate = MADE["undecided"]
    witness = MADE["refuted, proved in the interior"].leaves[0].axes[0].cyclic.witness
    forge = lambda **changes: claim_of(
        certificate, "cyclic", **{"verdict": Verdict.REFUTED, "standing": None} | changes
    )
    assert any("has no witness" in objection for objection in recheck(forge(), zero_padded, SHORT))
    assert recheck(forge(witness=witness), zero_padded, SHORT) == ()
    (objection,) = recheck(forge(witness=replace(witness, shifts=witness.shifts[:1])), zero_padded, SHORT)
    assert "the claim is REFUTED, but shifts by" in objection
    of_zeros = replace(witness, samples=(Sample((np.zeros((1, 6, 2), np.float32),)),))
    (objection,) = recheck(forge(witness=of_zeros), zero_padded, SHORT)
    assert "the witness does not refute shifts by 1: the output is" in objection


def test_a_proof_is_not_relabelled():
    certificate, witness = MADE["proved"], MADE["refuted twice"].leaves[0].axes[0].interior.witness
    broken = MADE["refuted twice"].leaves[0].axes[0].interior.culprit
    empty = {"shift": None, "moves": (), "region": (), "receptive_field": None}
    forged = claim_of(certificate, "interior", verdict=Verdict.REFUTED, culprit=broken, witness=witness, **empty)
    objections = recheck(forged, proved, SHORT)
    assert any(
        "the witness does not refute shifts by 1: the output moves by {1: 1} somewhere" in objection
        for objection in objections
    )
    assert any("the claim is REFUTED, but the output's state proves a law" in objection for objection in objections)


def test_a_culprit_moved_to_another_row_is_objected_to(unexecuted, compiled_once):
    """The culprit changes everywhere, so that the certificate is consistent."""
    certificate = MADE["refuted twice"]
    old = certificate.leaves[0].axes[0].cyclic.culprit
    for changes in ({"equation": 0}, {"primitive": "iota"}, {"source": "other.py:1 (f)"}, {"frames": ()}):
        forged = changed_everywhere(certificate, old, replace(old, **changes))
        assert any("as the culprit" in objection for objection in recheck(forged, by_position, SHORT)), changes


def changed_everywhere(value, old, new):
    """Return the value with everything equal to `old` replaced."""
    if value == old:
        return new
    if dataclasses.is_dataclass(value) and not isinstance(value, Sample):
        names = [field.name for field in dataclasses.fields(value)]
        return replace(value, **{name: changed_everywhere(getattr(value, name), old, new) for name in names})
    if isinstance(value, dict):
        return {key: changed_everywhere(item, old, new) for key, item in value.items()}
    return tuple(changed_everywhere(item, old, new) for item in value) if isinstance(value, tuple) else value


def test_a_certificate_of_another_size_is_objected_to():
    (objection,) = recheck(MADE["invariant"], CASES["invariant"][0], X)
    assert "the certificate shifts axis 1 of argument 0, of 6 cells, which does not exist" in objection


def test_what_is_no_certificate_is_refused():
    with pytest.raises(TypeError, match=r"recheck: certificate is .*, but should be a Certificate"):
        recheck(MADE["proved"].to_json(), proved, SHORT)
    with pytest.raises(ValueError, match=r"recheck: certificate.leaves\[0\] is None, but should be LeafReport"):
        recheck(replace(MADE["proved"], leaves=(None,)), proved, SHORT)
