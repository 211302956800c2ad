"""Files of colour pictures that the tests write: each byte is found in its place."""

import numpy as np
import pytest
from PIL import Image

from jaxconv.training.loader import loader
from jaxconv.training.pictures import ImageFolder, cifar10, cifar100

DRAW = np.random.default_rng(0)
CIFAR10 = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]


def records(count, *limits):
    """Random records: their bytes, images [n, h, w, c] and labels [n, columns]."""
    labels = np.stack([DRAW.integers(0, limit, count) for limit in limits], 1)
    images = DRAW.integers(0, 256, (count, 32, 32, 3))
    pixels = [
        [image[row, column, channel] for channel in range(3) for row in range(32) for column in range(32)]
        for image in images
    ]
    return np.concatenate([labels, pixels], 1).astype(np.uint8).tobytes(), images, labels


def test_cifar_10_is_read(tmp_path):
    written = {}
    for count, name in enumerate(CIFAR10, 1):
        content, *written[name] = records(count, 10)
        (tmp_path / name).write_bytes(content)
    found = cifar10(tmp_path)
    train = [written[name] for name in CIFAR10[:5]]
    np.testing.assert_array_equal(found.train_images * 255, np.concatenate([images for images, _ in train]))
    np.testing.assert_array_equal(found.train_labels, np.concatenate([labels for _, labels in train])[:, 0])
    np.testing.assert_array_equal(found.test_images * 255, written["test_batch.bin"][0])
    np.testing.assert_array_equal(found.test_labels, written["test_batch.bin"][1][:, 0])
    assert found.train_images.shape == (15, 32, 32, 3)
    assert (found.train_images.dtype, found.train_labels.dtype) == (np.float32, np.int32)


@pytest.mark.parametrize(("labels", "column"), [("coarse", 0), ("fine", 1)])
def test_cifar_100_is_read(labels, column, tmp_path):
    train, test = records(4, 20, 100), records(3, 20, 100)
    (tmp_path / "train.bin").write_bytes(train[0])
    (tmp_path / "test.bin").write_bytes(test[0])
    found = cifar100(tmp_path, labels=labels)
    np.testing.assert_array_equal(found.train_images * 255, train[1])
    np.testing.assert_array_equal(found.test_images * 255, test[1])
    np.testing.assert_array_equal(found.train_labels, train[2][:, column])
    np.testing.assert_array_equal(found.test_labels, test[2][:, column])


def test_files_that_are_missing_truncated_or_of_another_data_set_are_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"cifar100: folder is '.*' without train.bin, but should be the folder"
    ):
        cifar100(tmp_path)
    content, _, _ = records(2, 20, 100)
    (tmp_path / "train.bin").write_bytes(content[:-1])
    with pytest.raises(
        ValueError, match=r"cifar100: train.bin is 6147 bytes long, but should be a positive multiple of 3074"
    ):
        cifar100(tmp_path)
    (tmp_path / "train.bin").write_bytes(b"")
    with pytest.raises(ValueError, match=r"train.bin is 0 bytes long"):
        cifar100(tmp_path)
    for name in CIFAR10:
        (tmp_path / name).write_bytes(bytes([3] + [0] * 3072) + bytes([10] + [0] * 3072))
    with pytest.raises(
        ValueError, match=r"cifar10: label is 10 at index 1, but should be from 0 to 9. Unpack the archive"
    ):
        cifar10(tmp_path)


def test_a_folder_of_images_is_read_in_the_order_of_its_names(tmp_path):
    colours = {"cats/b.png": (255, 0, 0), "cats/a.png": (0, 255, 0), "ants/z.JPG": (0, 0, 255)}
    for name, colour in colours.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (9, 7), colour).save(tmp_path / name, quality=100)
    (tmp_path / "cats" / "notes.txt").write_text("no image")
    found = ImageFolder(tmp_path, (4, 6))
    assert (len(found), found.classes) == (3, ["ants", "cats"])
    assert [(int(label), image.shape, image.argmax(-1).max()) for image, label in map(found.__getitem__, range(3))] == [
        (0, (4, 6, 3), 2), (1, (4, 6, 3), 1), (1, (4, 6, 3), 0)
    ]  # fmt: skip
    assert found[1][0].max() == 1
    images, labels = next(loader(found, 3, seed=0)(0))
    assert images.shape == (3, 4, 6, 3)
    assert sorted(labels.tolist()) == [0, 1, 1]


def test_a_folder_without_images_and_a_broken_image_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder is '.*', but should be a folder of folders of images"):
        ImageFolder(tmp_path, (4, 6))
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "a.png").write_bytes(b"none")
    with pytest.raises(ValueError, match=r"'.*cats/a.png' is unreadable"):
        ImageFolder(tmp_path, (4, 6))[0]
    with pytest.raises(ValueError, match=r"size is \(4,\), but should be two integers: height and width"):
        ImageFolder(tmp_path, (4,))
    with pytest.raises(TypeError, match=r"size is 4, but should be two integers: height and width"):
        ImageFolder(tmp_path, 4)
