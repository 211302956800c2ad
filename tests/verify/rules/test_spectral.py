"""Fourier transforms: execution does not refute what is proved, and functions of the phase are not proved."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.claim_oracle import judged
from support.proved_and_twins import law

import jaxconv as jc
from jaxconv.verify.certificate import Certificate
from jaxconv.verify.claims import Verdict

certify = partial(jc.certify, search=False)

N, WIDTH, CHANNELS = 8, 5, 3
X = jax.ShapeDtypeStruct((1, N, WIDTH, CHANNELS), jnp.float32)


def weights(*shape, seed=0):
    real, imaginary = np.random.default_rng(seed).integers(-4, 5, (2, *shape))
    return jnp.asarray(real + 1j * imaginary, jnp.complex64)


def cyclic(fn, axis=1, x=X):
    """The cyclic claim of the only output. If it is proved, executions are checked not to refute it."""
    return judged(fn, x, axis, kinds=("cyclic",)).cyclic


fft, ifft = partial(jnp.fft.fft, axis=1), partial(jnp.fft.ifft, axis=1)
rfft, irfft = partial(jnp.fft.rfft, axis=1), partial(jnp.fft.irfft, axis=1)
W, HALF = weights(1, N, WIDTH, CHANNELS), weights(1, N // 2 + 1, WIDTH, CHANNELS)
MIXING = weights(N // 2 + 1, CHANNELS, 2 * CHANNELS)

MOVES_BY_ONE = {
    "there and back": lambda x: ifft(fft(x)).real,
    "weights of each mode": lambda x: ifft(fft(x) * W).real,
    "over weights": lambda x: ifft(fft(x) / (W + 5)).real,
    "real transforms": lambda x: irfft(rfft(x) * HALF),
    "channels mixed": lambda x: irfft(jnp.einsum("nkwc,kcd->nkwd", rfft(x), MIXING)),
    "two axes": lambda x: jnp.fft.irfft2(jnp.fft.rfft2(x, axes=(2, 1)) * weights(1, 5, 5, 3), axes=(2, 1), s=(WIDTH, N)),
    "one axis after the other": lambda x: jnp.fft.ifft(ifft(fft(jnp.fft.fft(x, axis=2))), axis=2).real,
    "the inverse first": lambda x: fft(ifft(x) * W).real,
    "low modes": lambda x: irfft(jnp.pad(rfft(x)[:, :3], ((0, 0), (0, 2), (0, 0), (0, 0)))),
    "high modes by concatenation": lambda x: irfft(jnp.concatenate([jnp.zeros((1, 2, 5, 3), jnp.complex64), rfft(x)[:, 2:]], axis=1)),
    "modes written into zeros": lambda x: irfft(jnp.zeros((1, 5, 5, 3), jnp.complex64).at[:, :3].set(rfft(x)[:, :3])),
    "modes written at both ends": lambda x: (
        ifft(jnp.zeros((1, 8, 5, 3), jnp.complex64).at[:, :2].set(fft(x)[:, :2]).at[:, -2:].set(fft(x)[:, -2:])).real
    ),
    "dynamic update": lambda x: irfft(lax.dynamic_update_slice(jnp.zeros((1, 5, 5, 3), jnp.complex64), rfft(x)[:, 1:3], (0, 1, 0, 0))),
    "a masked mode": lambda x: irfft(jnp.where(np.arange(5)[None, :, None, None] == 2, 0, rfft(x))),
    "a sum of spectra": lambda x: irfft(rfft(x) * HALF + rfft(jnp.abs(x))),
    "a difference": lambda x: irfft(rfft(x) - HALF * rfft(x)),
    "a bias at mode 0": lambda x: irfft(jnp.concatenate([rfft(x)[:, :1] + 3, rfft(x)[:, 1:]], axis=1)),
    "a correlation with what stays": lambda x: irfft(rfft(x) * jnp.conj(HALF)),
    "shifted to the centre and back": lambda x: ifft(jnp.fft.ifftshift(jnp.fft.fftshift(fft(x), axes=1), axes=1)).real,
    "transposed in between": lambda x: irfft(jnp.moveaxis(jnp.moveaxis(rfft(x), 1, 3) * 2, 3, 1)),
    "a reshape of the transposed": lambda x: irfft(jnp.swapaxes(lax.reshape(rfft(x), (1, 15, 5), (0, 2, 3, 1)), 1, 2)),
    "modes one by one": lambda x: irfft(jnp.moveaxis(lax.map(lambda y: 2 * y, jnp.moveaxis(rfft(x), 1, 0)), 0, 1)),
    "channels and width as one axis": lambda x: irfft(rfft(x).reshape(1, 5, 15)),
    "an axis of one cell dropped": lambda x: irfft(jnp.squeeze(rfft(x)[..., :1], 3)),
    "split and joined": lambda x: irfft(jnp.concatenate(jnp.split(rfft(x), [2, 3], axis=1), axis=1)),
    "negated, widened": lambda x: irfft(-rfft(x)[..., None] * weights(1, 1, 1, 3, 2)).sum(-1),
    "scaled by an invariant": lambda x: irfft(rfft(x) * jnp.max(x).astype(jnp.complex64)),
    "a spectrum leaves a branch": lambda x: irfft(lax.cond(jnp.sum(x) > 0, rfft, lambda x: 2 * rfft(x), x)),
    "a correlation of two": lambda x: irfft(rfft(x) * rfft(jnp.sin(x)) / rfft(jnp.cos(x))),
}  # fmt: skip


@pytest.mark.parametrize("name", MOVES_BY_ONE)
def test_a_convolution_by_transforms_moves_with_its_input(name):
    claim = cyclic(MOVES_BY_ONE[name])
    assert claim.verdict == Verdict.PROVED, claim.culprit
    assert (claim.shift, claim.moves) == (1, ((1, 1),))


def test_modes_in_the_other_order_move_the_other_way():
    """x[-j] has the spectrum y[-k]. The forward transform, applied twice, reverses a signal."""
    claim = cyclic(lambda x: fft(fft(x)).real)
    assert (claim.shift, claim.moves) == (1, ((1, -1),))


@pytest.mark.parametrize(("cells", "shift", "moves"), [(16, 1, 2), (4, 2, 1), (12, 2, 3)])
def test_a_spectrum_may_come_back_at_another_length(cells, shift, moves):
    """Resampling: a transform of n cells and an inverse transform to m cells."""
    modes = min(cells, N) // 2
    claim = cyclic(lambda x: irfft(rfft(x)[:, :modes], n=cells))
    assert (claim.shift, claim.moves) == (shift, ((1, moves),))


@pytest.mark.parametrize("fn", [lambda x: jnp.abs(rfft(x)), lambda x: (rfft(x) * jnp.conj(rfft(x))).real])
def test_a_power_spectrum_does_not_change(fn):
    claim = cyclic(fn)
    assert claim.verdict == Verdict.PROVED, claim.culprit
    assert (claim.shift, claim.moves) == (1, ())


def test_what_moves_along_another_axis_is_not_touched():
    claim = cyclic(lambda x: jnp.fft.ifft(jnp.fft.fft(x, axis=1) * weights(1, N, 1, 3), axis=1).real, axis=2)
    assert (claim.shift, claim.moves) == (1, ((2, 1),))


NOT_PROVED = {
    "the spectrum itself": (rfft, "the output is a spectrum"),
    "its real part": (lambda x: irfft(rfft(x).real), "the real part of a spectrum depends on the phase"),
    "its real part, as a dtype": (lambda x: irfft(lax.convert_element_type(lax.complex(rfft(x).imag, rfft(x).imag), jnp.complex64)), "the imag part"),
    "a nonlinearity": (lambda x: irfft(jnp.exp(rfft(x))), "there is no rule for exp of spectra"),
    "a bias of every mode": (lambda x: irfft(rfft(x) + HALF), "adds modes that rotate at different rates"),
    "modes moved by one": (lambda x: irfft(jnp.roll(rfft(x), 1, axis=1)), "modes are not in FFT order"),
    "padding with ones": (lambda x: irfft(jnp.pad(rfft(x)[:, :3], ((0, 0), (0, 2), (0, 0), (0, 0)), constant_values=1)), "modes are not in FFT order"),
    "a mean of modes": (lambda x: irfft(rfft(x) * rfft(x).mean(axis=1, keepdims=True)), "adds modes that rotate"),
    "modes mixed": (lambda x: irfft(jnp.einsum("nkwc,kj->njwc", rfft(x), weights(5, 5))), "adds modes that rotate"),
    "a product with what moves": (lambda x: irfft(rfft(x) * x[:, :5].astype(jnp.complex64)), "combines a spectrum with a value that moves"),
    "modes scanned over": (lambda x: lax.scan(lambda c, y: (y, 2 * c), 0 * rfft(x)[:, 0], jnp.moveaxis(rfft(x), 1, 0))[1], "scans over the modes of a spectrum"),
    "a spectrum leaves a loop": (lambda x: lax.scan(lambda c, y: (c, rfft(x)), 0, jnp.zeros(3))[1], "the output is a spectrum"),
    "a spectrum leaves a branch, or what stays": (lambda x: irfft(lax.cond(jnp.sum(x) > 0, rfft, lambda x: HALF * 2, x)), "returns a spectrum or another value"),
    "zero padding before it": (lambda x: irfft(rfft(jnp.pad(x, ((0, 0), (0, 1), (0, 0), (0, 0)))), n=9), "show the shifted signal"),
    "a stride before it": (lambda x: irfft(rfft(x[:, :7]), n=7), "of a period of"),
    "half of it inverted": (lambda x: jnp.fft.irfft(fft(x), axis=2), "the real part of a spectrum depends on the phase"),
    "the cosine transform": (lambda x: irfft(rfft(jnp.concatenate([x, x[:, ::-1]], axis=1))), "only positions 0 to 7 of 16 show"),
    "a magnitude put back": (lambda x: irfft(jnp.abs(rfft(x))), None),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_PROVED)
def test_what_sees_the_phase_is_not_proved(name):
    fn, reason = NOT_PROVED[name]
    claim = cyclic(fn)
    if reason is None:  # the magnitude is invariant, so its inverse transform is
        assert (claim.verdict, claim.moves) == (Verdict.PROVED, ())
    else:
        assert claim.verdict == Verdict.UNDECIDED
        assert reason in claim.culprit.reason


def test_new_content_at_the_border_reaches_every_mode():
    (leaf,) = certify(MOVES_BY_ONE["real transforms"], X, axes=(1,)).leaves
    assert leaf.axes[0].interior.verdict == Verdict.UNDECIDED
    assert "not one whole period here" in leaf.axes[0].interior.culprit.reason


@pytest.mark.parametrize("n", range(1, 10))
@pytest.mark.parametrize("m", range(1, 10))
def test_every_resampling(n, m):
    """All pairs of lengths, odd and even, complex and real. Proofs are executed, and equal lengths must be proved."""
    x = jax.ShapeDtypeStruct((1, n, 2, 2), jnp.float32)
    real = cyclic(lambda x: irfft(rfft(x), n=m), x=x)
    whole = cyclic(lambda x: ifft(fft(x), n=m).real, x=x)
    if n == m > 1:
        assert {real.verdict, whole.verdict} == {Verdict.PROVED}


def test_the_product_of_two_spectra_turns_twice_as_fast():
    """It is the spectrum of the convolution of the two: if both move by 1, the convolution moves by 2."""
    claim = cyclic(lambda x: irfft(rfft(x) * rfft(jnp.sin(x))))
    assert (claim.verdict, claim.shift, claim.moves) == (Verdict.PROVED, 1, ((1, 2),))


def test_every_other_mode_is_that_of_two_halves_added():
    """irfft(rfft(x)[::2]) is x[:4] + x[4:], which moves with x."""
    claim = cyclic(lambda x: irfft(rfft(x)[:, ::2]))
    assert (claim.verdict, claim.shift, claim.moves) == (Verdict.PROVED, 1, ((1, 1),))


def test_half_of_a_spectrum_in_reverse_moves_by_shifts_that_turn_its_ends_alike():
    """Mode 4 - k of 8 at index k: a shift by s multiplies it by exp(-pi i s) exp(2 pi i k s/8)."""
    claim = cyclic(lambda x: irfft(rfft(x)[:, ::-1]))
    assert (claim.verdict, claim.shift, claim.moves) == (Verdict.PROVED, 2, ((1, -2),))


def test_a_spectrum_leaves_a_branch_or_its_conjugate():
    """Both agree for shifts by half of the cells."""
    claim = cyclic(lambda x: irfft(lax.cond(jnp.sum(x) > 0, rfft, lambda x: jnp.conj(rfft(x)), x)))
    assert (claim.verdict, claim.shift, [abs(t) for _, t in claim.moves]) == (Verdict.PROVED, 4, [4])


def test_a_conjugate_turns_the_other_way():
    """The conjugate of a real signal's spectrum is the spectrum of the reversed signal."""
    claim = cyclic(lambda x: irfft(jnp.conj(rfft(x))))
    assert (claim.shift, claim.moves) == (1, ((1, -1),))


LONG = 10**8  # modes that would take gigabytes if they were listed


@pytest.mark.parametrize(
    ("name", "filtered"),
    {
        "as it is": lambda modes: modes,
        "times a number": lambda modes: 2j * modes,
        "times weights": lambda modes: modes * jnp.cos(jnp.arange(modes.size)).astype(modes.dtype),
        "low modes": lambda modes: modes[: modes.size // 3],
        "low modes kept": lambda modes: modes.at[modes.size // 3 :].set(0),
        "every mode turned back": lambda modes: jnp.flip(jnp.flip(modes)),
        "conjugate": lambda modes: modes.conj(),
        "a power": lambda modes: modes**2,
        "a quotient": lambda modes: modes**3 / (1 + modes * modes.conj()),
        "a sum": lambda modes: modes + 3 * modes,
        "mode 0 replaced": lambda modes: jnp.concatenate([jnp.ones(1, modes.dtype), modes[1:]]),
        "padded": lambda modes: jnp.pad(modes, (0, 5)),
    }.items(),
)
def test_a_spectrum_of_any_length_is_proved_as_a_short_one_is(name, filtered):
    """No rule lists the modes, so that the longest takes no time."""
    fn = lambda x: jnp.fft.irfft(filtered(jnp.fft.rfft(x)), x.size)
    long, short = (
        jc.certify(fn, jax.ShapeDtypeStruct((length,), "float32"), axes=(0,), search=False) for length in (LONG, 40)
    )
    assert long.cyclic.value == short.cyclic.value == "PROVED", name
    assert [leaf.axes[0].cyclic.shift for leaf in long.leaves] == [leaf.axes[0].cyclic.shift for leaf in short.leaves]
    assert len(long.to_json()) < 2**17
    assert Certificate.from_json(long.to_json()) == long


def test_a_spectrum_that_a_rule_has_to_list_ends_the_proof_at_once():
    """A rule that changes the modes one by one refuses them by name; a short spectrum has another verdict."""
    fn = lambda x: jnp.fft.ifft(jax.lax.pad(jnp.fft.fft(x), np.complex64(0), [(0, 0, 1)]))
    reasons = {
        length: jc.certify(fn, jax.ShapeDtypeStruct((length,), "float32"), axes=(0,), search=False)
        .leaves[0]
        .axes[0]
        .cyclic.culprit.reason
        for length in (LONG, 16)
    }
    assert "more than 4194304 modes" in reasons[LONG]
    assert "more than" not in reasons[16]


def test_modes_multiplied_in_place_turn_with_their_factors():
    """Numbers leave the phase. Modes times modes turn twice as fast, so the others must not stay as they are."""
    x = np.zeros((12,), np.float32)
    back = lambda change: lambda x: jnp.fft.irfft(change(jnp.fft.rfft(x)), n=12)
    assert law(back(lambda modes: modes.at[-1].multiply(0.5)), x) == (1, ((0, 1),), ())
    assert law(back(lambda modes: modes.at[2:4].multiply(jnp.array([2.0, -1.0], "complex64"))), x) == (1, ((0, 1),), ())
    assert law(back(lambda modes: modes.at[1:3].multiply(modes[1:3])), x) is None
    assert law(back(lambda modes: modes.at[1:3].multiply(modes[2:4])), x) is None
