"""Steppers of exponax, which solve differential equations on periodic domains by Fourier transforms.

The truth about each is found by execution in float64: the shifts along each axis by which a step commutes with rolls.
Most steppers commute with all of them, for all coefficients. A Kolmogorov flow is forced by a wave along its second
axis, at `FORCED` periods: only shifts by whole periods remain, and none if the forcing may be any array.
"""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.networks.arguments import lenient
from support.numpy_execution import executing_by_numpy

import jaxconv as jc
from jaxconv.verify.claims import Verdict

pytestmark = [
    pytest.mark.exponax,
    pytest.mark.skipif(
        importlib.util.find_spec("exponax") is None,
        reason="exponax is not installed: the extra of that name has it, which CI installs for these tests",
    ),
    pytest.mark.filterwarnings("ignore"),  # exponax's own
]

N, FORCED = 8, 2
ANY = (1, 2, 3)  # numbers of spatial dimensions
# The module in `exponax.stepper`, the class, the numbers of dimensions that it takes, and settings.
STEPPERS = {
    "advection": ("", "Advection", ANY, {}),
    "diffusion": ("", "Diffusion", ANY, {}),
    "advection and diffusion": ("", "AdvectionDiffusion", ANY, {}),
    "dispersion": ("", "Dispersion", ANY, {}),
    "dispersion, mixed": ("", "Dispersion", (2,), {"advect_on_diffusion": True}),
    "hyper-diffusion": ("", "HyperDiffusion", ANY, {}),
    "hyper-diffusion, mixed": ("", "HyperDiffusion", (2,), {"diffuse_on_diffuse": True}),
    "waves": ("", "Wave", ANY, {}),
    "Burgers": ("", "Burgers", ANY, {}),
    "Burgers, conservative": ("", "Burgers", (2,), {"conservative": True}),
    "Burgers, one channel": ("", "Burgers", (2,), {"single_channel": True}),
    "Burgers, order 1": ("", "Burgers", (1,), {"order": 1}),
    "Burgers, order 3": ("", "Burgers", (1,), {"order": 3}),
    "Burgers, order 4": ("", "Burgers", (1,), {"order": 4}),
    "Korteweg-de Vries": ("", "KortewegDeVries", ANY, {}),
    "Kuramoto-Sivashinsky": ("", "KuramotoSivashinsky", ANY, {}),
    "Kuramoto-Sivashinsky, conservative": ("", "KuramotoSivashinskyConservative", (1,), {}),
    "Navier-Stokes, vorticity": ("", "NavierStokesVorticity", (2,), {}),
    "Navier-Stokes, velocity": ("", "NavierStokesVelocity", (3,), {}),
    "Kolmogorov flow, vorticity": ("", "KolmogorovFlowVorticity", (2,), {"injection_mode": FORCED}),
    "Kolmogorov flow, velocity": ("", "KolmogorovFlowVelocity", (3,), {"injection_mode": FORCED}),
    "Allen-Cahn": ("reaction", "AllenCahn", ANY, {}),
    "Cahn-Hilliard": ("reaction", "CahnHilliard", ANY, {}),
    "Fisher-KPP": ("reaction", "FisherKPP", ANY, {}),
    "Gray-Scott": ("reaction", "GrayScott", ANY, {}),
    "Swift-Hohenberg": ("reaction", "SwiftHohenberg", ANY, {}),
    "linear terms": ("generic", "GeneralLinearStepper", ANY, {}),
    "convection": ("generic", "GeneralConvectionStepper", ANY, {}),
    "gradient norm": ("generic", "GeneralGradientNormStepper", ANY, {}),
    "polynomial": ("generic", "GeneralPolynomialStepper", ANY, {}),
    "nonlinear": ("generic", "GeneralNonlinearStepper", (1, 2), {"nonlinear_coefficients": (1.0, -1.0, 1.0)}),
    "vorticity": ("generic", "GeneralVorticityConvectionStepper", (2,), {}),
    "vorticity, forced": (
        "generic",
        "GeneralVorticityConvectionStepper",
        (2,),
        {"injection_mode": FORCED, "injection_scale": 1.0},
    ),
}
FORCED_FLOWS = ("Kolmogorov flow, vorticity", "Kolmogorov flow, velocity", "vorticity, forced")
CASES = [(name, dimensions) for name, (_, _, numbers, _) in STEPPERS.items() for dimensions in numbers]


def module_of(exponax, path):
    return getattr(exponax.stepper, path) if path else exponax.stepper


def step_of(name, dimensions):
    """One step, and the shape of its state [channels, *space]."""
    exponax = pytest.importorskip("exponax")
    path, cls, _, settings = STEPPERS[name]
    stepper = built(getattr(module_of(exponax, path), cls), dimensions, **settings)
    return called(stepper), (stepper.num_channels, *[N] * dimensions)


def built(cls, dimensions, **settings):
    """A stepper, built under JAX's default promotion."""
    return lenient(lambda: cls(dimensions, 3.0, N, 0.1, **settings))()


def called(module):
    """A function that calls a module under JAX's default promotion. `lenient` cannot wrap the module itself."""

    def call(state):
        return module(state)

    return lenient(call)


def laws_of(step, shape, **settings):
    """The cyclic claim along each spatial axis."""
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    axes = tuple(range(1, len(shape)))
    certificate = jc.certify(step, x, axes=axes, search=False, **settings)
    return dict(zip(axes, [report.cyclic for report in certificate.leaves[0].axes], strict=True))


def true_shifts(name, dimensions):
    """For each spatial axis, the shifts by which a step commutes with rolls, in float64."""
    with jax.enable_x64(True):
        step, shape = step_of(name, dimensions)
        state = np.random.default_rng(0).normal(size=shape) * 0.3
        moves = [(axis, shift) for axis in range(1, len(shape)) for shift in range(1, N)]
        states = [state, *(np.roll(state, shift, axis) for axis, shift in moves)]
        first, *others = np.asarray(jax.jit(jax.vmap(step))(jnp.asarray(states)))
    assert np.isfinite(first).all()
    assert np.abs(first - state).max() > 1e-6  # a step that does nothing would commute with everything
    holds = {axis: [] for axis, _ in moves}
    for (axis, shift), found in zip(moves, others, strict=True):
        if np.allclose(found, np.roll(first, shift, axis), rtol=1e-9, atol=1e-9 * np.abs(first).max()):
            holds[axis].append(shift)
    return holds


def expected_shift(name, axis):
    """The least shift along an axis that should be proved."""
    return N // FORCED if name in FORCED_FLOWS and axis == 2 else 1


def test_the_table_has_every_stepper():
    """All but those that rescale the coefficients of another, which they call."""
    exponax = pytest.importorskip("exponax")
    classes = {
        (path, cls)
        for path in ("", "generic", "reaction")
        for cls in module_of(exponax, path).__all__
        if isinstance(getattr(module_of(exponax, path), cls), type)
    }
    rescaled = {(path, cls) for path, cls in classes if cls.startswith(("Normalized", "Difficulty", "Diffulty"))}
    assert {(path, cls) for path, cls, _, _ in STEPPERS.values()} == classes - rescaled


@pytest.mark.parametrize(("name", "dimensions"), CASES)
def test_every_true_shift_is_proved(name, dimensions):
    claims = laws_of(*step_of(name, dimensions), values=True)
    truth = true_shifts(name, dimensions)
    for axis, claim in claims.items():
        shift = expected_shift(name, axis)
        assert truth[axis] == list(range(shift, N, shift))
        assert (claim.verdict, claim.shift, claim.moves) == (Verdict.PROVED, shift, ((axis, shift),)), claim.culprit


@pytest.mark.parametrize(("name", "dimensions"), CASES)
def test_steps_are_equivariant_for_all_coefficients_but_not_for_every_forcing(name, dimensions):
    """The wave that forces a flow is a closed-over array. As a parameter it may be any array, at any mode."""
    for axis, claim in laws_of(*step_of(name, dimensions)).items():
        if name in FORCED_FLOWS:
            assert claim.verdict == Verdict.UNDECIDED
            assert "adds modes that rotate at different rates" in claim.culprit.reason
        else:
            assert (claim.verdict, claim.shift, claim.moves) == (Verdict.PROVED, 1, ((axis, 1),)), claim.culprit


@pytest.mark.parametrize(
    ("name", "dimensions"), [(name, dimensions) for name, dimensions in CASES if dimensions == STEPPERS[name][2][0] < 3]
)
def test_recheck_has_no_objection(name, dimensions):
    step, shape = step_of(name, dimensions)
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    with executing_by_numpy():
        certificate = jc.certify(step, x, axes=(len(shape) - 1,), search=False, values=True)
        assert jc.recheck(certificate, step, x) == ()


@pytest.mark.parametrize("mode", [1, 3])
def test_a_forced_flow_whose_wave_does_not_repeat_is_refuted(mode):
    """A wave at mode k repeats after N / gcd(k, N) cells: here not before the end."""
    exponax = pytest.importorskip("exponax")
    step = called(built(exponax.stepper.KolmogorovFlowVorticity, 2, injection_mode=mode))
    x = jax.ShapeDtypeStruct((1, N, N), jnp.float32)
    along, across = jc.certify(step, x, axes=(1, 2), values=True).leaves[0].axes
    assert (along.cyclic.verdict, along.cyclic.shift) == (Verdict.PROVED, 1)
    assert across.cyclic.verdict == Verdict.REFUTED


@pytest.mark.parametrize("times", [1, 3])
def test_repeated_steps_and_trajectories(times):
    exponax = pytest.importorskip("exponax")
    stepper = built(exponax.stepper.Burgers, 1)
    repeated = called(exponax.RepeatedStepper(stepper, times))
    assert laws_of(repeated, (1, N))[1].moves == ((1, 1),)
    rollout = called(exponax.rollout(stepper, times))  # [time, channel, space]
    assert laws_of(rollout, (1, N))[1].moves == ((2, 1),)
