"""Translations to programs of the verified checker: each computes what the function does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.checker_scripts import corpus
from support.pairs_of_rules import FUNCTIONS
from support.pairs_of_rules import X as ROWS
from support.profiles import NIGHTLY
from support.random_programs import random_program
from translation import Program, translate
from translation.execute import execute


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


@pytest.mark.parametrize("name", corpus.RIGHT)
def test_the_corpus_programs_compute_what_their_networks_do(name):
    entry = corpus.RIGHT[name]
    (x,) = draw([entry.x.shape])
    assert agrees(entry.fn, (jnp.asarray(x),), translate(entry.fn, entry.x))


@pytest.mark.parametrize("seed", range(8 if NIGHTLY else 4))
def test_random_programs_are_translated_to_what_they_compute(seed):
    program = random_program(seed)
    assert agrees(program.fn, program.arguments, translate(program.fn, *program.arguments))


@pytest.mark.parametrize("order", [None, (1, 2, 0), (0, 2, 1)])
@pytest.mark.parametrize("shape", [(4, 2, 3), (3, 8), (8, 3), (2, 2, 6)])
def test_a_reshape_is_translated_to_what_it_computes(shape, order):
    fn = lambda x: jax.lax.reshape(x, shape, dimensions=order)
    (x,) = draw([(2, 3, 4)])
    assert agrees(fn, (jnp.asarray(x),), translate(fn, x))


@pytest.mark.slow
def test_translations_compute_what_functions_do():
    """Every function of every family of rules, and two hundred programs."""
    rows = (jnp.asarray(*draw([ROWS.shape])),)
    assert [name for name, fn in FUNCTIONS.items() if not agrees(fn, rows, translate(fn, ROWS))] == []
    programs = [program for program in map(random_program, range(100, 300)) if program.is_translated]
    assert [p for p in programs if not agrees(p.fn, p.arguments, translate(p.fn, *p.arguments))] == []


@pytest.mark.parametrize(
    ("fn", "reason"),
    [
        (lambda x: x + jax.lax.rng_uniform(0.0, 1.0, ()), "rng_uniform is not a function of its operands"),
        (lambda x: jax.pure_callback(np.sin, x, x), "pure_callback is not a function of its operands"),
        (lambda x: x.at[:].apply(jnp.sin), "scatter with update_jaxpr=.* is not understood"),
        (lambda x: jax.lax.map(lambda v: v + jax.lax.rng_uniform(0.0, 1.0, ()), x), "rng_uniform is not a function"),
    ],
)
def test_what_no_instruction_says_is_refused(fn, reason):
    with pytest.raises(ValueError, match=reason):
        translate(fn, jax.ShapeDtypeStruct((3, 4), "float32"))


def test_a_print_is_no_instruction_but_a_row():
    """It has no result; the certificate has a row for it, too."""

    def printing(x):
        jax.debug.print("{}", x.sum())
        return x + 1

    translated = translate(printing, np.zeros((3, 4), np.float32)).as_json()
    *_, printed, added = translated["equations"]
    assert printed["values"] == []
    assert translated["outputs"] == added["values"]
    (x,) = draw([(3, 4)])
    assert agrees(printing, (jnp.asarray(x),), translate(printing, x))


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
