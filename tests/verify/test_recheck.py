"""The independent checker: it has no objection to what is derived, and objects to what is tampered with or misderived."""

from dataclasses import replace
from fractions import Fraction
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from networks import available, network
from programs import random_program

import jaxconv as jc
from jaxconv.verify.checker import cells, recheck, relation, steps
from jaxconv.verify.claims import ReceptiveField, Verdict
from jaxconv.verify.table import RULES
from jaxconv.verify.values import Moving, Pieces, besides

certify = partial(jc.certify, axes=(1,), search=False)

X = jax.ShapeDtypeStruct((1, 12, 2), "float32")
KERNEL = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 2)), jnp.float32)


def conv(x, **settings):
    return jc.conv({"kernel": KERNEL}, x, **settings)


def loss_gradient(fn):
    return jax.grad(lambda x: jnp.sum(jnp.square(fn(x))))


def attention(x):
    scores = jnp.einsum("nac,nbc->nab", x @ KERNEL[0], x @ KERNEL[1])
    return jnp.einsum("nab,nbc->nac", jax.nn.softmax(scores, axis=-1), x)


def filtered(x, keep=4, n=12):
    return jnp.fft.irfft(jnp.fft.rfft(x, axis=1)[:, :keep] * jnp.ones((1, keep, 1), jnp.complex64), n=n, axis=1)


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
    "softmax over channels": lambda x: jax.nn.softmax(x, axis=-1),
    "normalised": lambda x: (x - jnp.mean(x)) / jnp.std(x),
    "sorted": lambda x: jnp.sort(x, 1),
    "sorted by channel": lambda x: jnp.sort(x, 2),
    "cumulative along channels": lambda x: jnp.cumsum(x, 2),
    "windows by indices": lambda x: x[:, np.arange(10)[:, None] + np.arange(3)],
    "nearest, by indices": lambda x: x[:, np.arange(24) // 2],
    "the largest channel": lambda x: jnp.argmax(x, axis=-1),
    "to whole numbers and back": lambda x: x.astype(jnp.int32).astype(jnp.bfloat16) * jnp.bfloat16(3),
    "scan": lambda x: lax.scan(lambda c, k: (jnp.roll(c, 1, 1) * k, c[:, ::2]), x, jnp.arange(3.0)),
    "while": lambda x: lax.while_loop(lambda s: s[1] < 5, lambda s: (jnp.roll(s[0], 1, 1) * 2, s[1] + 1), (x, 0)),
    "while, of unknown length": lambda x: lax.while_loop(lambda u: jnp.sum(u) < 5, lambda u: u * 2, jnp.abs(x)),
    "cond": lambda x: lax.cond(jnp.sum(x) > 0, lambda x: x * 2, lambda x: jnp.roll(x, 1, 1), x),
    "branches": lambda x: lax.switch(jnp.int32(jnp.sum(x)), [jnp.sin, jnp.cos, lambda x: jnp.flip(x, 2)], x),
    "random": lambda x: x * jax.random.normal(jax.random.key(0), (1, 1, 2)),
    "random keys": lambda x: jax.vmap(lambda key: jax.random.uniform(key, (2,)))(
        jax.random.split(jax.random.key(1), 3)
    ),
    "nothing": lambda x: x[:, :0],
    "several outputs": lambda x: {"a": x, "b": jnp.sum(x, 1), "c": (jnp.float32(1), x[0])},
    "gradient": loss_gradient(lambda x: jax.nn.relu(conv(x, padding="SAME"))),
    "gradient of a circular layer": loss_gradient(partial(conv, padding="CIRCULAR")),
    "gradient of two": loss_gradient(lambda x: conv(jax.nn.relu(conv(x, padding="CIRCULAR")), padding="CIRCULAR")),
    "gradient of pooling": loss_gradient(lambda x: jc.max_pool(conv(x, padding="CIRCULAR"), (2,))),
    "gradient of a roll": loss_gradient(lambda x: jnp.roll(x, 3, 1) * x),
    "low frequencies": filtered,
    "low frequencies, fewer cells": lambda x: filtered(x, 3, 4),
    "power of frequencies": lambda x: jnp.abs(jnp.fft.fft(x, axis=1)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_there_is_no_objection_to_what_is_derived(name):
    fn = FUNCTIONS[name]
    certificate = certify(fn, X)
    assert recheck(certificate, fn, X) == ()
    assert recheck(certificate, fn, X, seed=1) == ()


def test_what_is_derived_of_these_functions_is_something():
    """So that the test above says something."""
    proved = [certify(fn, X) for fn in FUNCTIONS.values()]
    assert sum(one.cyclic == Verdict.PROVED for one in proved) > 0.6 * len(proved)
    assert sum(one.interior == Verdict.PROVED for one in proved) > 0.5 * len(proved)


@pytest.mark.parametrize(
    "first", [*range(0, 40, 10), *(pytest.param(n, marks=pytest.mark.slow) for n in range(1000, 1500, 10))]
)
def test_there_is_no_objection_to_random_programs(first):
    for seed in range(first, first + 10):
        program = random_program(seed)
        certificate = jc.certify(program.fn, *program.arguments, axes={0: program.axes}, search=False)
        assert recheck(certificate, program.fn, *program.arguments) == (), program


@pytest.mark.parametrize("name", ["lenet5", "wavenet", "squeeze_excite", "fno_1d", "attention_map", "nnx_cnn"])
def test_there_is_no_objection_to_networks(name):
    if name not in available():
        pytest.skip(f"the library of {name} is not installed")
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
    assert "shifting the scene by 1, cell" in objection


def test_two_arguments_are_shifted_together():
    fn = lambda x, y: conv(x, padding="CIRCULAR") * y
    certificate = jc.certify(fn, X, X, axes={0: (1,), 1: (1,)}, search=False)
    assert certificate.cyclic == Verdict.PROVED
    assert recheck(certificate, fn, X, X) == ()


# Broken twins: the certificate was tampered with


@jax.jit
def relu(x):
    return lax.max(x, 0.0)


def network_of(x):
    """Rows: conv_general_dilated, max, jit, reduce_window_max."""
    return jc.max_pool(relu(conv(x, padding="SAME")), (2,))


def with_row(certificate, kind, number, change, result=0):
    """The certificate with one state of one row changed."""
    walks = list(certificate.derivations[0])
    rows = list(walks[kind])
    outputs = list(rows[number].outputs)
    outputs[result] = change(besides(outputs[result]))
    rows[number] = replace(rows[number], outputs=tuple(outputs))
    walks[kind] = tuple(rows)
    return replace(certificate, derivations=(tuple(walks), *certificate.derivations[1:]))


def with_rows(certificate, change):
    """The certificate with other rows in its interior walk."""
    cyclic, interior = certificate.derivations[0]
    return replace(certificate, derivations=((cyclic, change(interior)),))


def with_claim(certificate, kind, **changes):
    """The certificate with another claim about its first output."""
    (leaf, *others) = certificate.leaves
    report = replace(leaf.axes[0], **{kind: replace(getattr(leaf.axes[0], kind), **changes)})
    return replace(certificate, leaves=(replace(leaf, axes=(report,)), *others))


def carrying(state, **changes):
    """The same state, what it carries changed: by a number, or by a function of what it is."""
    new = lambda carry: {name: to(carry) if callable(to) else to for name, to in changes.items()}
    one = lambda factor: (
        factor if factor.carry is None else replace(factor, carry=replace(factor.carry, **new(factor.carry)))
    )
    return replace(state, axes=tuple(tuple(map(one, axis)) for axis in state.axes))


def number_of(certificate, primitive, kind=1):
    """The number of the first row of a primitive."""
    return next(row.number for row in certificate.derivations[0][kind] if row.primitive == primitive)


STATES = [  # primitive, walk, what is changed, what is objected
    ("conv_general_dilated", 1, lambda s: carrying(s, lo=0), "shifting the scene by 1, cell"),
    ("conv_general_dilated", 1, lambda s: carrying(s, hi=12), "shifting the scene by 1, cell"),
    ("conv_general_dilated", 1, lambda s: carrying(s, first=0), "which lies outside its receptive field"),
    ("conv_general_dilated", 1, lambda s: carrying(s, last=0), "which lies outside its receptive field"),
    ("conv_general_dilated", 1, lambda s: carrying(s, signal="argument 0"), "it is not the signal whose name it bears"),
    ("conv_general_dilated", 1, lambda s: carrying(s, rate=-1), "shifting the scene by 1, cell"),
    ("conv_general_dilated", 1, lambda s: carrying(s, hi=13), "axis 1 has 12 positions, and the region is [1, 13)"),
    ("conv_general_dilated", 0, lambda s: carrying(s, lo=0, hi=12), "shifting the scene by 1, cell"),
    ("reduce_window_max", 1, lambda s: carrying(s, lo=0), "shifting the scene by 2, cell"),
    ("reduce_window_max", 1, lambda s: replace(s, shift=1), "axis 1 would move by 1/2 cells"),
    ("reduce_window_max", 1, lambda s: replace(carrying(s, rate=Fraction(1)), shift=1), "shifting the scene by 1, cell"),
    ("reduce_window_max", 1, lambda s: replace(s, axes=s.axes[:2]), "a state of (1, 6), shift 2 and cycle None cannot be"),
    ("reduce_window_max", 1, lambda s: "moving", "str is a kind of state that this checker does not know"),
    ("jit", 1, lambda s: carrying(s, lo=0), "shifting the scene by 1, cell"),
]  # fmt: skip


@pytest.mark.parametrize(("primitive", "kind", "change", "words"), STATES)
def test_a_state_that_does_not_follow_is_objected_to(primitive, kind, change, words):
    certificate = certify(network_of, X)
    number = number_of(certificate, primitive, kind)
    (objection, *_) = recheck(with_row(certificate, kind, number, change), network_of, X)
    walk = ("cyclic", "interior")[kind]
    assert objection.startswith(f"{walk} walk for shifts of ((0, 1),), row {number} ({primitive}): ")
    assert words in objection


def test_an_invariance_that_is_none_is_objected_to():
    fn = lambda x: jnp.sum(jnp.square(x), 1)
    certificate = certify(fn, X)
    last = len(certificate.derivations[0][0]) - 1
    (objection,) = recheck(with_row(certificate, 0, last, lambda s: replace(s, depends=False)), fn, X)
    assert f"row {last} (reduce_sum): changing cell" in objection
    (objection,) = recheck(
        with_row(certificate, 1, last, lambda s: certificate.derivations[0][0][last].outputs[0]), fn, X
    )
    assert (
        f"row {last} (reduce_sum): a state of (1, 2), shift 1 and cycle 12 cannot be that of (1, 2) here" in objection
    )
    still = replace(certificate.derivations[0][0][last].outputs[0], cycle=None)
    (objection,) = recheck(with_row(certificate, 1, last, lambda s: still), fn, X)
    assert f"row {last} (reduce_sum): shifting the scene by 1, cell" in objection


ROWS = [
    (lambda rows: rows[1:], "row 0: the function has conv_general_dilated here, and the derivation max"),
    (lambda rows: rows[:-1], "row 3: the function has reduce_window_max here, and the derivation ends"),
    (lambda rows: rows + rows[-1:], "row 4: the function has no equation for it"),
    (
        lambda rows: (rows[1], rows[0], *rows[2:]),
        "row 0: the function has conv_general_dilated here, and the derivation",
    ),
    (lambda rows: (replace(rows[0], number=7), *rows[1:]), "row 0 (conv_general_dilated): its number, depth or number"),
    (
        lambda rows: (rows[0], replace(rows[1], depth=0), *rows[2:]),
        "row 1 (max): its number, depth or number of results",
    ),
    (
        lambda rows: (replace(rows[0], outputs=()), *rows[1:]),
        "row 0 (conv_general_dilated): its number, depth or number",
    ),
]


@pytest.mark.parametrize(("change", "words"), ROWS)
def test_rows_that_do_not_follow_the_function_are_objected_to(change, words):
    certificate = certify(network_of, X)
    (objection,) = recheck(with_rows(certificate, change), network_of, X)
    assert objection.startswith(f"interior walk for shifts of ((0, 1),), {words}")


CLAIMS = [
    ("interior", {"region": ((1, 0, 6),)}, "its region along axis 1 is [0, 6), and the output's state's [1, 5)"),
    ("interior", {"region": ()}, "its region along axis 1 is [0, 6), and the output's state's [1, 5)"),
    ("interior", {"shift": 1}, "it is of shifts by 1, and the output's state of shifts by 2"),
    ("interior", {"shift": 4}, "it moves by ((1, 1),), and the output's state by ((1, 2),)"),
    ("interior", {"moves": ()}, "it moves by (), and the output's state by ((1, 1),)"),
    ("interior", {"moves": ((2, 1),)}, "it moves by ((2, 1),), and the output's state by ((1, 1),)"),
    ("interior", {"receptive_field": ReceptiveField(Fraction(2), Fraction(0), Fraction(2))}, "its receptive field is"),
    ("interior", {"receptive_field": ReceptiveField(Fraction(2), Fraction(-1), Fraction(1))}, "its receptive field is"),
    ("interior", {"receptive_field": ReceptiveField(Fraction(1), Fraction(-1), Fraction(2))}, "none of that rate"),
    ("cyclic", {"verdict": Verdict.PROVED, "shift": 2, "moves": ((1, 1),)}, "its region along axis 1 is [0, 6), and"),
    ("cyclic", {"verdict": Verdict.PROVED, "shift": None}, "it is of shifts by None"),
]


@pytest.mark.parametrize(("kind", "changes", "words"), CLAIMS)
def test_a_claim_that_says_more_than_the_last_state_is_objected_to(kind, changes, words):
    certificate = with_claim(certify(network_of, X), kind, **changes)
    (objection,) = recheck(certificate, network_of, X)
    assert objection.startswith(f"{kind} walk for shifts of ((0, 1),), claim about output 0: ")
    assert words in objection


def test_a_claim_that_says_less_is_not():
    certificate = certify(network_of, X)
    wide = ReceptiveField(Fraction(2), Fraction(-3), Fraction(4))
    assert recheck(with_claim(certificate, "interior", region=((1, 2, 5),), receptive_field=wide), network_of, X) == ()
    assert recheck(with_claim(certificate, "interior", shift=4, moves=((1, 2),)), network_of, X) == ()
    assert recheck(with_claim(certificate, "interior", receptive_field=None), network_of, X) == ()


def test_a_cyclic_field_may_be_named_a_turn_further():
    fn = partial(conv, padding="CIRCULAR")
    certificate = certify(fn, X)
    turned = ReceptiveField(Fraction(1), Fraction(11), Fraction(13))
    assert recheck(with_claim(certificate, "cyclic", receptive_field=turned), fn, X) == ()
    narrow = ReceptiveField(Fraction(1), Fraction(11), Fraction(12))
    (objection,) = recheck(with_claim(certificate, "cyclic", receptive_field=narrow), fn, X)
    assert "and the output's state's is from -1 to 1" in objection


def test_claims_about_broken_values_or_longer_signals_are_objected_to():
    fn = lambda x: jnp.cumsum(x, 1)
    proved = {"verdict": Verdict.PROVED, "shift": 1, "moves": ((1, 1),)}
    (objection,) = recheck(with_claim(certify(fn, X), "cyclic", **proved), fn, X)
    assert objection.endswith("claim about output 0: the output's state is Broken")
    fn = lambda x: jnp.pad(x, ((0, 0), (2, 0), (0, 0)), mode="wrap")
    (objection,) = recheck(with_claim(certify(fn, X), "cyclic", **proved), fn, X)
    assert objection.endswith("claim about output 0: axis 1 has 14 positions, of a signal that repeats after 12")


def test_a_certificate_of_another_function_is_objected_to():
    certificate = certify(network_of, X)
    (objection,) = recheck(certificate, lambda x: (x, x), X)
    assert objection.startswith("it is of outputs [(1, 6, 2)] and [1] axes, with 1 derivations; here the outputs are")
    objections = recheck(certificate, lambda x: jc.avg_pool(relu(conv(x, padding="SAME")), (2,)), X)
    assert all(
        "the function has reduce_window_sum here, and the derivation reduce_window_max" in one for one in objections
    )
    assert len(objections) == 2
    (objection,) = recheck(replace(certificate, derivations=()), network_of, X)
    assert "with 0 derivations" in objection


# Broken twins: a rule is false


def a_region_too_large(eqn, found):
    return [carrying(state, lo=0) for state in found]


def all_of_it(eqn, found):
    return [carrying(found[0], lo=0, hi=eqn.shapes[0][1])]


def a_narrow_field(eqn, found):
    return [carrying(state, first=lambda carry: carry.first + 1) for state in found]


def forgets_where_it_starts(eqn, found):
    return [carrying(besides(state), start=0) for state in found]


def as_the_operand(eqn, found=None):
    return [besides(eqn.inputs[0])]


def moves_no_more(eqn, found=None):
    value = besides(eqn.inputs[0])
    return [
        replace(value, axes=tuple(a for n, a in enumerate(value.axes) if n not in eqn.params["axes"]), depends=True)
    ]


def under_one_name(eqn, found):
    return [carrying(state, signal="the one name") for state in found]


def at_any_stride(eqn, found):
    return [replace(carrying(found[0], rate=Fraction(1)), shift=1)]


def not_reversed(eqn, found):
    return [carrying(found[0], rate=lambda carry: -carry.rate)]


def uniform(eqn, found):
    state = found[0]
    return [replace(state, axes=tuple(axis if any(f.carry for f in axis) else
            tuple(replace(f, period=1) for f in axis) for axis in state.axes))]  # fmt: skip


def all_modes_in_place(eqn, found):
    return [replace(found[0], modes=tuple(range(len(found[0].modes))))]


def wrongly_folded(eqn, found):
    """Pieces put elsewhere than they are."""
    (one,) = found
    return [replace(one, spans=tuple((lo, hi, at + 1) for lo, hi, at in one.spans if at + hi - lo < 12)) if
            isinstance(one, Pieces) and any(a + hi - lo < 12 for lo, hi, a in one.spans) else one]  # fmt: skip


PLANTED = [  # primitive, its false rule, a function, the walk in which it shows, what is objected
    ("conv_general_dilated", a_region_too_large, partial(conv, padding="SAME"), "interior", "shifting the scene by 1"),
    ("conv_general_dilated", a_narrow_field, partial(conv, padding="SAME"), "interior", "outside its receptive field"),
    ("conv_general_dilated", at_any_stride, partial(conv, stride=2), "interior", "shifting the scene by 1"),
    ("pad", all_of_it, lambda x: jnp.pad(x, ((0, 0), (1, 1), (0, 0))), "interior", "shifting the scene by 1"),
    ("slice", forgets_where_it_starts, lambda x: x[:, 3:] + x[:, :-3], "cyclic", "it is not the signal whose name it bears"),
    ("slice", forgets_where_it_starts, lambda x: jnp.roll(x, 3, 1), "cyclic", "it is not the signal whose name it bears"),
    ("reduce_sum", moves_no_more, lambda x: jnp.sum(x[:, :6], 1), "cyclic", "shifting the scene by 1"),
    ("reduce_sum", moves_no_more, lambda x: jnp.sum(x, 1), "interior", "shifting the scene by 1"),
    ("sort", as_the_operand, lambda x: jnp.sort(x, 1), "cyclic", "shifting the scene by 1"),
    ("sort", as_the_operand, lambda x: jnp.sort(x, 2), "cyclic", "it is not the signal whose name it bears"),
    ("cumsum", as_the_operand, lambda x: jnp.cumsum(x, 1), "cyclic", "shifting the scene by 1"),
    ("rev", not_reversed, lambda x: x[:, ::-1], "interior", "shifting the scene by 1"),
    ("tanh", uniform, jnp.tanh, "interior", "shifting the scene by 1"),
    ("sin", under_one_name, lambda x: jnp.concatenate([jnp.sin(x)[:, 1:], jnp.sin(-x)[:, :1]], 1), "cyclic",
     "it is not the signal whose name it bears"),
    ("top_k", under_one_name, lambda x: lax.top_k(x, 2), "cyclic", "it is not the signal whose name it bears"),
    ("fft of spectra", lambda eqn, found: [carrying(found[0], rate=-1)], filtered, "cyclic", "shifting the scene by 1"),
    ("rev of spectra", all_modes_in_place, lambda x: jnp.fft.ifft(jnp.fft.fft(x, axis=1)[:, ::-1], axis=1), "cyclic",
     "shifting the scene by"),
    ("pad of pieces", wrongly_folded, loss_gradient(partial(conv, padding="CIRCULAR")), "cyclic", "shifting the scene by 1, cell"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "wrong", "fn", "walk", "words"), PLANTED)
def test_a_false_rule_is_found_out(monkeypatch, name, wrong, fn, walk, words):
    right = RULES[name]

    def planted(eqn):
        return wrong(eqn) if wrong.__defaults__ else wrong(eqn, right(eqn))

    monkeypatch.setitem(RULES, name, planted)
    certificate = certify(fn, X)
    monkeypatch.undo()
    primitive = name.split()[0]
    objections = [one for one in recheck(certificate, fn, X) if one.startswith(walk) and f" ({primitive}): " in one]
    assert objections
    assert words in objections[0]
    assert recheck(certify(fn, X), fn, X) == ()


def test_concatenating_two_signals_as_one_is_found_out(monkeypatch):
    """The signals are told apart even where only the join confuses them."""
    fn = lambda x: jnp.concatenate([jnp.sin(x)[:, 1:], jnp.cos(x)[:, :1]], 1)
    join = RULES["concatenate"]

    def any_two(eqn):
        return join(replace(eqn, inputs=[carrying(besides(state), signal="any") for state in eqn.inputs]))

    monkeypatch.setitem(RULES, "concatenate", any_two)
    certificate = certify(fn, X)
    assert certificate.cyclic == Verdict.PROVED
    (objection,) = [one for one in recheck(certificate, fn, X) if "cyclic" in one]
    assert "(concatenate): shifting the scene by 1, cell" in objection


def test_a_loop_that_calls_its_result_by_an_old_name_is_found_out(monkeypatch):
    fn = lambda x: lax.while_loop(lambda u: jnp.sum(u) < 5, lambda u: u * 2, jnp.abs(x))
    right = RULES["while"]
    monkeypatch.setitem(RULES, "while", lambda eqn: [carrying(state, signal="argument 0") for state in right(eqn)])
    certificate = certify(fn, X)
    assert certificate.cyclic == Verdict.PROVED
    assert any("(while): it bears a name that is not new" in one for one in recheck(certificate, fn, X))


# What cannot be executed is said to be so


def test_what_is_too_large_is_not_passed_over(monkeypatch):
    fn = partial(conv, padding="CIRCULAR")
    certificate = certify(fn, X)
    monkeypatch.setattr(steps, "LARGEST", 40)
    objections = recheck(certificate, fn, X)
    assert objections
    assert all("too large, certify the function at a smaller shape" in one for one in objections)


def test_what_cannot_be_run_is_not_passed_over():
    def fails(x):
        raise ValueError("no")

    fn = lambda x: jax.pure_callback(fails, jax.ShapeDtypeStruct((2,), jnp.float32), jnp.sum(x, (0, 1)))
    certificate = certify(fn, X)
    objections = [one for one in recheck(certificate, fn, X) if "(pure_callback)" in one]
    assert all("it could not be executed" in one for one in objections)
    assert objections


def test_a_loop_within_a_loop_is_not_passed_over():
    inner = lambda u: lax.while_loop(lambda u: jnp.sum(u) < 5, lambda u: u * 2, u)
    fn = lambda x: lax.scan(lambda c, _: (inner(c), None), x, None, length=2)[0]
    certificate = certify(fn, X)
    (objection,) = recheck(certificate, fn, X)
    assert "(scan): it could not be executed: RuntimeError('a loop of unknown length')" in objection


def test_a_loop_whose_rounds_depend_on_the_shift_is_objected_to():
    fn = lambda x: lax.while_loop(lambda s: s[0, 0, 0] < 5, lambda s: s + 1, x)
    certificate = certify(fn, X)
    number = number_of(certificate, "while", 0)
    moves = Moving(1, 12, certify(jnp.sin, X).derivations[0][0][0].outputs[0].axes, depends=True)
    (objection,) = recheck(with_row(certificate, 0, number, lambda state: moves), fn, X)
    assert f"row {number} (while): whether it goes on: shifting the scene by 1, cell []" in objection


# Its parts


def test_numbers_are_alike_but_for_rounding():
    one = np.float32([1, 3, np.nan, np.inf, 0])
    with np.errstate(invalid="ignore"):
        assert cells.alike(one, one * np.float32(1 + 1e-7)).all()
        assert cells.alike(one, np.float32([1.001, -3, 0, -np.inf, 1e-7])).tolist() == [False] * 4 + [True]
    assert not cells.alike(np.int32([100_000_000]), np.int32([100_000_001])).any()
    assert cells.alike(np.complex64([1j]), np.complex64([1j + 1e-7])).all()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "bfloat16", "float16", "float32", "complex64"])
def test_draws_are_of_the_dtype_and_of_many_values(dtype):
    aval = jax.ShapeDtypeStruct((40,), dtype)
    for draw in (0, 1):
        found = cells.numbers(np.arange(40, dtype=np.uint64), aval, draw)
        assert found.dtype == aval.dtype
        assert len(np.unique(found)) >= (2 if dtype == "bool" else 5)


def test_a_field_around_the_circle_is_seen():
    state = Moving(1, 12, ())
    carry = relation.Carry(Fraction(1, 2), 0, 24, Fraction(-1), Fraction(1, 2), "signal")
    assert np.flatnonzero(relation.sees(state, carry, 24, 0)).tolist() == [0, 1, 2, 23]
    assert np.flatnonzero(relation.sees(replace(state, cycle=None), carry, 24, 0)).tolist() == [0, 1, 2]
