"""Certificates as data: equality by content, pickling, and the JSON round trip, at any depth."""

import json
import pickle
import sys
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.certificates_to_recheck import X, certify, conv, filtered, loss_gradient, with_claim, with_row
from support.profiles import NIGHTLY

import jaxconv as jc
from jaxconv.verify.certificate import FORMAT, Certificate
from jaxconv.verify.claims import Sample, Verdict, Witness
from jaxconv.verify.domain import Pieces, Spectrum

DEPTH = 5_000 if NIGHTLY else 1_500  # Python's recursion limit is 1,000


def deep(x):
    for _ in range(DEPTH):
        x = -x
    return x


def zero_padded(x):
    return conv(x, padding="SAME")


def pooled_invariantly(x):
    return jnp.mean(conv(x, padding="CIRCULAR"), axis=1)


KINDS = {  # a certificate for each kind of claim and of state
    "regions": lambda: certify(zero_padded, X),
    "invariance": lambda: certify(pooled_invariantly, X),
    "spectra": lambda: certify(filtered, X),
    "pieces": lambda: certify(loss_gradient(lambda x: conv(x, padding="CIRCULAR")), X),
    "infinite bounds": lambda: certify(lambda x: jnp.pad(x[:, :2], ((0, 0), (10, 0), (0, 0))), X),
    "a witness": lambda: jc.certify(zero_padded, X, axes=(1,)),
}
READ = {name: (make(), make()) for name, make in KINDS.items()}


@pytest.mark.parametrize("name", KINDS)
def test_two_runs_give_equal_certificates(name):
    first, second = READ[name]
    assert first == second
    assert hash(first) == hash(second)
    assert {first, second} == {second}


@pytest.mark.parametrize("name", KINDS)
def test_reading_gives_an_equal_certificate(name):
    certificate, _ = READ[name]
    text = certificate.to_json()
    read = Certificate.from_json(text)
    assert read == certificate
    assert hash(read) == hash(certificate)
    assert str(read) == str(certificate)
    assert read.to_json() == text
    assert json.loads(text, parse_constant=pytest.fail)["format"] == FORMAT


@pytest.mark.parametrize("name", KINDS)
def test_pickles_are_equal(name):
    certificate, _ = READ[name]
    assert pickle.loads(pickle.dumps(certificate)) == certificate


def test_the_kinds_are_what_they_are_called():
    states = lambda name: [state for row in READ[name][0].derivations[0]["cyclic"] for state in row.outputs]
    assert any(isinstance(state, Spectrum) for state in states("spectra"))
    assert any(isinstance(state, Pieces) for state in states("pieces"))
    assert "-inf" in READ["infinite bounds"][0].to_json()
    assert READ["a witness"][0].cyclic == Verdict.REFUTED


def test_certificates_of_other_functions_are_not_equal():
    assert len({certificate for certificate, _ in READ.values()}) == len(READ)


def test_depth_does_not_matter():
    """A chain longer than Python's recursion limit, each equation of which derives its signal's name from the previous.

    Recursion over the names would raise. Names written in full would need memory quadratic in the depth. Since Python
    3.12, pickle may recurse deeper, because it is written in C. There, only the nightly depth detects such recursion.
    """
    assert sys.getrecursionlimit() < DEPTH
    certificate = certify(deep, X)
    assert certificate.equations == DEPTH
    assert certificate.cyclic == Verdict.PROVED
    assert certificate == pickle.loads(pickle.dumps(certificate)) == Certificate.from_json(certificate.to_json())
    assert len(repr(certificate)) < 2_000 * DEPTH
    assert len({certificate, certify(deep, X)}) == 1


def test_signals_that_are_equal_at_depth_are_joined():
    """Two chains of the same equations: the second half of one is concatenated with the first half of the other."""
    fn = lambda x: jnp.concatenate([deep(x)[:, 6:], deep(x)[:, :6]], axis=1)
    assert certify(fn, X).cyclic == Verdict.PROVED


SAMPLE = Sample((np.float32([1, 2]), {"scale": jnp.ones(2)}), np.float32([3]))
WITNESS = Witness((SAMPLE,), (1,), 0, 0, 0.5, (0,))


def test_witnesses_are_compared_by_content():
    sample = Sample((jnp.float32([1, 2]), {"scale": np.ones(2, np.float32)}), jnp.float32([3]))
    same = replace(WITNESS, samples=(sample,))
    assert same == WITNESS
    assert hash(same) == hash(WITNESS)
    assert WITNESS != "a witness"


@pytest.mark.parametrize(
    "changes",
    [
        {"arguments": (np.float32([1, 3]), {"scale": jnp.ones(2)})},
        {"arguments": (np.float64([1, 2]), {"scale": jnp.ones(2)})},
        {"arguments": (np.float32([[1, 2]]), {"scale": jnp.ones(2)})},
        {"arguments": (np.float32([1, 2]), {"bias": jnp.ones(2)})},
        {"arguments": (np.float32([1, 2]), [jnp.ones(2)])},
        {"entering": np.float32([4])},
        {"entering": None},
    ],
)
def test_samples_that_differ_are_not_equal(changes):
    assert replace(SAMPLE, **changes) != SAMPLE


@pytest.mark.parametrize(
    "changes",
    [
        {"samples": ()},
        {"samples": (SAMPLE, SAMPLE)},
        {"shifts": (1, 2)},
        {"leaf": 1},
        {"axis": 1},
        {"error": 0.25},
        {"position": (1,)},
    ],
)
def test_witnesses_that_differ_are_not_equal(changes):
    assert replace(WITNESS, **changes) != WITNESS


LEAVES = {
    "nothing": None,
    "a float": 0.5,
    "nan": float("nan"),
    "complex": 1 - 2j,
    "containers": {"a": [1, (True, "x")], 2: ()},
    "signs of zero": np.float32([0.0, -0.0, 1]),
    "not finite": np.float32([np.inf, -np.inf, np.nan, 3]),
    "bfloat16": jnp.asarray([1.5, -0.0, np.inf], jnp.bfloat16),
    "complex arrays": np.complex64([[1 - 2j, 0, complex(0, np.inf)]]),
    "whole numbers": np.array([[2**63 - 1, -(2**63)]], np.int64),
    "flags": np.array([True, False]),
    "keys": jax.random.split(jax.random.key(3), 2),
    "a scalar": np.float16(0.1),
}


def with_witness(witness):
    """Return a certificate whose cyclic claim has this witness."""
    certificate = READ["a witness"][0]
    (leaf,) = certificate.leaves
    claim = replace(leaf.axes[0].cyclic, witness=witness)
    return replace(certificate, leaves=(replace(leaf, axes=(with_claim(leaf.axes[0], "cyclic", claim),)),))


def holding(argument):
    """Return a witness with one sample of one argument."""
    return replace(WITNESS, samples=(replace(SAMPLE, arguments=(argument,)),))


@pytest.mark.parametrize("name", LEAVES)
def test_arguments_of_a_witness_are_read_as_they_were(name):
    certificate = with_witness(holding(LEAVES[name]))
    read = Certificate.from_json(certificate.to_json())
    assert read == certificate
    assert read != with_witness(WITNESS)
    (argument,) = read.leaves[0].axes[0].cyclic.witness.arguments
    if name == "signs of zero":
        np.testing.assert_array_equal(np.signbit(argument), [False, True, False])


class Parameters(NamedTuple):
    """Parameters of a class that a user's library may define."""

    scale: Any


def test_a_container_of_a_users_class_is_read_as_its_arrays():
    certificate = with_witness(holding(Parameters(np.ones(2))))
    read = Certificate.from_json(certificate.to_json())
    assert read == certificate
    assert read != with_witness(holding((np.ones(2),)))
    (argument,) = read.leaves[0].axes[0].cyclic.witness.arguments
    np.testing.assert_array_equal(argument.leaves, [[1, 1]])


# Errors name the wrong field


TEXT = READ["regions"][0].to_json()


def changed(*path, to):
    """Return the JSON of a certificate with the value node a path changed."""
    data = json.loads(TEXT)
    node = data
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = to
    return json.dumps(data)


def without(*path):
    """Return the JSON of a certificate without one key."""
    data = json.loads(TEXT)
    node = data
    for key in path[:-1]:
        node = node[key]
    del node[path[-1]]
    return json.dumps(data)


CLAIM = ("leaves", 0, "axes", 0, "claims", "interior")
ROW = ("derivations", 0, "interior", 0)
CARRY = (*ROW, "outputs", 0, "axes", 1, 0, "motion")
at_claim = r"certificate\.leaves\[0\]\.axes\[0\]\.claims\.interior"
at_motion = r"certificate\.derivations\[0\]\.interior\[0\]\.outputs\[0\]\.axes\[1\]\[0\]\.motion"

HOSTILE = {
    "no JSON": ("shift", r"the text is invalid JSON \(Expecting value: line 1 column 1"),
    "cut off": (TEXT[:100], "the text is invalid JSON"),
    "two documents": (TEXT + TEXT, r"the text is invalid JSON \(Extra data"),
    "no object": ("[1]", "the JSON is a list of 1, but should be a certificate"),
    "NaN": (TEXT.replace('"values": false', '"values": NaN'), "a number in the JSON is NaN, but should be finite"),
    "Infinity": (TEXT.replace('"values": false', '"values": -Infinity'), "a number in the JSON is -Infinity"),
    "a huge float": (TEXT.replace('"values": false', '"values": 1e999'), "a number in the JSON is 1e999, but should be in the range"),
    "a huge integer": (changed(*CLAIM, "shift", to=10**30), r"a number in the JSON is 1000000.* \(31 characters\), but should be an integer"),
    "a key twice": (TEXT.replace('"values"', '"function"'), "the key 'function' is repeated in one JSON object"),
    "deep lists": ("[" * 100_000 + "]" * 100_000, "the JSON is too deeply nested, but should be as to_json"),
    "deep objects": ('{"a":' * 100_000 + "1" + "}" * 100_000, "the JSON is too deeply nested"),
    "no format": (without("format"), "the format is None, but should be 4. Certify the function again"),
    "another format": (changed("format", to=1), "the format is 1, but should be 4"),
    "a format of words": (changed("format", to=True), "the format is True, but should be 4"),
    "no leaves": (without("leaves"), "certificate is an object with the keys 'function', .* but should be an object with the keys function, leaves"),
    "another key": (changed("more", to=1), "certificate is an object with the keys .*'more', but should be an object"),
    "a claim without a verdict": (without(*CLAIM, "verdict"), at_claim + " is an object with the keys"),
    "an unknown verdict": (changed(*CLAIM, "verdict", to="TRUE"), at_claim + r"\.verdict is 'TRUE', but should be one of PROVED"),
    "a shift in words": (changed(*CLAIM, "shift", to="1"), at_claim + r"\.shift is '1', but should be an integer or None"),
    "a fractional shift": (changed(*CLAIM, "shift", to=1.0), at_claim + r"\.shift is 1.0, but should be an integer"),
    "a shift that is a flag": (changed(*CLAIM, "shift", to=True), at_claim + r"\.shift is True, but should be an integer"),
    "a move of one number": (changed(*CLAIM, "moves", to=[[1]]), at_claim + r"\.moves\[0\] is a sequence of 1, but should be a sequence of 2"),
    "a move of three numbers": (changed(*CLAIM, "moves", to=[[1, 1, 1]]), at_claim + r"\.moves\[0\] is a sequence of 3, but should be a sequence of 2"),
    "moves that are a number": (changed(*CLAIM, "moves", to=3), at_claim + r"\.moves is 3, but should be a list"),
    "a row that is a list": (changed(*ROW, to=[]), r"\.interior\[0\] is a list of 0, but should be an object: Row"),
    "an unknown state": (changed(*ROW, "outputs", 0, to={"a": 1}), "is an object with the keys 'a', but should be an object with the keys shift, cycle"),
    "a rate over zero": (changed(*CARRY, "rate", to="1/0"), at_motion + r"\.rate is '1/0', but should be a fraction"),
    "a rate of many digits": (changed(*CARRY, "rate", to="1" * 30), at_motion + r"\.rate is '1111.*, but should be a fraction"),
    "a bound in words": (changed(*CARRY, "field", 0, 0, to="low"), at_motion + r"\.field\[0\]\[0\] is 'low', but should be a fraction, inf"),
    "a bound that is a list": (changed(*CARRY, "field", 0, 1, to=[]), at_motion + r"\.field\[0\]\[1\] is a list of 0, but should be a fraction"),
    "a signal that is a list": (changed(*CARRY, "signal", to=[1]), at_motion + r"\.signal is a list of 1, but should be a string"),
    "values in words": (changed("values", to="no"), "certificate.values is 'no', but should be True or False"),
    "too few walks": (changed("derivations", 0, to={"cyclic": []}), r"certificate\.derivations\[0\] is an object of 'cyclic', but should be an object of cyclic, interior"),
    "a walk of another kind": (changed("derivations", 0, "around", to=[]), r"certificate\.derivations\[0\] is an object of 'cyclic', 'interior', 'around', but should be an object of cyclic, interior"),
    "walks in a list": (changed("derivations", 0, to=[[], []]), r"certificate\.derivations\[0\] is a list of 2, but should be an object of cyclic, interior"),
    "claims of one kind": (without(*CLAIM), r"axes\[0\]\.claims is an object of 'cyclic', but should be an object of cyclic, interior"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_certificate_is_refused_by_the_place(name):
    text, message = HOSTILE[name]
    with pytest.raises(ValueError, match=f"from_json: .*{message}"):
        Certificate.from_json(text)


ARRAY = {"dtype": "float32", "shape": [2], "at": [1], "cells": [[1.5]]}
ARRAYS = [
    {"a": 1},
    ARRAY | {"dtype": "object"},
    ARRAY | {"dtype": "letters"},
    ARRAY | {"shape": [2**20, 2**20]},
    ARRAY | {"shape": "two"},
    ARRAY | {"at": [2]},
    ARRAY | {"at": [-1]},
    ARRAY | {"at": ["one"]},
    ARRAY | {"cells": [[1.5, 2]]},
    ARRAY | {"cells": [["low"]]},
    ARRAY | {"cells": []},
    ARRAY | {"cells": [[1.5], [1]]},
    ARRAY | {"cells": [[[1.5]]]},
    ARRAY | {"dtype": "uint8", "cells": [[300]]},
    {"key": "threefry2x32", "data": [1, 2, 3]},
    {"key": "none of these", "data": [1, 2]},
    {"number": "many"},
    {"number": 3},
    ARRAY | {"at": [0, 1]},
    {"dict": {"a": 1}},
    {"dict": [["a"]]},
    {"dict": [[{"tuple": []}, 1]]},
    {"tuple": 1},
    {"structure": "Parameters", "leaves": 2},
]


@pytest.mark.parametrize("data", ARRAYS)
def test_what_is_no_array_is_refused_by_the_place(data):
    document = json.loads(READ["a witness"][0].to_json())
    assert "witness" in document["leaves"][0]["axes"][0]["claims"]["cyclic"]
    document["leaves"][0]["axes"][0]["claims"]["cyclic"]["witness"]["samples"][0]["arguments"] = [data]
    message = r"cyclic\.witness\.samples\[0\]\.arguments\[0\] is a dict of \d, but should be an array or a container of arrays"
    with pytest.raises(ValueError, match=message):
        Certificate.from_json(json.dumps(document))


def test_a_text_is_needed():
    with pytest.raises(TypeError, match=r"from_json: text is bytes, but should be a string of JSON"):
        Certificate.from_json(TEXT.encode())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: replace(c, values="yes"), r"to_json: certificate\.values is 'yes', but should be True or False"),
        (lambda c: replace(c, leaves=list(c.leaves)), r"certificate\.leaves is a list of 1, but should be a tuple"),
        (lambda c: replace(c, leaves=(1,)), r"certificate\.leaves\[0\] is 1, but should be LeafReport"),
        (
            lambda c: with_row(c, "interior", 0, lambda state: "moving"),
            r"outputs\[0\] is 'moving', but should be Moving or ",
        ),
        (
            lambda c: with_row(c, "interior", 0, lambda state: replace(state, shift=0.5)),
            r"shift is 0.5, but should be an integer",
        ),
    ],
)
def test_what_is_no_certificate_is_not_written(change, message):
    with pytest.raises(ValueError, match=message):
        change(READ["regions"][0]).to_json()


def test_whole_numbers_of_numpy_are_written_as_such():
    certificate = with_row(READ["regions"][0], "interior", 0, lambda state: replace(state, shift=np.int64(1)))
    assert Certificate.from_json(certificate.to_json()) == READ["regions"][0]
    certificate = with_row(READ["regions"][0], "interior", 0, lambda state: replace(state, shift=Fraction(1)))
    assert Certificate.from_json(certificate.to_json()) == READ["regions"][0]
