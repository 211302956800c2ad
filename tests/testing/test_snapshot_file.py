"""The snapshot file: round trips, and errors that name the place of an invalid key or value."""

import copy
import json

import pytest

from jaxconv.testing.snapshot_file import read, update

CLAIM = {"shift": 2, "moves": [[1, 1]], "region": [[1, 1, 5]]}
WHERE = "output along axis 1 of argument 0"
SNAPSHOT = {
    "format": 1,
    "tests": {"test_a.py::test_a": {"net": {WHERE: {"length": 6, "cyclic": None, "interior": CLAIM}}}},
}
IN = "tests > test_a.py::test_a > net"


def changed(*keys, to):
    """The snapshot with another value at a place. None deletes the key."""
    found = copy.deepcopy(SNAPSHOT)
    place = found
    for key in keys[:-1]:
        place = place[key]
    if to is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = to
    return found


ENTRY = ("tests", "test_a.py::test_a", "net", WHERE)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed(*ENTRY, "cylic", to={}), f"a key in {IN} > {WHERE} is 'cylic', but should be one of 'length', 'cyclic', 'interior'"),
        (changed(*ENTRY, "cyclic", to=None), f"the key 'cyclic' in {IN} > {WHERE} is missing, but should be present"),
        (changed(*ENTRY, "length", to="6"), f"in {IN} > {WHERE} > length is '6', but should be a number of cells"),
        (changed(*ENTRY, "length", to=True), f"in {IN} > {WHERE} > length is True, but should be a number of cells"),
        (changed(*ENTRY, "interior", "shft", to=2), f"a key in {IN} > {WHERE} > interior is 'shft', but should be one of 'shift', 'moves', and 'region' if"),
        (changed(*ENTRY, "interior", "shift", to=None), f"the key 'shift' in {IN} > {WHERE} > interior is missing"),
        (changed(*ENTRY, "interior", "shift", to=0), f"in {IN} > {WHERE} > interior > shift is 0, but should be a number of cells"),
        (changed(*ENTRY, "interior", "moves", to=[[1]]), "interior > moves is [[1]], but should be a list of lists of 2 integers"),
        (changed(*ENTRY, "interior", "moves", to={}), "interior > moves is {}, but should be a list of lists of 2 integers"),
        (changed(*ENTRY, "interior", "region", to=[[1, 2, "3"]]), 'interior > region is [[1, 2, "3"]], but should be a list'),
        (changed(*ENTRY, "interior", to=[]), f"in {IN} > {WHERE} > interior is [], but should be an object of JSON"),
        (changed(*ENTRY, to=3), f"in {IN} > {WHERE} is 3, but should be an object of JSON"),
        (changed("tests", "test_a.py::test_a", "net", to=[]), f"in {IN} is [], but should be an object of JSON"),
        (changed("tests", "test_a.py::test_a", to=None) | {"test": {}}, "a key at the top is 'test', but should be one of 'format', 'tests'"),
        (changed("tests", to=[]), "the snapshot is "),
        (changed("format", to=2), "but should be JSON of format 1. Correct certificates.json by hand, resolve conflicts in it, or"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path, data, message):
    path = tmp_path / "certificates.json"
    path.write_text(json.dumps(SNAPSHOT))
    assert read(path) == SNAPSHOT["tests"]
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=r"^certificates: ") as error:
        read(path)
    assert message in str(error.value)


TILES = {"axis": 1, "shift": 8, "step": 8, "start": 0, "discard": [46, 46], "first": [0, 46], "last": [46, 0]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tile": 0}, "> tile is 0, but should be a number of cells"),
        ({"cyclic": None}, "is 'cyclic', but should be one of 'length', 'tile', 'tiling'"),
        ({"tiling": 3}, "> tiling is 3, but should be an object of JSON"),
        ({"tiling": TILES | {"shift": 0}}, "> tiling > shift is 0, but should be a number of cells"),
        ({"tiling": TILES | {"step": None}}, "> tiling > step is None, but should be an integer"),
        ({"tiling": TILES | {"discard": [46]}}, "> tiling > discard is [46], but should be a list of two numbers"),
        ({"tiling": TILES | {"last": [46, -1]}}, "> tiling > last is [46, -1], but should be a list of two numbers"),
        ({"tiling": TILES | {"more": 1}}, "a key in tests > test_a.py::test_a > net > "),
    ],
)
def test_what_is_wrong_about_tiles_is_named(tmp_path, change, message):
    path, entry = tmp_path / "certificates.json", {"length": 4096, "tile": 512, "tiling": TILES}
    for good in (entry, entry | {"tiling": None}, entry | {"tiling": TILES | {"axis": None}}):
        data = {"test": {"net": {WHERE: good}}}
        update(path, lambda _, data=data: data)
        assert read(path) == data
    path.write_text(json.dumps(changed(*ENTRY, to=entry | change)))
    with pytest.raises(ValueError, match=r"^certificates: ") as error:
        read(path)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<<<<<<< HEAD", "but should be JSON of format 1"),
        (b"[" * 100_000, "but should be JSON of format 1"),
        (b"\xff", "which cannot be read ("),
        (b'{"format": 1, "tests": {"a": {}, "a": {}}}', "a key is twice in one object: 'a', but should be unique"),
    ],
)
def test_what_is_no_json_of_ours_is_refused(tmp_path, content, message):
    path = tmp_path / "certificates.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^certificates: ") as error:
        read(path)
    assert message in str(error.value)


def test_a_folder_is_no_snapshot(tmp_path):
    with pytest.raises(ValueError, match=r"which cannot be read \(.*directory"):
        read(tmp_path)


@pytest.mark.parametrize("name", [3, None, True])
def test_what_could_not_be_read_back_is_not_written(tmp_path, name):
    path = tmp_path / "certificates.json"
    path.write_text(json.dumps(SNAPSHOT))
    wrong = lambda tests: {**tests, "test_b.py::test_b": {name: tests["test_a.py::test_a"]["net"]}}
    with pytest.raises(ValueError, match=r"^certificates: what was recorded is not read back from JSON, but should be"):
        update(path, wrong)
    assert read(path) == SNAPSHOT["tests"]


def test_a_broken_file_is_not_overwritten(tmp_path):
    path = tmp_path / "certificates.json"
    path.write_text("<<<<<<< HEAD")
    with pytest.raises(ValueError, match="the snapshot is "):
        update(path, lambda tests: tests)
    assert path.read_text() == "<<<<<<< HEAD"
