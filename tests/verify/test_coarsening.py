"""The equations that made a shift coarser: each with its factor and its line; the product is the shift."""

import math
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from support.networks import each_network, network
from support.random_programs import random_program

import jaxconv as jc
from jaxconv.verify.claims import Verdict
from jaxconv.verify.coarsening import combined

certify = partial(jc.certify, search=False)
X = jax.ShapeDtypeStruct((1, 48, 2), "float32")


def claims_of(certificate):
    """Each claim, with the derivation that it comes from."""
    return [
        (axis.claims[kind], certificate.derivations[number][kind])
        for leaf in certificate.leaves
        for number, axis in enumerate(leaf.axes)
        for kind in ("cyclic", "interior")
    ]


def assert_explained(certificate):
    """The product of the factors is the shift, and each is that of a row which has a state for a multiple of it."""
    for claim, rows in claims_of(certificate):
        assert math.prod(one.factor for one in claim.coarsened) == (claim.shift or 1)
        assert [one.equation for one in claim.coarsened] == sorted({one.equation for one in claim.coarsened})
        for one in claim.coarsened:
            row = rows[one.equation]
            assert (one.primitive, one.factor > 1) == (row.primitive, True)
            assert any(state.shift % one.factor == 0 for state in row.outputs if hasattr(state, "shift"))


@each_network()
def test_the_factors_of_networks(name):
    net = network(name)
    certificate = certify(net.fn, *net.arguments, axes={len(net.arguments) - 1: net.axes})
    assert_explained(certificate)


def test_the_factors_of_random_programs():
    """Most shifts above 1 come from more than one step, or one step of many."""
    coarse = 0
    for seed in range(60):
        program = random_program(seed, faulty=False)
        certificate = certify(program.fn, *program.arguments, axes={0: program.axes})
        assert_explained(certificate)
        for claim, _ in claims_of(certificate):
            coarse += (claim.shift or 1) > 1
            assert all(program.filename in one.source for one in claim.coarsened)
    assert coarse > 20


@pytest.mark.parametrize(
    ("operands", "factors"),
    [
        ([], {}),
        ([{1: 2}, {1: 2}], {1: 2}),
        ([{1: 2, 3: 3}, {1: 2, 4: 2}], {1: 2, 3: 3, 4: 2}),  # no row has more than its own factor
        ([{1: 4}, {2: 6}], {2: 6, 1: 2}),
        ([{1: 6}, {2: 4}, {3: 9}], {3: 9, 1: 2, 2: 2}),
    ],
)
def test_factors_of_several_operands(operands, factors):
    assert combined(operands) == factors


def conv(x, stride=1):
    return jc.conv({"kernel": jnp.ones((3, 2, 2))}, x, stride=stride, padding="circular")


@jax.jit
def pooled(x):
    return jc.max_pool(x, (3,))


def marked(fn):
    """The line of each comment `# factor` in a function, with the number behind it."""
    code = fn.__code__
    lines = Path(code.co_filename).read_text().splitlines()[code.co_firstlineno - 1 :]
    end = next(n for n, line in enumerate(lines) if n and line.strip() and not line.startswith((" ", ")")))
    found = [(code.co_firstlineno + n, line.rpartition("# factor ")[2]) for n, line in enumerate(lines[:end])]
    return [(line, int(text)) for line, text in found if text.strip().isdigit()]


def chain(x):
    x = conv(x)
    x = jc.max_pool(x, (2,))  # factor 2
    x = jnp.tanh(conv(x))
    return x[:, ::2]  # factor 2


def residual(x):
    y = jax.nn.relu(jc.avg_pool(x, (2,)))  # factor 2
    y = conv(y)
    skip = x[:, ::2]
    return conv(y + skip)


def branches(x):
    """The least common multiple of 4 and 6: a factor that both have counts once."""
    a = jc.max_pool(x, (4,))  # factor 2
    b = jc.max_pool(x, (6,))  # factor 6
    return jnp.repeat(a, 4, axis=1) + jnp.repeat(b, 6, axis=1)


def shared(x):
    """Both branches start with the same stride."""
    x = jc.max_pool(x, (2,))  # factor 2
    a = jc.max_pool(x, (2,))  # factor 2
    b = jnp.tanh(x)
    return jnp.repeat(a, 2, axis=1) * b


def masked(x):
    mask = jnp.arange(48)[:, None] % 4 == 0
    return jnp.where(mask, conv(x), 0.0)  # factor 4


def in_a_loop(x):
    def body(_, x):
        x = jc.max_pool(conv(x), (2,))  # factor 2
        return jnp.repeat(x, 2, axis=1)

    x = lax.fori_loop(0, 3, body, x)
    return jc.avg_pool(x, (3,))  # factor 3


def in_a_scan(x):
    def body(x, _):
        x = jnp.repeat(jc.max_pool(conv(x), (2,)), 2, axis=1)  # factor 2
        return x, x

    return lax.scan(body, x, None, length=5)[0]


def in_a_branch(x):
    coarse = lambda x: jnp.repeat(jc.max_pool(x, (4,)), 4, axis=1)  # factor 4
    return lax.cond(x.sum() > 0, coarse, conv, x)


def without_coarse_parts(x):
    """A stride in dead code is nobody's factor."""
    jc.max_pool(x, (4,))
    return conv(x)


def invariant(x):
    x = x[:, ::3]  # factor 3
    return jnp.max(x, axis=1)


def fourier(x):
    x = jc.max_pool(x, (2,))  # factor 2
    return jnp.fft.irfft(jnp.fft.rfft(x, axis=1)[:, :5], n=24, axis=1)


FUNCTIONS = [chain, residual, branches, shared, masked, in_a_loop, in_a_scan, in_a_branch, without_coarse_parts]


@pytest.mark.parametrize("fn", [*FUNCTIONS, invariant, fourier], ids=lambda fn: fn.__name__)
def test_the_marked_lines_are_named(fn):
    claim = certify(fn, X, axes=(1,)).leaves[0].axes[0].cyclic
    assert claim.verdict == Verdict.PROVED
    places = [(int(one.source.rsplit(":", 1)[1].split(" ")[0]), one.factor) for one in claim.coarsened]
    assert places == marked(fn)
    assert claim.shift == math.prod(factor for _, factor in places)


def test_lines_inside_calls_are_named():
    """Those of the function that is called, not of the call."""
    nested = jax.jit(lambda x: jax.checkpoint(pooled)(conv(x)))
    (one,) = certify(nested, X, axes=(1,)).leaves[0].axes[0].cyclic.coarsened
    assert (one.factor, one.source) == (3, f"{__file__}:{pooled.__wrapped__.__code__.co_firstlineno + 2} (pooled)")


def test_the_report_names_each_line_once():
    def net(x):
        for _ in range(3):
            x = jc.avg_pool(x, (2,))
        return jc.max_pool(x, (3,))

    first = net.__code__.co_firstlineno
    lines = str(certify(net, X, axes=(1,))).splitlines()
    at = next(n for n, line in enumerate(lines) if "cyclic    PROVED: shifts by 24 -> 1 along" in line)
    report = f"shift 24: 8 by jaxconv_sum_pool at {__file__}:{first + 2} ({net.__qualname__})"
    assert lines[at + 1].strip() == report
    assert lines[at + 2].strip() == f"3 by jaxconv_max_pool at {__file__}:{first + 3} ({net.__qualname__})"
    assert lines[at + 1].index("8 by") == lines[at + 2].index("3 by")


def test_a_claim_that_is_not_proved_has_no_factors():
    claim = certify(lambda x: jnp.cumsum(conv(x, stride=2), axis=1), X, axes=(1,)).leaves[0].axes[0].cyclic
    assert (claim.verdict, claim.coarsened) == (Verdict.UNDECIDED, ())
