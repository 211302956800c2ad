"""Functions with one marked line that breaks equivariance: the culprit of each claim is this line.

Before the notes of `losses.py`, 50 of 59 functions had the right culprit. Now 57 have. `MISSES` are the others.
"""

from functools import partial
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import pytest
from support.networks.arguments import lenient
from support.planted import PLANTED, marked_line

import jaxconv as jc
from jaxconv.verify.claims import Verdict

certify = partial(jc.certify, search=False)
MISSES = {
    "modes rolled": "the inverse transform, at which the modes turn out to be in a wrong order",
    "energy with weights": "the line before, in whose derivative the weights are multiplied with a value that moves",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.peers if row.needs != "jax" else ()) for name, row in PLANTED.items()]
)
def test_the_culprit_is_the_marked_line(name):
    """A function of `MISSES` that is named rightly fails too, so that the list stays true."""
    row = PLANTED[name]
    if row.needs != "jax":
        pytest.importorskip(row.needs)
    file, line = marked_line(name)
    (leaf,) = certify(lenient(row.fn), row.argument, axes=(row.axis,)).leaves
    claims = [leaf.axes[0].claims[kind] for kind in row.kinds]
    assert {claim.verdict for claim in claims} == {Verdict.UNDECIDED}
    right = [claim.culprit.source.startswith(f"{file}:{line} ") for claim in claims]
    assert all(right) is (name not in MISSES), [claim.culprit for claim in claims]


def test_the_corpus_is_large_and_its_misses_are_few():
    assert len(PLANTED) >= 40
    assert MISSES.keys() <= PLANTED.keys()
    assert len(MISSES) <= 0.04 * len(PLANTED)


@pytest.mark.skipif(
    find_spec("flax") is None,
    reason="flax is not installed: the extra peers has it, which CI installs for these tests",
)
@pytest.mark.peers
def test_the_calls_through_a_library_and_its_module_are_shown():
    row = PLANTED["zero padding in a Flax block"]
    certificate = certify(lenient(row.fn), row.argument, axes=(1,))
    lines = [line.strip() for line in str(certificate).splitlines()]
    at = next(n for n, line in enumerate(lines) if line.startswith("culprit: conv_general_dilated at "))
    assert lines[at + 1] == "in module Network/Block_0/Conv_1"
    assert lines[at + 2].startswith("through flax/linen/linear.py:")
    assert lines[at + 2].endswith(" (_Conv.__call__)")
    assert lines[at + 3].startswith("only positions ")


def test_name_scopes_are_the_module():
    """Through jit, loops, vmap and gradients; without the names of transformations."""

    @jax.jit
    def block(x):
        with jax.named_scope("block"):
            return jnp.cumsum(x, axis=0)

    def energy(x):
        with jax.named_scope("net"):
            return jax.lax.fori_loop(0, 2, lambda _, x: jax.vmap(block)(x[None])[0], jnp.sin(x)).sum() ** 2

    signal = jax.ShapeDtypeStruct((12,), "float32")
    for fn in (energy, jax.grad(energy)):
        culprit = certify(fn, signal, axes=(0,)).leaves[0].axes[0].cyclic.culprit
        assert culprit.module == "net/block"
        assert f"in module {culprit.module}" in str(certify(fn, signal, axes=(0,)))


def test_a_wrap_that_fits_again_is_no_culprit():
    """A window that takes the wrap away, or a crop, leaves whole periods: a later fault has its own line."""

    def fitting(x):
        padded = jnp.pad(x, (2, 2), mode="wrap")
        y = padded[:-4] + padded[2:-2]
        y = jnp.tanh(padded[2:-2] + y)
        return y * jnp.arange(12.0)

    culprit = certify(fitting, jax.ShapeDtypeStruct((12,), "float32"), axes=(0,)).leaves[0].axes[0].cyclic.culprit
    assert culprit.source.startswith(f"{__file__}:{fitting.__code__.co_firstlineno + 4} ")


def test_up_sampling_is_not_a_merge():
    """A dense layer over up-sampled positions is its own culprit, as no axis that varies was merged with the signal."""

    def net(x):
        y = jnp.repeat(x, 2, axis=0)
        return y @ jnp.arange(72.0).reshape(24, 3)

    culprit = certify(net, jax.ShapeDtypeStruct((12,), "float32"), axes=(0,)).leaves[0].axes[0].interior.culprit
    assert culprit.source.startswith(f"{__file__}:{net.__code__.co_firstlineno + 2} ")


def test_a_merge_that_is_undone_is_no_culprit():
    """Patches become an axis of their own, and the dense layer behind it treats each of them differently."""

    def net(x):
        flat = x.reshape(24)
        apart = flat.reshape(12, 2)
        return apart.T @ jnp.arange(36.0).reshape(12, 3)

    culprit = certify(net, jax.ShapeDtypeStruct((12, 2), "float32"), axes=(0,)).leaves[0].axes[0].interior.culprit
    assert culprit.source.startswith(f"{__file__}:{net.__code__.co_firstlineno + 3} ")
