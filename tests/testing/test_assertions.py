"""The assertions: proved claims pass; others fail with the culprit line, the witness and the fix."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from support.geometries import examples

import jaxconv as jc
from jaxconv.testing import UndecidedWarning, assert_equivariant, assert_invariant
from jaxconv.testing.strategies import networks
from jaxconv.verify.claims import Verdict
from jaxconv.verify.domain import Moving
from jaxconv.verify.rule_table import RULES

X = jax.ShapeDtypeStruct((1, 6, 4, 2), "float32")
PARAMS = {"kernel": jax.ShapeDtypeStruct((3, 3, 2, 3), "float32"), "bias": jax.ShapeDtypeStruct((3,), "float32")}


def circular(params, x):
    return jc.conv(params, x, padding="circular")


def strided(params, x):
    return jc.conv(params, x, padding="circular", stride=2)


def zero_padded(params, x):
    return jc.conv(params, x, padding="same")  # the culprit


def pooled(params, x):
    return jc.global_max_pool(circular(params, x))


def beyond_the_rules(x):
    """Invariant: the last cumulative sum is the sum. The rule for cumulative sums cannot prove this."""
    return jnp.cumsum(x, axis=1)[:, -1]


@examples(5)
@given(network=networks())
def test_networks_that_wrap_around_pass(network):
    axes = {1: range(1, len(network.shape) - 1)}
    if max(stride / n for stride, n in zip(network.strides, network.shape[1:], strict=False)) < 1:
        assert assert_equivariant(network, network.params(), network.x(), axes=axes).cyclic == Verdict.PROVED


@pytest.mark.parametrize("shift", [None, 2, -2, 4])
def test_multiples_of_the_stride_pass(shift):
    assert_equivariant(strided, PARAMS, X, axes={1: (1, 2)}, shift=shift)


@pytest.mark.parametrize("shift", [1, -1, 3])
def test_other_shifts_fail_with_a_witness(shift):
    with pytest.raises(AssertionError) as caught:
        assert_equivariant(strided, PARAMS, X, axes={1: (1,)}, shift=shift)
    message = str(caught.value)
    assert (
        f"strided is not equivariant: cyclic shifts along axis 1 of argument 1 (6 cells) by {shift} are not proved"
        in message
    )
    assert "by whole cells\n" in message
    assert "cure:     Assert shift=2, or remove the strides" in message
    if shift != 3:  # shift 3 is half of the length: only the phases of the stride differ
        assert f"witness:  shift by {shift}: f(shifted)" in message


def test_a_failure_names_the_line_the_witness_and_the_cure():
    with pytest.raises(AssertionError) as caught:
        assert_equivariant(zero_padded, PARAMS, X, axes={1: (1,)})
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        "zero_padded is not equivariant: cyclic shifts along axis 1 of argument 1 (6 cells) "
        "have no counterpart in output (1, 6, 4, 3)"
    )
    assert lines[1].startswith(f"  culprit:  jaxconv_conv at {__file__}:")
    assert lines[1].endswith("(zero_padded)")
    assert lines[3] == (
        "  law:      cyclic shifts by 1 along axis 1 of argument 1 move output (1, 6, 4, 3) by 1 along its axis 1"
    )
    assert lines[4].startswith("  witness:  shift by 1: f(shifted)[0, 0, ")
    assert lines[5] == "            argument 1: zeros (1, 6, 4, 2) but for [0, 0, 0, 0] = 1"
    assert lines[6] == "  cure:     Pad circularly, or keep to the interior"
    assert len(lines) == 7


def test_every_leaf_and_axis_that_fails_is_named():
    both = lambda params, x: {"good": circular(params, x), "bad": zero_padded(params, x)}
    with pytest.raises(AssertionError) as caught:
        assert_equivariant(both, PARAMS, X, axes={1: (1, 2)})
    message = str(caught.value)
    assert message.count("output['bad']") == 2 * message.count("is not equivariant")
    assert "['good']" not in message
    assert "axis 2 of argument 1 (4 cells)" in message


def test_the_interior_is_another_claim():
    assert_equivariant(zero_padded, PARAMS, X, axes={1: (1,)}, kind="interior", shift=1)
    with pytest.raises(AssertionError, match="interior shifts along axis 1 of argument 0"):
        assert_equivariant(lambda x: jnp.cumsum(x, axis=1), X, axes=(1,), kind="interior")


def test_invariance_is_equivariance_but_not_the_other_way_round():
    assert_invariant(pooled, PARAMS, X, axes={1: (1, 2)}, shift=1)
    assert_equivariant(pooled, PARAMS, X, axes={1: (1, 2)}, shift=1)
    with pytest.raises(AssertionError) as caught:
        assert_invariant(circular, PARAMS, X, axes={1: (2,)})
    message = str(caught.value)
    assert "circular is not invariant: cyclic shifts along axis 2 of argument 1 (4 cells) by 1 move output" in message
    assert "witness:  shift by 1: f(shifted)" in message
    assert "cure:     Reduce over the axis that moves, as jc.global_avg_pool does" in message


def test_a_pool_over_zero_padding_is_not_invariant():
    with pytest.raises(AssertionError, match=r"is not invariant(?s:.*)culprit: +jaxconv_conv(?s:.*)witness:"):
        assert_invariant(lambda params, x: jc.global_max_pool(zero_padded(params, x)), PARAMS, X, axes={1: (1,)})


def test_whole_turns_say_nothing():
    once_around = lambda x: jc.max_pool(x, (6, 1))
    with pytest.raises(AssertionError, match="Use 12 cells or more, or smaller strides"):
        assert_equivariant(once_around, X, axes=(1,))


def test_what_is_neither_fails_or_passes_and_says_so():
    with pytest.raises(AssertionError) as caught:
        assert_invariant(beyond_the_rules, X, axes=(1,), examples=20)
    message = str(caught.value)
    assert "beyond_the_rules is neither proved nor refuted to be invariant" in message
    assert "culprit:  cumsum at " in message
    assert "searched: no violation in " in message
    assert 'pass undecided="pass"' in message
    with pytest.warns(UndecidedWarning, match="neither proved nor refuted"):
        certificate = assert_invariant(beyond_the_rules, X, axes=(1,), examples=20, undecided="pass")
    assert certificate.cyclic == Verdict.UNDECIDED


def test_an_undecided_claim_that_is_violated_fails_all_the_same(monkeypatch):
    monkeypatch.delitem(RULES[Moving], "sin")
    with pytest.raises(AssertionError, match=r"is not invariant(?s:.*)there is no rule for sin(?s:.*)witness:"):
        assert_invariant(jnp.sin, X, axes=(1,), undecided="pass")


def test_a_violation_along_one_axis_is_no_violation_along_another():
    """Each failing axis is searched separately: the claim for axis 1 is neither refuted nor proved."""
    fn = lambda x: beyond_the_rules(x) * jnp.arange(x.shape[2], dtype=x.dtype)[None, :, None]
    with pytest.raises(AssertionError) as caught:
        assert_equivariant(fn, X, axes=(1, 2), examples=20)
    assert "axis 2 of argument 0" in str(caught.value)
    assert "axis 1 of argument 0" not in str(caught.value)


def test_a_dead_output_is_said_to_be_dead():
    with pytest.raises(AssertionError, match="nothing was tested: the output was the same for every example"):
        assert_invariant(lambda x: 0 * beyond_the_rules(x), X, axes=(1,), examples=10)


def test_large_inputs_are_not_run():
    def fn(x):
        return jax.pure_callback(lambda x: 1 / 0, jax.ShapeDtypeStruct((1, 1), "float32"), x)

    x = jax.ShapeDtypeStruct((1, 1000, 100, 1), "float32")
    with pytest.raises(AssertionError, match=r"searched: nothing, since the input has more than 65536 cells"):
        assert_equivariant(fn, x, axes=(1,))


def test_optional_packages_are_loaded_by_those_who_need_them():
    program = "import sys, jaxconv.testing.plugin as p; print(*({'hypothesis'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def test_only_these_parameters():
    """The scale is uniform, so the claim holds for these parameters, but not for all parameters."""
    scale = np.ones((1, 6, 1, 1), np.float32)
    fn = lambda scale, x: x * scale
    assert_equivariant(fn, scale, X, axes={1: (1,)}, values=True)
    with pytest.raises(AssertionError, match="witness"):
        assert_equivariant(fn, scale, X, axes={1: (1,)})
    total = lambda scale, x: jnp.sum(x * scale, axis=1)
    assert_invariant(total, scale, X, axes={1: (1,)}, values=True)
    with pytest.raises(AssertionError, match="witness"):
        assert_invariant(total, scale, X, axes={1: (1,)})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"undecided": "skip"}, 'undecided is \'skip\', but should be "fail" or "pass"'),
        ({"kind": "crop"}, 'kind is \'crop\', but should be "cyclic" or "interior"'),
        ({"axes": {1: (4,)}}, "assert_equivariant: an axis is 4"),
        ({"shift": 0}, "shift is 0, but should be"),
        ({"examples": 0, "shift": 1}, "examples is 0"),
    ],
)
def test_bad_requests_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        assert_equivariant(strided, PARAMS, X, **{"axes": {1: (1,)}, **settings})
