"""The feature map beside the reference's, and the animation: one stencil at every position."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from support.example_scripts import pictured, rows, run

from jaxconv import reference


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return run("show_sharing", tmp_path_factory.mktemp("pictures"), "--quick", "--seed", 3)


def test_the_feature_map_is_the_references(ran):
    from sklearn.datasets import load_digits

    images = load_digits().images
    x = np.stack([images[i] for i in np.random.default_rng(3).choice(len(images), 3, replace=False)], axis=-1)
    upright = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    slices = [upright, upright.T, np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]])]
    expected = reference.conv(np.stack(slices, axis=-1)[..., None], 0.0, x[None])[0, :, :, 0]
    found = np.array(rows(ran.text, "Feature map:"), float)
    assert found.shape == (6, 6)
    assert (found == expected).all()


def test_the_weights_are_counted(ran):
    assert rows(ran.text, "kernel ") == [
        ["shared", "27", "36", "times", "972"],
        ["not", "shared", "972", "once", "972"],
    ]


def test_the_animation_has_a_frame_for_each_position(ran):
    """The feature map, at the right, only gains cells; and the stencil moves."""
    path = ran.folder / "sliding.gif"
    assert f"figure: {path}\n" in ran.text
    assert path.stat().st_size < 500_000
    with Image.open(path) as animation:
        assert animation.n_frames == 6
        frames = []
        for number in range(animation.n_frames):
            animation.seek(number)
            frames.append(np.asarray(animation.convert("RGB"), int))
    filled = [(frame[:, -frame.shape[1] // 4 :].min(-1) < 250).sum() for frame in frames]
    assert filled == sorted(filled)
    assert filled[0] < filled[-1]
    assert all((one != other).any() for one, other in pairwise(frames))


def test_the_stills_are_drawn(ran):
    """Same colour, same weight: the shared diagram has three colours of lines, the one of two channels three more."""
    pictured(ran, "sharing.png")
    assert {"#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"} <= pictured(ran, "sharing_lines.png")
