"""The independent checker: it accepts derived certificates and objects to forged ones.

Here, forged rows do not follow the function, and forged claims state more than the last state. `test_relation.py` tests
forged states.
"""

import io
import re
from dataclasses import replace
from fractions import Fraction
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.certificates_to_recheck import (
    KERNEL,
    X,
    certify,
    conv,
    filtered,
    loss_gradient,
    network_of,
    relu,
    with_claim,
)
from support.networks import each_network, network
from support.profiles import NIGHTLY
from support.random_programs import random_program

import jaxconv as jc
from jaxconv.verify.claims import ReceptiveField, Verdict
from jaxconv.verify.recheck import recheck


def attention(x):
    scores = jnp.einsum("nac,nbc->nab", x @ KERNEL[0], x @ KERNEL[1])
    return jnp.einsum("nab,nbc->nac", jax.nn.softmax(scores, axis=-1), x)


def constant_beside(identity, x):
    """The sum of x and of zeros, which are rolled."""
    zeros, same = identity((jnp.zeros_like(x), x))
    return same + jnp.concatenate([zeros[:, 1:], zeros[:, :1]], axis=1)


FUNCTIONS = {
    "circular": partial(conv, padding="CIRCULAR"),
    "zeros": partial(conv, padding="SAME"),
    "valid, strided": partial(conv, stride=2),
    "circular, strided": partial(conv, padding="CIRCULAR", stride=2),
    "dilated": partial(conv, padding="CIRCULAR", dilation=2),
    "max pooling": lambda x: jc.max_pool(x, (2,)),
    "average pooling": lambda x: jc.avg_pool(x, (3,), stride=1, padding="SAME", divisor="inside"),
    "roll": lambda x: jnp.roll(x, 5, 1),
    "wrap pad, one too small": lambda x: conv(jnp.pad(x, ((0, 0), (1, 0), (0, 0)), mode="wrap")),
    "edge pad": lambda x: conv(jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="edge")),
    "reversed": lambda x: conv(x[:, ::-1], padding="CIRCULAR"),
    "patches": lambda x: jnp.max(jnp.reshape(x, (1, 4, 3, 2)), 2),
    "up-sampling": lambda x: conv(jnp.repeat(x, 3, 1), padding="CIRCULAR"),
    "sub-pixels": lambda x: jnp.reshape(x @ jnp.ones((2, 6)), (1, 36, 2)),
    "every other cell": lambda x: x[:, 1::2] - jnp.roll(x, 1, 1)[:, ::2],
    "a checkerboard": lambda x: x * jnp.asarray(np.tile([[1], [-1]], (6, 1))[None], jnp.float32),
    "attention": attention,
    "a diagonal of scores": lambda x: jnp.diagonal(x[0] @ x[0].T, 1),
    "the whole diagonal of scores": lambda x: jnp.trace(x[0] @ jnp.roll(x[0], 1, 0).T) + jnp.diagonal(x[0] @ x[0].T),
    "softmax over channels": lambda x: jax.nn.softmax(x, axis=-1),
    "normalised": lambda x: (x - jnp.mean(x)) / jnp.std(x),
    "sorted": lambda x: jnp.sort(x, 1),
    "sorted by channel": lambda x: jnp.sort(x, 2),
    "sorted by two keys, with a payload": lambda x: lax.sort((x, x * x, -x), dimension=1, num_keys=2),
    "singular values": lambda x: jnp.linalg.svd(x, compute_uv=False),
    "a reshape of the transposed": lambda x: lax.reshape(x, (1, 2, 6, 2), (0, 2, 1)),
    "cumulative along channels": lambda x: jnp.cumsum(x, 2),
    "windows by indices": lambda x: x[:, np.arange(10)[:, None] + np.arange(3)],
    "nearest, by indices": lambda x: x[:, np.arange(24) // 2],
    "the largest channel": lambda x: jnp.argmax(x, axis=-1),
    "to whole numbers and back": lambda x: x.astype(jnp.int32).astype(jnp.bfloat16) * jnp.bfloat16(3),
    "scan": lambda x: lax.scan(lambda c, k: (jnp.roll(c, 1, 1) * k, c[:, ::2]), x, jnp.arange(3.0)),
    "while": lambda x: lax.while_loop(lambda s: s[1] < 5, lambda s: (jnp.roll(s[0], 1, 1) * 2, s[1] + 1), (x, 0)),
    "while, of unknown length": lambda x: lax.while_loop(lambda u: jnp.sum(u) < 5, lambda u: u * 2, jnp.abs(x)),
    "cells written by a loop": lambda x: lax.fori_loop(0, 12, lambda i, y: y.at[:, i].set(x[:, 11 - i]), 0 * x),
    "a sum by a scan": lambda x: lax.scan(lambda c, v: (c + v, v * 2), jnp.zeros(2), x[0]),
    "a maximum by a loop": lambda x: lax.fori_loop(0, 12, lambda i, m: jnp.maximum(m, x[0, i]), jnp.zeros(2)),
    "a loop with a counter": lambda x: lax.fori_loop(
        0, 3, lambda i, y: lax.dynamic_slice_in_dim(x, i, 9, 1) + 2 * y, 0 * x[:, :9]
    ),
    "cond": lambda x: lax.cond(jnp.sum(x) > 0, lambda x: x * 2, lambda x: jnp.roll(x, 1, 1), x),
    "branches": lambda x: lax.switch(jnp.int32(jnp.sum(x)), [jnp.sin, jnp.cos, lambda x: jnp.flip(x, 2)], x),
    "random": lambda x: x * jax.random.normal(jax.random.key(0), (1, 1, 2)),
    "random keys": lambda x: jax.vmap(lambda key: jax.random.uniform(key, (2,)))(
        jax.random.split(jax.random.key(1), 3)
    ),
    "nothing": lambda x: x[:, :0],
    "a constant beside the signal": lambda x: constant_beside(jax.device_put, x),
    "a constant beside the signal, behind a barrier": lambda x: constant_beside(lax.optimization_barrier, x),
    "a constant beside the signal, from a call": lambda x: constant_beside(jax.jit(lambda pair: pair), x),
    "a linear solver": lambda x: jax.scipy.sparse.linalg.bicgstab(lambda v: 4 * v - jnp.roll(v, 1, 1), x, maxiter=1)[0],
    "systems": lambda x: jnp.linalg.solve(KERNEL[:1] + 9 * jnp.eye(2)[None], x.mT).mT,
    "several outputs": lambda x: {"a": x, "b": jnp.sum(x, 1), "c": (jnp.float32(1), x[0])},
    "gradient": loss_gradient(lambda x: jax.nn.relu(conv(x, padding="SAME"))),
    "gradient of a circular layer": loss_gradient(partial(conv, padding="CIRCULAR")),
    "gradient of two": loss_gradient(lambda x: conv(jax.nn.relu(conv(x, padding="CIRCULAR")), padding="CIRCULAR")),
    "gradient of pooling": loss_gradient(lambda x: jc.max_pool(conv(x, padding="CIRCULAR"), (2,))),
    "folded by a write": lambda x: (full := conv(x, padding=[(2, 2)]))[:, :12].at[:, :2].add(full[:, 12:]),
    "gradient of a roll": loss_gradient(lambda x: jnp.roll(x, 3, 1) * x),
    "low frequencies": filtered,
    "low frequencies, fewer cells": lambda x: filtered(x, 3, 4),
    "power of frequencies": lambda x: jnp.abs(jnp.fft.fft(x, axis=1)),
}
COMPILED = ["attention", "gradient of pooling", "scan", "while", "cond", "random keys"]


@cache
def certificate_of(name):
    return certify(FUNCTIONS[name], X)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_there_is_no_objection_to_what_is_derived(name, executes_by_numpy):
    """The nightly profile also uses other operands."""
    for seed in range(4 if NIGHTLY else 1):
        assert recheck(certificate_of(name), FUNCTIONS[name], X, seed=seed) == ()


@pytest.mark.parametrize("name", FUNCTIONS if NIGHTLY else COMPILED)
def test_there_is_no_objection_by_xla(name):
    """These functions have equations that the other tests of this folder do not compile."""
    assert recheck(certificate_of(name), FUNCTIONS[name], X) == ()


def test_what_is_derived_of_these_functions_is_something():
    """Most certificates contain proofs, so that the test above is not vacuous."""
    certificates = list(map(certificate_of, FUNCTIONS))
    assert sum(certificate.cyclic == Verdict.PROVED for certificate in certificates) > 0.6 * len(certificates)
    assert sum(certificate.interior == Verdict.PROVED for certificate in certificates) > 0.5 * len(certificates)


def test_there_is_no_objection_to_frequencies_in_more_digits():
    """A spectrum of single precision, cast to double precision, has the error of single precision."""
    with jax.enable_x64(True):
        x = jax.ShapeDtypeStruct((1, 12, 2), "float32")
        fn = lambda x: jnp.fft.rfft(x, axis=1).astype(jnp.complex128)
        certificate = jc.certify(fn, x, axes=(1,), search=False)
        for seed in range(3):
            assert recheck(certificate, fn, x, seed=seed) == ()


@pytest.mark.parametrize(
    "first", [*range(0, 40, 10), *(pytest.param(n, marks=pytest.mark.slow) for n in range(1000, 1500, 10))]
)
def test_there_is_no_objection_to_random_programs(first, executes_by_numpy):
    for seed in range(first, first + 10):
        program = random_program(seed)
        certificate = jc.certify(program.fn, *program.arguments, axes={0: program.axes}, search=False)
        assert recheck(certificate, program.fn, *program.arguments) == (), program


@each_network("lenet5", "wavenet", "squeeze_excite", "fno_1d", "attention_map", "nnx_cnn")
def test_there_is_no_objection_to_networks(name, executes_by_numpy):
    net = network(name)
    certificate = jc.certify(net.fn, *net.arguments, axes={len(net.arguments) - 1: net.axes}, search=False)
    assert recheck(certificate, net.fn, *net.arguments) == ()


def test_parameters_are_drawn_unless_the_certificate_is_about_their_numbers():
    bias, x = jnp.ones((12, 1)), jnp.ones((1, 12, 2))
    fn = lambda bias, x: x + bias[None]
    certificate = jc.certify(fn, bias, x, axes={1: (1,)}, search=False, values=True)
    assert certificate.cyclic == Verdict.PROVED
    assert recheck(certificate, fn, bias, x) == ()
    (objection, *_) = recheck(replace(certificate, values=False), fn, bias, x)
    assert "shifting the input by 1, cell" in objection


def test_two_arguments_are_shifted_together():
    fn = lambda x, y: conv(x, padding="CIRCULAR") * y
    certificate = jc.certify(fn, X, X, axes={0: (1,), 1: (1,)}, search=False)
    assert certificate.cyclic == Verdict.PROVED
    assert recheck(certificate, fn, X, X) == ()


# Broken twins: forged certificates


def with_rows(certificate, change):
    """Return the certificate with other rows in its interior walk."""
    walks = certificate.derivations[0]
    return replace(certificate, derivations=(walks | {"interior": change(walks["interior"])},))


def claiming(certificate, kind, **changes):
    """Return the certificate with another claim about its first output."""
    (leaf, *others) = certificate.leaves
    report = with_claim(leaf.axes[0], kind, replace(leaf.axes[0].claims[kind], **changes))
    return replace(certificate, leaves=(replace(leaf, axes=(report,)), *others))


ROWS = [
    (lambda rows: rows[1:], "row 0: the function has jaxconv_conv here, but the derivation has max"),
    (lambda rows: rows[:-1], "row 3: the function has jaxconv_max_pool here, but the derivation ends"),
    (lambda rows: rows + rows[-1:], "row 4: the function has no equation for this row"),
    (
        lambda rows: (rows[1], rows[0], *rows[2:]),
        "row 0: the function has jaxconv_conv here, but the derivation has",
    ),
    (lambda rows: (replace(rows[0], number=7), *rows[1:]), "row 0 (jaxconv_conv): its number, path or number"),
    (
        lambda rows: (rows[0], replace(rows[1], path=rows[1].path[-1:]), *rows[2:]),
        "row 1 (max): its number, path or number of results",
    ),
    (
        lambda rows: (replace(rows[0], outputs=()), *rows[1:]),
        "row 0 (jaxconv_conv): its number, path or number",
    ),
]


@pytest.mark.parametrize(("change", "words"), ROWS)
def test_rows_that_do_not_follow_the_function_are_objected_to(change, words):
    certificate = certify(network_of, X)
    (objection,) = recheck(with_rows(certificate, change), network_of, X)
    assert objection.startswith(f"interior walk for shifts of ((0, 1),), {words}")


PROVED = {"verdict": Verdict.PROVED, "culprit": None}
CLAIMS = [
    ("interior", {"region": ((1, 0, 6),)}, "the claimed region is ((1, 0, 6),), but the state has ((1, 1, 5),)"),
    ("interior", {"region": ()}, "the claimed region is (), but the state has ((1, 1, 5),)"),
    ("interior", {"region": ((1, 1, 5),) * 2}, "the claimed region is ((1, 1, 5), (1, 1, 5)), but the state has"),
    ("interior", {"region": ((1, 2, 5),)}, "the claimed region is ((1, 2, 5),), but the state has"),
    ("interior", {"shift": 1}, "the claim is for shifts by 1, but the output's state for shifts by 2"),
    (
        "interior",
        {"shift": 4, "moves": ((1, 2),)},
        "the claim is for shifts by 4, but the output's state for shifts by 2",
    ),
    ("interior", {"moves": ()}, "the claimed moves are (), but the output's state moves by ((1, 1),)"),
    ("interior", {"moves": ((2, 1),)}, "the claimed moves are ((2, 1),), but the output's state moves by ((1, 1),)"),
    ("interior", {"receptive_field": ReceptiveField(Fraction(2), 1, ((0, 2),))}, "the claimed receptive field is"),
    ("interior", {"receptive_field": ReceptiveField(Fraction(2), 1, ((-1, 1),))}, "the claimed receptive field is"),
    ("interior", {"receptive_field": ReceptiveField(Fraction(1), 1, ((-1, 2),))}, "at rate 2"),
    ("interior", {"receptive_field": ReceptiveField(Fraction(2), 1, ((-3, 4),))}, "the claimed receptive field is"),
    ("interior", {"receptive_field": None}, "the claim has no receptive field, but the output's state has -1 to 2"),
    ("interior", {"standing": 1}, "the claim is PROVED, but has a culprit, a witness or an unrefuted shift"),
    ("interior", {"verdict": Verdict.UNDECIDED}, "the claim is UNDECIDED, but states how the output moves"),
    (
        "cyclic",
        PROVED | {"shift": 2, "moves": ((1, 1),)},
        "output axis 1 contains the signal only on [1, 5) of 6 positions",
    ),
    ("cyclic", PROVED, "the claim is for shifts by None"),
    ("cyclic", {"verdict": Verdict.PROVED}, "the claim is PROVED, but has a culprit"),
    ("cyclic", {"verdict": Verdict.REFUTED}, "the claim is REFUTED, but has no witness"),
    ("cyclic", {"standing": 3}, "the smallest unrefuted shift is 4, but the claim names 3"),
    ("cyclic", {"culprit": None}, "the claim names no culprit"),
]


@pytest.mark.parametrize(("kind", "changes", "words"), CLAIMS)
def test_a_claim_that_says_something_else_than_the_last_state_is_objected_to(kind, changes, words, unexecuted):
    certificate = claiming(certify(network_of, X), kind, **changes)
    (objection,) = recheck(certificate, network_of, X)
    assert objection.startswith(f"{kind} walk for shifts of ((0, 1),), claim about output 0: ")
    assert words in objection


def test_a_cyclic_field_may_be_named_a_turn_further(unexecuted):
    fn = partial(conv, padding="CIRCULAR")
    certificate = certify(fn, X)
    turned = ReceptiveField(Fraction(1), 1, ((11, 13),))
    assert recheck(claiming(certificate, "cyclic", receptive_field=turned), fn, X) == ()
    narrow = ReceptiveField(Fraction(1), 1, ((11, 12),))
    (objection,) = recheck(claiming(certificate, "cyclic", receptive_field=narrow), fn, X)
    assert "but the output's state has -1 to 1" in objection


def test_claims_about_broken_values_or_longer_signals_are_objected_to():
    fn = lambda x: jnp.cumsum(x, 1)
    proved = PROVED | {"shift": 1, "moves": ((1, 1),)}
    (objection,) = recheck(claiming(certify(fn, X), "cyclic", **proved), fn, X)
    assert objection.endswith("claim about output 0: the claim is PROVED, but the output's state is Broken")
    fn = lambda x: jnp.pad(x, ((0, 0), (2, 0), (0, 0)), mode="wrap")
    (objection,) = recheck(claiming(certify(fn, X), "cyclic", **proved), fn, X)
    assert objection.endswith("claim about output 0: axis 1 has 14 positions, but its signal repeats after 12")


def test_a_certificate_of_another_function_is_objected_to():
    certificate = certify(network_of, X)
    (objection,) = recheck(certificate, lambda x: (x, x), X)
    assert objection.startswith(
        "the certificate has outputs [(1, 6, 2)], [1] axes and 1 derivations, but the function has"
    )
    objections = recheck(certificate, lambda x: jc.avg_pool(relu(conv(x, padding="SAME")), (2,)), X)
    astray = [
        objection
        for objection in objections
        if "the function has jaxconv_sum_pool here, but the derivation has" in objection
    ]
    assert len(astray) == 2
    assert objections[0] == astray[0]
    (objection,) = recheck(replace(certificate, derivations=()), network_of, X)
    assert "and 0 derivations" in objection


class Terminal(io.StringIO):
    """A stderr that is a terminal or not."""

    def __init__(self, terminal):
        super().__init__()
        self.isatty = lambda: terminal


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("tiles", [True, False])
def test_progress_is_shown_on_stderr_only_where_it_is_asked_for(terminal, tiles, monkeypatch, capfd):
    """Every row is counted: also the rows of loop bodies and of calls."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    fn = lambda x: jax.lax.fori_loop(0, 3, lambda _, x: jax.nn.relu(x) + 1, x)
    x = jax.ShapeDtypeStruct((12,), "float32")
    if tiles:
        certificate = jc.certify_tiling(jax.nn.relu, x, tile=6, axes=(0,))
        fn = jax.nn.relu
    else:
        certificate = jc.certify(fn, x, axes=(0,), search=False)
    stream = Terminal(terminal)
    monkeypatch.setattr("sys.stderr", stream)
    assert jc.recheck(certificate, fn, x) == ()
    assert stream.getvalue() == ""
    assert jc.recheck(certificate, fn, x, progress=True) == ()
    assert re.search(r"recheck: .*?(\d+) of \1 rows\n$", stream.getvalue())
    assert capfd.readouterr().out == ""
