"""`certify` on small functions: the claims that it proves, the claims that it must not prove, and its reports."""

import json
import re
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.claim_oracle import violation

import jaxconv as jc
from jaxconv.training.lenet import init_lenet, lenet
from jaxconv.verify.claims import Verdict
from jaxconv.verify.domain import Moving
from jaxconv.verify.rule_table import RULES

certify = partial(jc.certify, search=False)  # proofs only

GENERATOR = np.random.default_rng(0)
X = jax.ShapeDtypeStruct((1, 12, 8, 2), "float32")
ROUNDS = jnp.float32(3)  # a closed-over float, whose value is unknown to a proof
KERNEL = jnp.asarray(GENERATOR.normal(size=(3, 3, 2, 2)).astype(np.float32))
LAYOUT = ("NHWC", "HWIO", "NHWC")


def wrapped(x, stride=1):
    """A circular convolution, written with lax only."""
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap")
    return lax.conv_general_dilated(x, KERNEL, (stride, stride), "VALID", dimension_numbers=LAYOUT)


def local_mean(x):
    """The mean of three neighbours along the height, without padding."""
    return (x[:, :-2] + x[:, 1:-1] + x[:, 2:]) / 3


def attention(x):
    """Self-attention along the width, without position encoding."""
    scores = jnp.einsum("nhwc,nhvc->nhwv", jnp.einsum("nhwc,cd->nhwd", x, KERNEL[0, 0]), x)
    return jnp.einsum("nhwv,nhvc->nhwc", jax.nn.softmax(scores, axis=-1), x)


def shuffled(x):
    """Space to depth by two, as for patches."""
    n, h, w, c = x.shape
    y = x.reshape(n, h // 2, 2, w // 2, 2, c)
    return jnp.transpose(y, (0, 1, 3, 2, 4, 5)).reshape(n, h // 2, w // 2, 4 * c)


CHECKERBOARD = lambda: ((jnp.arange(12)[:, None] + jnp.arange(8)) % 2).astype(jnp.float32)[None, :, :, None]
# The claims that are proved for shifts along axis 1: (shift, moves), cyclic and interior; None if none may be proved.
PROVED = {
    "convolution": (wrapped, (1, ((1, 1),)), (1, ((1, 1),))),
    "stride 2": (lambda x: wrapped(x, 2), (2, ((1, 1),)), (2, ((1, 1),))),
    "roll": (lambda x: jnp.roll(x, 3, 1), (1, ((1, 1),)), (1, ((1, 1),))),
    "reversed": (lambda x: wrapped(x)[:, ::-1], (1, ((1, -1),)), (1, ((1, -1),))),
    "transposed": (lambda x: jnp.swapaxes(wrapped(x), 1, 2), (1, ((2, 1),)), (1, ((2, 1),))),
    "global maximum": (lambda x: wrapped(x).max((1, 2)), (1, ()), None),
    "global mean added": (lambda x: wrapped(x) - x.mean((1, 2), keepdims=True), (1, ((1, 1),)), None),
    "repeated": (lambda x: jnp.repeat(x, 2, axis=1), (1, ((1, 2),)), (1, ((1, 2),))),
    "resized": (lambda x: jax.image.resize(x, (1, 24, 8, 2), "nearest"), (1, ((1, 2),)), (1, ((1, 2),))),
    "patches": (shuffled, (2, ((1, 1),)), (2, ((1, 1),))),
    "pooled by reshape": (lambda x: x.reshape(1, 4, 3, 8, 2).max(2), (3, ((1, 1),)), (3, ((1, 1),))),
    "polyphase and back": (
        lambda x: jnp.stack([x[:, ::2], x[:, 1::2]], 2).reshape(1, 12, 8, 2),
        (2, ((1, 2),)),
        (2, ((1, 2),)),
    ),
    "checkerboard": (lambda x: x * CHECKERBOARD(), (2, ((1, 2),)), (2, ((1, 2),))),
    "attention along the other axis": (attention, (1, ((1, 1),)), (1, ((1, 1),))),
    "attention": (lambda x: attention(jnp.swapaxes(x, 1, 2)), (1, ((2, 1),)), None),
    "attention map": (lambda x: jnp.einsum("nhwc,ngwc->nhg", x, x), (1, ((1, 1), (2, 1))), (1, ((1, 1), (2, 1)))),
    "scan": (
        lambda x: lax.scan(lambda c, w: (jnp.tanh(wrapped(c) * w), None), x, jnp.ones(3))[0],
        (1, ((1, 1),)),
        (1, ((1, 1),)),
    ),
    "while, three rounds": (lambda x: lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, wrapped(s[1])), (0, x))[1], (1, ((1, 1),)), (1, ((1, 1),))),
    "while, a parameter of rounds": (lambda x: lax.while_loop(lambda s: s[0] < ROUNDS, lambda s: (s[0] + 1, wrapped(s[1])), (0.0, x))[1], (1, ((1, 1),)), None),
    "while it is small": (lambda x: lax.while_loop(lambda y: y.sum() < 9, lambda y: wrapped(y) + 1, x), (1, ((1, 1),)), None),
    "a known branch": (lambda x: lax.switch(1, [lambda y: y[:, ::-1], jnp.tanh], x), (1, ((1, 1),)), (1, ((1, 1),))),
    "mapped over the height": (lambda x: lax.map(lambda row: row * KERNEL[0, 0].sum(), jnp.moveaxis(x, 1, 0)), (1, ((0, 1),)), (1, ((0, 1),))),
    "mapped with a neighbour": (lambda x: lax.map(lambda pair: pair[0] - pair[1], (jnp.moveaxis(x, 1, 0), jnp.roll(jnp.moveaxis(x, 1, 0), 1, 0))), (1, ((0, 1),)), (1, ((0, 1),))),
    "mapped with what moves": (lambda x: lax.map(lambda row: row + x[0, :, 0, 0].sum() * 0 + x[:, 0], jnp.moveaxis(x, 1, 0)), None, None),
    "mapped with itself whole": (lambda x: lax.map(lambda row: row + jnp.max(x[:, :3]), x[0]), None, None),
    "counted over the height": (lambda x: lax.scan(lambda c, row: (c + 1, row * c), 0.0, jnp.moveaxis(x, 1, 0))[1], None, None),
    "a hundred rounds": (lambda x: lax.fori_loop(0, 100, lambda _, y: jnp.tanh(wrapped(y)), x), (1, ((1, 1),)), None),
    "tiled": (lambda x: jnp.tile(x, (1, 2, 3, 1)), (1, ((1, 1),)), (1, ((1, 1),))),
    "tiled elsewhere": (lambda x: jnp.tile(x, (1, 1, 2, 2)), (1, ((1, 1),)), (1, ((1, 1),))),
    "windows by vmap": (lambda x: jax.vmap(lambda i: lax.dynamic_slice_in_dim(x, i, 3, axis=1))(jnp.arange(10)), None, (1, ((0, 1),))),
    "looked up in a table": (lambda x: jnp.interp(x, jnp.arange(5.0), jnp.arange(5.0) ** 2), (1, ((1, 1),)), (1, ((1, 1),))),
    "by platform": (lambda x: lax.platform_dependent(x, cpu=wrapped, default=jnp.tanh), (1, ((1, 1),)), (1, ((1, 1),))),
    "by platform, at different rates": (lambda x: lax.platform_dependent(x, cpu=lambda y: y[:, ::2], default=lambda y: y[:, :6]), None, None),
    "border overwritten": (lambda x: x.at[:, 0].set(0.0), None, (1, ((1, 1),))),
    "padded by hand": (lambda x: local_mean(jnp.zeros((1, 14, 8, 2)).at[:, 1:-1].set(x)), None, (1, ((1, 1),))),
    "wrapped by hand": (lambda x: local_mean(jnp.zeros((1, 14, 8, 2)).at[:, 1:-1].set(x).at[:, :1].set(x[:, -1:]).at[:, -1:].set(x[:, :1])), (1, ((1, 1),)), (1, ((1, 1),))),
    "a window added to elsewhere": (lambda x: x.at[:, :, 2:5].add(x[:, :, :3]), (1, ((1, 1),)), (1, ((1, 1),))),
    "a window updated elsewhere": (lambda x: lax.dynamic_update_slice(x, 2 * x[:, :, :3], (0, 0, 4, 0)), (1, ((1, 1),)), (1, ((1, 1),))),
    "updated at an index that is not known": (lambda x: lax.dynamic_update_slice(x, 2 * x[:, :, :3], (0, 0, ROUNDS.astype(int), 0)), (1, ((1, 1),)), (1, ((1, 1),))),
    "written at an array of indices": (lambda x: x.at[:, jnp.array([0, 3])].set(0.0), None, (3, ((1, 3),))),
    "cond": (lambda x: lax.cond(x.sum() > 0, wrapped, jnp.tanh, x), (1, ((1, 1),)), None),
    "gradient": (jax.grad(lambda x: (jnp.tanh(x) ** 3).sum()), (1, ((1, 1),)), (1, ((1, 1),))),
    "gradient of max pooling": (jax.grad(lambda x: (jc.max_pool(x, (2, 2)) ** 2).sum()), (2, ((1, 2),)), (2, ((1, 2),))),
    "checkpoint and vmap": (jax.checkpoint(jax.vmap(lambda x: wrapped(x[None])[0])), (1, ((1, 1),)), (1, ((1, 1),))),
    "batch statistics": (lambda x: (x - x.mean((0, 1, 2))) / x.std((0, 1, 2)), (1, ((1, 1),)), None),
    "im2col": (lambda x: x[:, (jnp.arange(12)[:, None] + jnp.arange(3)) % 12], (1, ((1, 1),)), (1, ((1, 1),))),
    "sorted along the shifted axis": (lambda x: jnp.sort(x, axis=1), (1, ()), None),
    "sum over a flattened image": (lambda x: x.reshape(1, -1) @ jnp.ones((192, 3)), (1, ()), None),
    "zero padding": (lambda x: jc.conv({"kernel": KERNEL}, x, padding="same"), None, (1, ((1, 1),))),
    "no padding": (lambda x: jc.conv({"kernel": KERNEL}, x), None, (1, ((1, 1),))),
    "reflection": (lambda x: jc.conv({"kernel": KERNEL}, x, padding="reflect"), None, (1, ((1, 1),))),
    "wrap pad one too small": (
        lambda x: wrapped(jnp.concatenate([x[:, -1:], x], axis=1))[:, 1:],
        None,
        (1, ((1, 1),)),
    ),
    "stride 5 over 12": (lambda x: jc.conv({"kernel": KERNEL}, x, stride=5, padding="circular"), None, None),
    "taken along the other axis": (
        lambda x: jnp.take_along_axis(x, (x > 0).astype(jnp.int32), axis=2),
        (1, ((1, 1),)),
        (1, ((1, 1),)),
    ),
    "two axes indexed": (lambda x: x[:, jnp.arange(12)[:, None], jnp.arange(8)], (1, ((1, 1),)), (1, ((1, 1),))),
    "diagonal": (lambda x: x[:, jnp.arange(8), jnp.arange(8)], None, None),
    "positions": (lambda x: x + jnp.arange(12.0)[:, None, None], None, None),
    "random mask": (lambda x: x * jax.random.normal(jax.random.key(0), x.shape), None, None),
    "cumulative sum": (lambda x: jnp.cumsum(x, axis=1), None, None),
    "argmax along the shifted axis": (lambda x: jnp.argmax(x, axis=1), None, None),
    "dense after flattening": (lambda x: x.reshape(1, -1) @ jnp.asarray(GENERATOR.normal(size=(192, 3)), "float32"), None, None),
    "one row": (lambda x: x[:, 3], None, None),
    "scan over rows": (lambda x: lax.scan(lambda c, r: (c + r, c), jnp.zeros((1, 8, 2)), jnp.moveaxis(x, 1, 0))[1], None, None),
    "indices that depend on the input": (lambda x: jnp.take_along_axis(x, (x > 0).astype(jnp.int32), axis=1), None, None),
}  # fmt: skip


def lattice(claim):
    """Return the shift and the moves of a proved claim, or None."""
    return (claim.shift, claim.moves) if claim.verdict == Verdict.PROVED else None


@pytest.mark.parametrize(("fn", "cyclic", "interior"), PROVED.values(), ids=PROVED)
def test_proves_what_is_true_and_nothing_else(fn, cyclic, interior):
    """The shift and the moves are those computed by hand, and execution refutes no proved claim."""
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        report = certify(fn, X, axes=(1,)).leaves[0].axes[0]
        assert lattice(report.cyclic) == cyclic
        assert lattice(report.interior) == interior
        for kind, claim in (("cyclic", report.cyclic), ("interior", report.interior)):
            if claim.verdict == Verdict.PROVED:
                x = GENERATOR.integers(-4, 5, X.shape).astype(np.float32)
                assert violation(fn, (x,), 0, 1, 0, claim, kind, samples=2) is None
            else:
                assert claim.culprit is not None
                assert "failed" not in claim.culprit.reason


def test_a_proof_says_where_and_how_far_it_sees():
    net = lambda x: jc.conv(
        {"kernel": KERNEL}, jc.max_pool(jc.conv({"kernel": KERNEL}, x, padding="same"), (2, 2)), padding="same"
    )
    claim = certify(net, jax.ShapeDtypeStruct((1, 16, 8, 2), "float32"), axes=(1,)).leaves[0].axes[0].interior
    assert claim.region == ((1, 2, 6),)
    assert (claim.receptive_field.size, claim.receptive_field.rate) == (8, 2)
    assert (claim.receptive_field.first, claim.receptive_field.last) == (-3, 4)


def culprit_line(x):
    """A function with one culprit line."""
    x = wrapped(x)
    x = x + jnp.arange(12.0).reshape(1, 12, 1, 1)  # culprit
    return jax.jit(jnp.tanh)(x)


@pytest.mark.parametrize(("length", "before", "after"), [(1, -2, 2), (1, 2, -2), (3, -3, 5), (2, 4, -3)])
def test_a_frame_from_which_all_cells_were_cut_away_stays_within_the_output(length, before, after):
    padded = lambda x: lax.pad(x, jnp.float32(0), ((0, 0, 0), (before, after, 0)))
    claim = certify(padded, jax.ShapeDtypeStruct((1, length), "float32"), axes=(1,)).leaves[0].axes[0].interior
    assert all(0 <= lo < hi <= length + before + after for _, lo, hi in claim.region)


def test_a_break_names_the_users_own_line():
    broken = certify(culprit_line, X, axes=(1,)).leaves[0].axes[0].cyclic.culprit
    lines = Path(__file__).read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if line.endswith("# culprit"))
    assert broken.primitive == "add"
    assert broken.source == f"{__file__}:{number} (culprit_line)"
    assert any("jax" in frame for frame in broken.frames)


def test_inside_a_nested_jit_the_call_is_named():
    inner = jax.jit(lambda x: jnp.cumsum(x, axis=1))

    def calling(x):
        return inner(x)

    broken = certify(calling, X, axes=(1,)).leaves[0].axes[0].cyclic.culprit
    assert broken.primitive == "cumsum"
    assert broken.source.startswith(__file__)


def test_the_size_of_the_image_does_not_matter():
    """No array of the input's size is made, because the memory does not suffice for it."""
    x = jax.ShapeDtypeStruct((1, 2**20, 2**20, 2), "float32")
    claims = certify(lambda x: jc.global_avg_pool(wrapped(x)), x, axes=(1, 2)).leaves[0].axes
    assert all(lattice(axis.cyclic) == (1, ()) for axis in claims)


def test_every_leaf_has_its_own_answer():
    certificate = certify(lambda x: {"map": wrapped(x), "sum": x.sum((1, 2)), "rows": x[:, :3]}, X, axes=(1, 2))
    assert [leaf.path for leaf in certificate.leaves] == ["['map']", "['rows']", "['sum']"]
    assert [lattice(leaf.axes[0].cyclic) for leaf in certificate.leaves] == [(1, ((1, 1),)), None, (1, ())]
    assert (certificate.cyclic, certificate.interior) == (Verdict.UNDECIDED, Verdict.UNDECIDED)


def test_parameters_may_be_arguments_and_several_inputs_move_together():
    fn = lambda params, image, mask: jc.conv(params, image * mask, padding="circular")
    params = {"kernel": jax.ShapeDtypeStruct((3, 3, 2, 5), "float32"), "bias": jax.ShapeDtypeStruct((5,), "float32")}
    together = certify(fn, params, X, X, axes={1: (1, 2), 2: (1, 2)})
    assert together.cyclic == Verdict.PROVED
    alone = certify(fn, params, X, X, axes={1: (1, 2)})
    assert alone.cyclic == Verdict.UNDECIDED
    assert "fixed and position-dependent" in alone.leaves[0].axes[0].cyclic.culprit.reason


def test_a_primitive_without_a_rule_is_named_and_never_passed(monkeypatch):
    monkeypatch.delitem(RULES[Moving], "sin")
    report = certify(jnp.sin, X, axes=(1,)).leaves[0].axes[0]
    assert report.cyclic.verdict == Verdict.UNDECIDED
    assert report.cyclic.culprit.reason == "there is no rule for sin"


def test_a_jaxpr_inside_is_not_always_a_call():
    """`shard_map` applies its jaxpr to parts of the operands. A shift of the parts is not a shift of the whole."""
    mesh = jax.make_mesh((2,), ("height",), axis_types=(jax.sharding.AxisType.Auto,))
    parts = jax.sharding.PartitionSpec(None, "height")
    rolled = jax.shard_map(lambda x: jnp.roll(x, 1, axis=1), mesh=mesh, in_specs=parts, out_specs=parts)
    certificate = jc.certify(rolled, X, axes=(1,))
    report = certificate.leaves[0].axes[0]
    assert report.cyclic.verdict == Verdict.UNDECIDED  # a shift by half of the height exchanges the parts
    assert report.cyclic.culprit.reason == "there is no rule for shard_map"
    assert "counterexample executed: shift 1" in str(certificate)


def test_the_report_names_both_claims():
    text = str(certify(lambda x: jc.conv({"kernel": KERNEL}, x, padding="same"), X, axes=(1,)))
    assert "cyclic shifts UNDECIDED, interior PROVED" in text
    assert "PROVED: shifts by 1 -> 1 along output axis 1, on [1, 11) of 12" in text
    assert "receptive field 3: output j sees inputs j - 1 to j + 1" in text
    assert "culprit: jaxconv_conv at" in text


def test_the_certificate_is_data():
    certificate = certify(wrapped, X, axes=(1,))
    data = json.loads(certificate.to_json())
    assert data["leaves"][0]["axes"][0]["claims"]["cyclic"]["moves"] == [[1, 1]]
    assert [row["primitive"] for row in data["derivations"][0]["cyclic"]][-1] == "conv_general_dilated"
    assert "<b style=" in certificate._repr_html_()


def test_integer_images_and_outputs_of_any_kind_are_fine():
    x = jax.ShapeDtypeStruct((1, 12, 8, 2), "uint8")
    assert certify(lambda x: jc.max_pool(x, (2, 2)), x, axes=(1, 2)).cyclic == Verdict.PROVED
    assert certify(lambda x: 3.0, x, axes=(1,)).cyclic == Verdict.PROVED


def reproduces(fn, witness):
    """Whether the two outputs of a witness, executed again, differ by every roll."""
    before, after = np.asarray(fn(*witness.arguments)), np.asarray(fn(*witness.shifted))
    rolls = [np.roll(before, t, axis) for axis in range(before.ndim) for t in range(before.shape[axis])]
    return all(np.abs(after - rolled).max() >= 0.99 * witness.error > 0 for rolled in rolls)


def test_what_fails_is_refuted_by_an_executed_counterexample():
    fn = lambda x: jc.conv({"kernel": KERNEL}, x, padding="same")
    certificate = jc.certify(fn, X, axes=(1,))
    report = certificate.leaves[0].axes[0]
    assert (certificate.cyclic, certificate.interior) == (Verdict.REFUTED, Verdict.PROVED)
    assert (report.cyclic.shift, report.cyclic.culprit.primitive) == (None, "jaxconv_conv")
    assert np.count_nonzero(report.cyclic.witness.arguments[0]) == 1
    assert reproduces(fn, report.cyclic.witness)
    assert "REFUTED: no shift of 1 to 11 cells is equivariant" in str(certificate)
    assert "counterexample executed: shift 1, error" in str(certificate)
    json.loads(certificate.to_json())


def test_positions_are_refuted_both_ways():
    report = jc.certify(lambda x: x + jnp.arange(12.0).reshape(1, 12, 1, 1) ** 2, X, axes=(1,)).leaves[0].axes[0]
    assert (report.cyclic.verdict, report.interior.verdict) == (Verdict.REFUTED, Verdict.REFUTED)


@pytest.mark.parametrize("name", ["convolution", "attention", "global maximum", "sorted along the shifted axis"])
def test_the_search_refutes_nothing_that_is_proved(name):
    cyclic = jc.certify(PROVED[name][0], X, axes=(1,)).leaves[0].axes[0].cyclic
    assert cyclic.verdict == Verdict.PROVED
    assert cyclic.witness is None


def test_without_a_search_what_is_not_proved_is_undecided():
    assert certify(lambda x: jnp.cumsum(x, axis=1), X, axes=(1,)).cyclic == Verdict.UNDECIDED


@pytest.mark.parametrize("argument", [False, True])
@pytest.mark.parametrize(
    ("bias", "verdict"), [(jnp.ones(12), Verdict.PROVED), (jnp.arange(12.0), Verdict.UNDECIDED)], ids=["alike", "not"]
)
def test_parameters_may_be_anything_unless_one_looks_at_them(argument, bias, verdict):
    """A bias along the height, with equal or with different numbers."""
    bias = bias.reshape(1, 12, 1, 1)
    fn = (lambda p, x: x + p) if argument else (lambda x: x + bias)
    arguments, axes = ((bias, X), {1: (1,)}) if argument else ((X,), (1,))
    for_all, for_these = (certify(fn, *arguments, axes=axes, values=values) for values in (False, True))
    assert for_all.cyclic == for_all.interior == Verdict.UNDECIDED
    assert for_these.cyclic == for_these.interior == verdict
    assert "all parameter values" in str(for_all)
    assert "the parameters as they are" in str(for_these)


def test_a_counterexample_keeps_the_values_that_were_looked_at():
    bias = jnp.arange(24.0).reshape(1, 12, 1, 2)
    certificate = jc.certify(lambda p, x: x + p, bias, X, axes={1: (1,)}, values=True)
    assert certificate.cyclic == Verdict.REFUTED
    np.testing.assert_array_equal(certificate.leaves[0].axes[0].cyclic.witness.arguments[0], bias)


def test_double_precision_is_searched_too():
    """A floor depends on rounding, so that the search must recognise rounding errors in float64 too."""
    with jax.enable_x64(True):
        x = jax.ShapeDtypeStruct((1, 8, 6, 1), "float64")
        certificate = jc.certify(lambda x: jnp.floor(x * 0.3).at[:, 0].set(0.0), x, axes=(1,))
        assert (certificate.cyclic, certificate.interior) == (Verdict.REFUTED, Verdict.PROVED)


def test_without_a_line_of_the_users_that_of_the_function_is_named():
    """The culprit of a network from a library is a line of the library, not a line inside JAX."""
    params = jax.eval_shape(init_lenet, jax.random.key(0))
    certificate = jc.certify(lenet, params, jax.ShapeDtypeStruct((1, 32, 32, 1), "float32"), axes={1: (1,)})
    broken = certificate.leaves[0].axes[0].interior.culprit
    assert re.search(r"lenet\.py:\d+ \(lenet\)$", broken.source), broken.source


def of_invariants(matrix_step, vector_step):
    """Return a function that solves triangular equations made from sums of every nth cell."""
    sums = lambda x, n: x[:, ::n].sum(1)
    solve = partial(lax.linalg.triangular_solve, left_side=True, lower=True)
    return lambda x: solve(jnp.diag(sums(x, matrix_step)[0]), sums(x, vector_step).T)


@pytest.mark.parametrize(("every", "other", "shift"), [(1, 1, 1), (6, 4, 12), (4, 6, 12), (3, 12, 12), (24, 1, None)])
@pytest.mark.parametrize("ruled", [True, False], ids=["by its rule", "without a rule"])
def test_any_function_of_what_stays_stays_under_the_shifts_of_all(every, other, shift, ruled, monkeypatch):
    """A result that is unchanged only by a shift by the whole length depends on the input, which is no law."""
    if not ruled:
        monkeypatch.delitem(RULES[Moving], "triangular_solve")
    x = jax.ShapeDtypeStruct((1, 24, 2), "float32")
    claim = jc.certify(of_invariants(every, other), x, axes=(1,), search=False).leaves[0].axes[0].cyclic
    assert (claim.shift, claim.moves) == (shift, ())


def test_random_numbers_are_not_computed():
    """They depend on the device and on flags. The proof must not use that all of these unsigned numbers are 0 or more."""
    bits = lambda: lax.rng_bit_generator(jnp.zeros(4, "uint32"), (1, 12, 1))[1]
    fn, x = lambda x: jnp.where(bits() >= jnp.uint32(0), x, 0), jax.ShapeDtypeStruct((1, 12, 1), "float32")
    (leaf,) = jc.certify(fn, x, axes=(1,), search=False).leaves
    assert leaf.axes[0].cyclic.verdict == Verdict.UNDECIDED
