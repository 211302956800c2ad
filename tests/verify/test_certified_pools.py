"""Every pool is proved for exactly its true shifts: against receptive fields and regions computed by hand."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from support.bare_proofs import bare
from support.networks.expectation import Field

import jaxconv as jc
from jaxconv.verify.claims import Verdict

certify = partial(jc.certify, search=False)  # proofs only

X = jax.ShapeDtypeStruct((2, 12, 8, 3), "float32")
window = Field().slide  # (taps, stride, before, dilation) along axis 1
# Name -> the pool, the receptive field of its windows along axis 1, and whether its padding is circular.
POOLS = {
    "max, dilated": (
        lambda x: jc.max_pool(x, (3, 2), stride=2, dilation=2, padding="circular"),
        window(3, 2, 2, 2),
        True,
    ),
    "max, dilated over zeros": (
        lambda x: jc.max_pool(x, (3, 2), stride=2, dilation=2, padding="same"),
        window(3, 2, 1, 2),  # six windows span 15 cells: one zero before x, two after
        False,
    ),
    "max, of the indices": (
        lambda x: jc.max_pool_with_indices(x, (3, 2), stride=2, padding="circular")[0],
        window(3, 2, 1),
        True,
    ),
    "unfolded": (lambda x: jc.unfold(x, (3, 2), stride=2, padding="circular"), window(3, 2, 1), True),
    "unfolded over zeros": (lambda x: jc.unfold(x, (3, 2), padding="same", dilation=2), window(3, 1, 2, 2), False),
    "min": (lambda x: jc.min_pool(x, (3, 2), stride=2, padding="circular"), window(3, 2, 1), True),
    "min, overhanging": (lambda x: jc.min_pool(x, (5, 2), stride=3, ceil_mode=True), window(5, 3), False),
    "norm": (lambda x: jc.lp_pool(x, (3, 2), norm=2.5, stride=2, padding="circular"), window(3, 2, 1), True),
    "norm, dilated": (lambda x: jc.lp_pool(x, (3, 2), norm=2, stride=1, dilation=2), window(3, 1, 0, 2), False),
    "blur": (lambda x: jc.blur_pool(x, (4, 3), padding="circular"), window(4, 2, 1), True),
    "blur, reflecting": (lambda x: jc.blur_pool(x, (5, 3), padding="reflect"), window(5, 2, 2), False),
    "max, blurred": (
        lambda x: jc.blur_pool(jc.max_pool(x, (2, 2), stride=1, padding="circular"), (3, 3), padding="circular"),
        window(2, 1, 0).slide(3, 2, 1),
        True,
    ),
    "average, overhanging": (
        lambda x: jc.avg_pool(x, (5, 2), stride=3, ceil_mode=True, divisor="window"),
        window(5, 3),
        False,
    ),
}


@pytest.fixture(autouse=True)
def executes_by_numpy():
    """Constant folding and rechecks execute by NumPy and compile nothing."""
    with bare():
        yield


@pytest.mark.parametrize("name", POOLS)
def test_pools_are_proved_at_their_lattice(name):
    pool, field, wraps = POOLS[name]
    certificate = certify(pool, X, axes=(1,))
    report = certificate.leaves[0].axes[0]
    assert (report.cyclic.verdict is Verdict.PROVED) is wraps
    for claim in (report.cyclic, report.interior)[not wraps :]:
        assert (claim.shift, claim.moves) == (field.rate, ((1, 1),))
        proved = claim.receptive_field
        assert (proved.rate, proved.first, proved.last) == (field.rate, field.first, field.last)
    assert report.interior.region == ((1, *field.inside(X.shape[1])),)
    assert jc.recheck(certificate, pool, X) == ()


@pytest.mark.parametrize("name", ["max, dilated", "min", "norm", "max, blurred"])
def test_their_gradients_move_with_the_image(name):
    pool, field, _ = POOLS[name]
    report = certify(jax.grad(lambda x: jnp.sum(pool(x) ** 2)), X, axes=(1,)).leaves[0].axes[0]
    assert (report.cyclic.shift, report.cyclic.moves) == (field.rate, ((1, field.rate),))


ADAPTIVE = [jc.adaptive_max_pool, jc.adaptive_avg_pool]


@pytest.mark.parametrize("pool", ADAPTIVE, ids=lambda pool: pool.__name__)
@pytest.mark.parametrize(
    ("counts", "shift", "move"), [((4, 3), 3, 1), ((8, 3), 3, 2), ((18, 8), 2, 3), ((24, 5), 1, 2), ((12, 8), 1, 1)]
)
def test_adaptive_pools_are_proved_at_the_common_factor(pool, counts, shift, move):
    """For n = 12 cells, m windows and g = gcd(n, m), shifts by n/g move the output by m/g."""
    fn = lambda x: pool(x, counts)
    certificate = certify(fn, X, axes=(1,))
    report = certificate.leaves[0].axes[0]
    for claim in (report.cyclic, report.interior):
        assert (claim.shift, claim.moves) == (shift, ((1, move),))
    assert report.interior.region == ((1, 0, counts[0]),)
    assert jc.recheck(certificate, fn, X) == ()


@pytest.mark.parametrize("pool", ADAPTIVE, ids=lambda pool: pool.__name__)
def test_adaptive_pools_without_a_common_factor_are_refuted(pool):
    """Five windows over twelve cells have no common factor."""
    report = jc.certify(lambda x: pool(x, (5, 3)), X, axes=(1,)).leaves[0].axes[0]
    assert report.cyclic.verdict is Verdict.REFUTED


@pytest.mark.parametrize(
    ("fn", "moves"),
    [
        (lambda x: jc.polyphase_down(x, (3, 2))[0], ((1, 1),)),
        (lambda x: jc.polyphase_down(x, (3, 2))[1], ()),
        (lambda x: jc.polyphase_up(*jc.polyphase_down(x, (3, 2)), (3, 2)), ((1, 3),)),
        (lambda x: jc.global_max_pool(jc.polyphase_down(x, (3, 2))[0]), ()),
    ],
    ids=["down", "phase", "up", "pooled"],
)
def test_of_polyphase_sampling_shifts_by_whole_strides_are_proved(fn, moves):
    """Such shifts change no norm of a phase, and the law holds even with ties. Smaller shifts need phases without ties."""
    certificate = certify(fn, X, axes=(1,))
    report = certificate.leaves[0].axes[0]
    assert (report.cyclic.shift, report.cyclic.moves) == (3, moves)
    # Cells that enter at the border affect the choice of the phase.
    assert report.interior.verdict is not Verdict.PROVED
    assert jc.recheck(certificate, fn, X) == ()


def test_indices_are_refuted_because_they_name_positions():
    """Their values change with every shift."""
    fn = lambda x: jc.max_pool_with_indices(x, (3, 2), stride=3)[1]
    report = jc.certify(fn, X, axes=(1,)).leaves[0].axes[0]
    assert (report.cyclic.verdict, report.interior.verdict) == (Verdict.REFUTED,) * 2
    assert report.cyclic.culprit.primitive == "jaxconv_max_pool_gather"


def test_unpooling_is_not_claimed_for_shifts_that_are_no_stride():
    """Shifts by 3 hold, and no rule proves them; all others are refuted."""
    fn = lambda x: jc.max_unpool(*jc.max_pool_with_indices(x, (3, 2)), (12, 8))
    report = jc.certify(fn, X, axes=(1,)).leaves[0].axes[0]
    assert report.cyclic.verdict is not Verdict.REFUTED
    assert report.cyclic.verdict is not Verdict.PROVED or (report.cyclic.shift, report.cyclic.moves) == (3, ((1, 3),))


def test_folding_moves_by_a_stride():
    """Output 2j + 1 of three taps reads positions j and j + 1 of y: only the last, 23, reads around the circle."""
    fn = lambda y: jc.fold(y, (3, 2), (24, 8), stride=(2, 1), padding="circular")
    y = jax.ShapeDtypeStruct((2, 12, 8, 18), "float32")
    certificate = certify(fn, y, axes=(1,))
    report = certificate.leaves[0].axes[0]
    for claim in (report.cyclic, report.interior):
        assert (claim.shift, claim.moves) == (1, ((1, 2),))
    assert report.interior.region == ((1, 0, 23),)
    assert jc.recheck(certificate, fn, y) == ()
