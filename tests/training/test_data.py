"""Data: complete, broken and mixed-up IDX files; the digits of scikit-learn; batches."""

import gzip
from itertools import islice

import numpy as np
import pytest
from support.idx_files import idx, write_mnist

from jaxconv.training.data import batches, bundled_digits, mnist, read_idx

GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize(
    "form",
    [{}, {"pack": gzip.compress, "end": ".gz"}, {"pack": gzip.compress}, {"spelling": "{}-{}.ubyte"}],
    ids=["plain", "gzipped", "gzipped without saying so", "other spelling"],
)
def test_mnist_files_become_arrays(tmp_path, form):
    if "spelling" in form:
        arrays = write_mnist(tmp_path)
        for path in list(tmp_path.iterdir()):
            path.rename(tmp_path / path.name.replace("-idx", ".idx"))
    else:
        arrays = write_mnist(tmp_path, **form)
    digits = mnist(tmp_path)
    assert digits.train_images.shape == (5, 32, 32, 1)
    assert digits.train_images.dtype == np.float32
    margin = digits.train_images.copy()
    margin[:, 2:30, 2:30] = 0
    assert not margin.any()
    expected = arrays["train_images"].astype(np.float32) / 255
    np.testing.assert_array_equal(digits.train_images[:, 2:30, 2:30, 0], expected)
    np.testing.assert_array_equal(digits.test_labels, arrays["t10k_labels"])
    assert digits.test_labels.dtype == np.int32


SOME_IMAGES, SOME_LABELS = idx(np.zeros((5, 28, 28))), idx(np.arange(5))


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"train_images": SOME_IMAGES[:-1]}, r"train-images-idx3-ubyte is 3919 numbers long, but should be 3920 .* truncated"),
        ({"train_images": SOME_IMAGES + b"x"}, "is 3921 numbers long, but should be 3920 .* Something follows the data"),
        ({"train_images": SOME_LABELS}, "begins with 00 00 08 01, but should be an IDX file of images, .* mixed up"),
        ({"t10k_labels": SOME_IMAGES}, "begins with 00 00 08 03, but should be an IDX file of labels, .* mixed up"),
        ({"train_labels": idx(np.arange(4))}, "train-labels-idx1-ubyte is 4 labels, but should be 5, one for each image"),
        ({"train_labels": idx(np.array([1, 2, 10, 3, 4]))}, "is label 10 at index 2, but should be labels from 0 to 9"),
        ({"train_images": idx(np.zeros((5, 8, 8)))}, r"is of images \(8, 8\), but should be 28x28"),
        ({"train_images": b""}, "is a file that begins with nothing, but should be an IDX file of images"),
        ({"train_images": b"\x00\x00\x08\x03\x00\x00"}, "is a file that begins with 00 00 08 03, but should be an IDX"),
        ({"train_images": bytes([0, 0, 13, 3]) + SOME_IMAGES[4:]}, "begins with 00 00 0d 03, but should be an IDX file"),
        ({"train_images": gzip.compress(SOME_IMAGES)[:-20]}, "is a broken gzip file, but should be whole. Fetch it again"),
        ({"train_images": gzip.compress(SOME_IMAGES)[:-8] + bytes(8)}, "is a broken gzip file, but should be whole"),
        ({"train_images": b"\x1f\x8b\x08\x00" + bytes(50)}, "is a broken gzip file, but should be whole"),
    ],
)  # fmt: skip
def test_bad_files_are_refused_by_name(tmp_path, replaced, message):
    write_mnist(tmp_path, **replaced)
    with pytest.raises(ValueError, match=message):
        mnist(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"one that contains train-images-idx3-ubyte \(or with \.gz\)"):
        mnist(tmp_path)


def test_read_idx_keeps_order(tmp_path):
    array = GENERATOR.integers(0, 256, (2, 3, 4))
    (tmp_path / "some").write_bytes(idx(array))
    np.testing.assert_array_equal(read_idx(tmp_path / "some", axes=3), array)


def test_the_bundled_digits():
    digits = bundled_digits()
    assert digits.train_images.shape == (1437, 32, 32, 1)
    assert digits.test_images.shape == (360, 32, 32, 1)
    assert digits.train_images.dtype == np.float32
    assert 0 <= digits.train_images.min() < digits.train_images.max() <= 1
    assert set(digits.train_labels) == set(digits.test_labels) == set(range(10))
    held_out = {image.tobytes() for image in digits.test_images}
    assert not any(image.tobytes() in held_out for image in digits.train_images)
    np.testing.assert_array_equal(digits.test_images, bundled_digits().test_images)


def test_batches_visit_every_example_once_an_epoch():
    first, second = (np.concatenate(list(islice(batches(12, 4, seed=3), start, start + 3))) for start in (0, 3))
    assert sorted(first) == sorted(second) == list(range(12))
    assert not np.array_equal(first, second)


def test_batches_are_fixed_by_their_seed():
    draw = lambda seed: np.stack(list(islice(batches(10, 3, seed=seed), 7)))
    np.testing.assert_array_equal(draw(1), draw(1))
    assert not np.array_equal(draw(1), draw(2))


@pytest.mark.parametrize("size", [0, 11, -1])
def test_batches_must_fit(size):
    with pytest.raises(ValueError, match=f"batches: size is {size}, but should be from 1 to the 10 examples"):
        next(batches(10, size, seed=0))
