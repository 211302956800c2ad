"""Three networks that are trained, certified, and computed from tiles or on a stream: briefly, by `--quick`."""

import re

import jax
import numpy as np
import pytest
from support.example_scripts import EXAMPLES, defaults, ended, module, rows

import jaxconv as jc

SCRIPTS = ("train_resnet", "train_unet", "train_wavenet")


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_script_says_what_to_expect_and_how_to_run_it(name):
    found = ended(name, "--help")
    assert found.status == 0
    for part in (f"python examples/{name}.py --quick", "--steps", "--seed", "Expect", "seeds 0 and 1"):
        assert part in found.text, part
    assert ended(name, "--steps", 0).status == ended(name, "--seed", -1).status == 2


def quick(name):
    """What a script prints with --quick; it has a summary, and the loss of its last step."""
    found = ended(name, "--quick")
    assert found.status == 0, found.errors
    assert re.search(r"step 3/3, loss \d", found.errors)
    assert re.search(r"parameters, [\d,]+ multiply-adds for one call\n", found.text)
    return found.text


def test_circular_padding_keeps_every_label_of_a_shift_that_is_proved():
    """By 8 pixels, four times the network's stride of 2; for an untrained network as well as for a trained one."""
    found = {row[0]: row[1:] for row in rows(quick("train_resnet"), "padding", between=r"\s{2,}")}
    assert found.keys() == {"zero", "circular"}
    assert found["circular"][:2] == ["2 -> 1", "2 -> 1"]
    assert found["zero"][:2] == ["UNDECIDED", "2 -> 1"]
    assert found["circular"][-2] == "100.0%"
    assert found["circular"][2] == found["circular"][3]  # the accuracy, and that of rolled images


@pytest.mark.parametrize("padding", ["zero", "circular"])
def test_the_law_of_the_whole_resnet(padding):
    """Of the network that is trained without --quick: its strides are 8. Nothing is executed."""
    resnet = module("train_resnet")
    with defaults():
        axis = resnet.certified(padding, resnet.WIDTHS, 32).leaves[0].axes[0]
        interior = resnet.certified(padding, resnet.WIDTHS, resnet.LARGE).leaves[0].axes[0].interior
    assert (axis.cyclic.verdict.value, axis.cyclic.shift) == {
        "zero": ("UNDECIDED", None), "circular": ("PROVED", 8),
    }[padding]  # fmt: skip
    assert (interior.verdict.value, interior.shift) == ("PROVED", 8)


def test_the_tiles_of_a_unet_are_the_whole():
    text = quick("train_unet")
    assert text.count("PROVED: tiles begin at multiples of 4") == 2
    assert "100.00% of the labels are those of the whole" in text
    assert float(re.search(r"differ by at most ([\d.e+-]+) ", text)[1]) < 1e-5


def test_the_tiles_of_a_unet_are_the_whole_bit_for_bit_on_whole_numbers():
    unet, draw = module("train_unet"), np.random.default_rng(0)
    with defaults():
        shapes = jax.eval_shape(unet.init, jax.random.key(0))
        few = lambda shape: 3 / np.prod(shape[:-1], dtype=int)  # so that sums stay small: 3 numbers for each output
        params = jax.tree.map(
            lambda leaf: np.float32(
                draw.choice([-1, 1], leaf.shape) * (draw.uniform(size=leaf.shape) < few(leaf.shape))
            ),
            shapes,
        )
        image = np.float32(draw.integers(-2, 3, (1, 76, 64, 1)))
        whole = jax.jit(unet.model)(params, image)
        tiles = jc.tiled(unet.model, tile=56, axes={1: (1, 2)})(params, image)
    assert 0 < np.abs(whole).max() < 2**24
    np.testing.assert_array_equal(tiles, whole)


def test_shapes_are_seen_where_they_are():
    """The image is the noise around 1 on shapes and 0 elsewhere; the classes are three."""
    images, labels = module("train_unet").shapes(np.random.default_rng(0), 20, (32, 48))
    assert images.shape == (20, 32, 48, 1)
    assert set(np.unique(labels)) == {0, 1, 2}
    means = [images[labels == kind].mean() for kind in range(3)]
    np.testing.assert_allclose(means, (0, 1, 1), atol=0.05)


def test_the_stream_of_a_wavenet_is_the_whole():
    text = quick("train_wavenet")
    assert "latency 0" in text
    assert "receptive field: 65\n" in text
    assert float(re.search(r"differ from the whole by at most ([\d.e+-]+)\.\n", text)[1]) < 1e-5


def test_a_signal_is_two_sines_and_noise():
    """The second differences of sines are small; the noise is as large as it says."""
    wavenet = module("train_wavenet")
    x = wavenet.signals(np.random.default_rng(0), 50, 400)[..., 0]
    assert abs(x.mean()) < 0.05
    np.testing.assert_allclose((x**2).mean(), 2 * 0.5 + wavenet.NOISE**2, rtol=0.1)


def test_all_scripts_that_train_networks_are_tested():
    assert {path.stem for path in EXAMPLES.glob("train_*.py")} == {*SCRIPTS, "train_lenet"}
