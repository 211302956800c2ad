"""What is proved about tiles is what execution on whole numbers shows: no more, and where listed no less."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from support.tiled_functions import CHANNELS, NOT_PROVED, PROVED, conv, weights
from support.tiling_oracle import judged, signal

import jaxconv as jc
from jaxconv.verify import failures
from jaxconv.verify.tiling.rules import RULES

SIZES = [(24, 12), (28, 12), (30, 14)]
WHOLE, OTHER = 24, 10


@pytest.mark.parametrize(("whole", "tile"), SIZES)
@pytest.mark.parametrize("name", PROVED)
def test_tiles_agree_where_it_is_proved_and_nowhere_else(name, whole, tile):
    """`inner` is the largest interval: with weights that are not 0, one cell more fails at some offset."""
    fn, x = PROVED[name], signal((1, whole, OTHER, CHANNELS))
    claim = jc.certify_tiling(fn, x, tile=tile, axes=(1,)).leaves[0].axes[0]
    assert claim.proved, claim
    false, always = judged(fn, x, 1, tile, claim)
    assert not false, (claim, false)
    assert list(range(*claim.inner)) == always, claim


@pytest.mark.parametrize("name", NOT_PROVED)
def test_what_depends_on_the_whole_names_its_line(name):
    fn, primitive = NOT_PROVED[name]
    x = jax.ShapeDtypeStruct((1, WHOLE, OTHER, CHANNELS), "float32")
    claim = jc.certify_tiling(fn, x, tile=12, axes=(1,)).leaves[0].axes[0]
    assert not claim.proved
    assert claim.culprit.primitive == primitive or not primitive, claim
    assert "tiled_functions.py" in claim.culprit.source or claim.culprit.equation < 0
    assert claim.culprit.reason in str(claim)


def test_same_with_a_stride_pads_by_the_size():
    """The tile has to be as long as the whole, modulo the stride."""
    fn, x = PROVED["a stride"], jax.ShapeDtypeStruct((1, 25, OTHER, CHANNELS), "float32")
    claims = [jc.certify_tiling(fn, x, tile=tile, axes=(1,)).leaves[0].axes[0] for tile in (12, 13)]
    assert [claim.proved for claim in claims] == [False, True]
    assert "by part of a stride" in claims[0].culprit.reason
    assert claims[0].culprit.primitive == "jaxconv_conv"


def layers(draw, depth):
    """A chain of layers that can be tiled, drawn one by one."""
    steps = []
    for _ in range(depth):
        steps.append(
            draw(
                st.one_of(
                    st.tuples(st.just("conv"), st.sampled_from(["valid", "same", "reflect", "circular", "edge"]),
                              st.integers(1, 2), st.integers(1, 2)),
                    st.tuples(st.just("pool"), st.integers(1, 3), st.integers(1, 3), st.integers(0, 1)),
                    st.tuples(st.just("repeat"), st.integers(2, 3)),
                    st.tuples(st.just("crop"), st.integers(0, 2), st.integers(0, 2), st.integers(1, 2)),
                    st.tuples(st.just("pad"), st.integers(-1, 2), st.integers(-1, 2), st.integers(0, 1)),
                    st.tuples(st.just("reverse")),
                    st.tuples(st.just("both"), st.integers(1, 3)),
                )
            )
        )  # fmt: skip
    return steps


def network(steps):
    """The function of a chain of layers."""

    def fn(x):
        for kind, *how in steps:
            if kind == "conv":
                x = jnp.round(conv(x, padding=how[0], stride=(how[1], 1), dilation=(how[2], 1)) / 16)
            elif kind == "pool":
                window, stride, padding = how
                pads = ((0, 0), (padding * (window > 1), padding * (window > 1)), (0, 0), (0, 0))
                x = lax.reduce_window(x, -jnp.inf, lax.max, (1, window, 1, 1), (1, stride, 1, 1), pads)
            elif kind == "repeat":
                x = jnp.repeat(x, how[0], 1)
            elif kind == "crop":
                x = x[:, how[0] : x.shape[1] - how[1] : how[2]]
            elif kind == "pad":
                x = lax.pad(x, jnp.float32(0), [(0, 0, 0), tuple(how), (0, 0, 0), (0, 0, 0)])
            elif kind == "reverse":
                x = x[:, ::-1]
            else:
                x = x[:, how[0] :] + x[:, : x.shape[1] - how[0]]
        return x

    return fn


@given(st.data())
@settings(max_examples=40)
def test_no_execution_refutes_a_chain_of_layers(data):
    """Of any lengths, so that windows, strides and padding end everywhere."""
    steps = layers(data.draw, data.draw(st.integers(1, 4)))
    tile = data.draw(st.integers(8, 20))
    whole = tile + data.draw(st.integers(1, 16))
    fn, x = network(steps), signal((1, whole, 6, CHANNELS), seed=tile)
    try:
        shape = jax.eval_shape(fn, jax.ShapeDtypeStruct((1, tile, 6, CHANNELS), "float32")).shape
        jax.eval_shape(fn, x)
    except ValueError:  # a layer refuses a signal that is this short
        return
    claim = jc.certify_tiling(fn, x, tile=tile, axes=(1,)).leaves[0].axes[0]
    if claim.proved and claim.output_axis is not None and 0 not in shape:
        false, _ = judged(fn, x, 1, tile, claim)
        assert not false, (steps, claim)


def test_several_outputs_and_arguments():
    x = jax.ShapeDtypeStruct((1, 40, 32, 3), "float32")
    both = lambda scale, a, b: {"sum": conv(a + b, padding="same") * scale, "coarse": a[:, ::4], "number": scale}
    certificate = jc.certify_tiling(both, jnp.ones(()), x, x, tile=(16, 8), axes={1: (1, 2), 2: (1, 2)})
    assert certificate.proved
    leaves = {leaf.path: leaf for leaf in certificate.leaves}
    assert [axis.shift for axis in leaves["['coarse']"].axes] == [4, 1]
    assert [axis.discarded for axis in leaves["['sum']"].axes] == [(1, 1), (2, 2)]
    assert leaves["['number']"].axes[0].output_axis is None
    assert "the output is the same for every tile" in str(certificate)


def test_two_axes_are_proved_one_after_the_other():
    """Where only the second depends on the size of the first, as in a branch, both claims speak of what was traced."""
    fn = lambda x: conv(x, padding="same") if x.shape[1] > 16 else conv(x, padding="circular")
    claims = jc.certify_tiling(fn, signal((1, 24, 20, 3)), tile=12, axes=(1, 2)).leaves[0].axes
    assert [claim.proved for claim in claims] == [False, True]
    assert claims[1].whole == 20


@pytest.mark.parametrize(
    ("tile", "axes", "error", "match"),
    [
        (24, (1,), ValueError, "the tile along axis 1 of argument 0 is 24, but should be at most 23"),
        (0, (1,), ValueError, "is 0, but should be 1 or more"),
        ((8, 8), (1,), ValueError, r"tile is \(8, 8\), but should be one size for each axis"),
        (8.5, (1,), TypeError, "tile is 8.5, but should be an integer"),
        (True, (1,), TypeError, "but should be an integer"),
        (8, (7,), ValueError, "an axis is 7"),
    ],
)
def test_bad_sizes_are_refused(tile, axes, error, match):
    with pytest.raises(error, match=match):
        jc.certify_tiling(lambda x: x, jax.ShapeDtypeStruct((1, 24, 10, 3), "float32"), tile=tile, axes=axes)


FIXED = {
    "times a table": lambda x: x[:, :8] * weights(1, 8, 1, 1),
    "padded to a fixed size": lambda x: (
        jnp.pad(x, ((0, 0), (0, -x.shape[1] % 24), (0, 0), (0, 0))) + weights(1, 24, 1, 1)
    ),
    "in a loop": lambda x: lax.fori_loop(0, 3, lambda _, y: jnp.minimum(y, weights(1, 8, 1, 1)), x[:, :8]),
    "transformed": lambda x: jnp.fft.fft(x[:, :8], axis=1),
    "weights for each cell": lambda x: jnp.einsum("nhwc,hcd->nhwd", x[:, :8], weights(8, 3, 2)),
    "the first cells and the last": lambda x: x[:, :8] + x[:, -8:],
    "beside a table": lambda x: lax.stack([x[0, :8], weights(8, OTHER, 3)]),
}


@pytest.mark.parametrize("name", FIXED)
def test_a_table_of_a_fixed_size_does_not_move(name):
    """The tile is nearly as long as the whole, so that some cells at the start move with it; the table's do not."""
    fn, x = FIXED[name], signal((1, 24, OTHER, CHANNELS))
    claim = jc.certify_tiling(fn, x, tile=22, axes=(1,)).leaves[0].axes[0]
    assert not claim.proved
    assert jc.certify_tiling(lambda x: x[:, :8], x, tile=22, axes=(1,)).proved


def test_a_value_without_cells_has_no_claim():
    x = jax.ShapeDtypeStruct((1, 21, 3), "float32")
    claim = jc.certify_tiling(lambda x: x[:, 11:] * jnp.ones_like(x[:, 11:]), x, tile=10, axes=(1,)).leaves[0].axes[0]
    assert not claim.proved


def test_uniform_values_that_are_shorter_for_the_whole_lie_nowhere():
    """The whole has fewer uniform cells than a tile, so `first` and `last` cannot be where all of them are."""

    def fn(x, p):
        n = x.shape[1]
        uniform = jnp.pad(jnp.full((1, 267 - 2 * n, 3), p), ((0, 0), (n - 90, 3), (0, 0)))
        return jnp.concatenate([x[:, : 180 - n] * uniform, x[:, 160 - n :]], 1)

    x = signal((1, 100, 3))
    claim = jc.certify_tiling(fn, x, jnp.float32(2), tile=95, axes={0: (1,)}).leaves[0].axes[0]
    if claim.proved:
        assert judged(lambda x: fn(x, jnp.float32(2)), x, 1, 95, claim)[0] == []


def test_a_closed_over_array_that_the_function_writes_to_is_compared():
    numbers = np.zeros(3, np.float32)

    def fn(x):
        numbers[:] = x.shape[1]
        return x * jnp.asarray(numbers)[None, None, None]

    claim = jc.certify_tiling(fn, jax.ShapeDtypeStruct((1, 24, 10, 3), "float32"), tile=12, axes=(1,)).leaves[0].axes[0]
    assert not claim.proved


def test_a_rule_that_fails_ends_the_proof_and_not_the_call(monkeypatch):
    monkeypatch.setattr(failures, "RAISE_FAILURES", False)
    monkeypatch.setitem(RULES, "sin", lambda pair: 1 // 0)
    claim = jc.certify_tiling(jnp.sin, jax.ShapeDtypeStruct((24,), "float32"), tile=12, axes=(0,)).leaves[0].axes[0]
    assert "the rule for sin of tiles failed" in claim.culprit.reason


def test_of_two_arguments_that_belong_together_both_are_to_be_tiled():
    x = jax.ShapeDtypeStruct((1, WHOLE, OTHER, CHANNELS), "float32")
    for call in (
        lambda: jc.certify_tiling(lambda a, b: a + b, x, x, tile=12, axes={0: (1,)}),
        lambda: jc.tiled(lambda a, b: a + b, tile=12, axes={0: (1,)})(np.zeros(x.shape, "float32"), x),
    ):
        match = (
            r"a function that raises TypeError for tiles of 12 of 24 cells along axis 1 of argument 0, .*add got incomp"
        )
        with pytest.raises(ValueError, match=match) as error:
            call()
        (note,) = [text for text in error.value.__notes__ if "is not tiled" in text]
        assert note.startswith(f"Axis 1 of argument 1 has {WHOLE} cells, too, and is not tiled.")
        assert note.endswith("tile both: axes={..., 1: (1,)}")


def test_messages_about_axes_speak_of_tiles():
    x = jax.ShapeDtypeStruct((1, WHOLE, OTHER, CHANNELS), "float32")
    with pytest.raises(ValueError, match=r"Write \{1: \(1, 2\)\} to tile axes 1 and 2 of the second argument"):
        jc.certify_tiling(lambda a, b: a + b, x, x, tile=12, axes=(1,))
    with pytest.raises(ValueError, match="the number of tiled axes of argument 1 is 2, but should be 1"):
        jc.certify_tiling(lambda a, b: a + b, x, x, tile=12, axes={0: (1,), 1: (1, 2)})
    with pytest.raises(TypeError, match=r"since it has axes to tile\. Pass the array to tile as a separate argument"):
        jc.tiled(lambda a: a["x"], tile=12, axes=(1,))({"x": x})


def test_a_function_that_refuses_a_tile_names_the_size():
    """As one whose positions are parameters: the whole is accepted, and only the tile is not."""
    x = jax.ShapeDtypeStruct((1, WHOLE, OTHER, CHANNELS), "float32")
    positions = lambda x: x + weights(1, WHOLE, 1, 1)
    match = (
        r"certify_tiling: fn \(<lambda>\) is a function that raises TypeError for tiles of 8 of 24 cells along axis 1 of "
        r"argument 0, but should be one that accepts tiles, as it accepts the whole\. Use another size, or change what the "
        r"error names: add got incompatible shapes for broadcasting: .*[^.]\.$"
    )
    with pytest.raises(ValueError, match=match) as error:
        jc.certify_tiling(positions, x, tile=8, axes=(1,))
    assert isinstance(error.value.__cause__, TypeError)
    with pytest.raises(TypeError, match=r"^add got incompatible shapes"):  # of the whole: the function's own error
        jc.certify_tiling(positions, jax.ShapeDtypeStruct((1, 23, OTHER, CHANNELS), "float32"), tile=8, axes=(1,))
