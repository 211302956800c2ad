"""Files that several runs write: nothing is lost by concurrent writes, a full disk, or a killed run."""

import contextlib
import errno
import resource
import stat
import threading

import pytest

from jaxconv.testing import files, snapshot_file
from jaxconv.testing.files import locked, replace
from jaxconv.testing.snapshot_file import read, update


def race(path):
    """Two updates. The second one starts while the first one is between reading and writing."""
    second = threading.Thread(target=update, args=(path, lambda tests: tests | {"second": {}}))

    def first(tests):
        second.start()
        second.join(timeout=0.3)
        return tests | {"first": {}}

    update(path, first)
    second.join()
    return sorted(read(path))


def test_two_updates_at_once_lose_nothing(tmp_path):
    assert race(tmp_path / "certificates.json") == ["first", "second"]
    assert [path.name for path in tmp_path.iterdir()] == ["certificates.json"]


def test_without_the_lock_one_would_be_lost(tmp_path, monkeypatch):
    """A broken twin: no lock."""
    monkeypatch.setattr(snapshot_file, "locked", lambda _: contextlib.nullcontext())
    assert race(tmp_path / "certificates.json") == ["first"]


def test_many_updates_at_once_lose_nothing(tmp_path):
    path = tmp_path / "certificates.json"
    change = lambda number: update(path, lambda tests: tests | {str(number): {}})
    threads = [threading.Thread(target=change, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read(path)) == 12


def test_who_waits_too_long_is_told(tmp_path):
    path = tmp_path / "certificates.json"
    with locked(path), pytest.raises(TimeoutError, match=r"\.certificates\.json\.lock is locked for more than 0\.1 s"):
        locked(path, seconds=0.1).__enter__()
    with locked(path, seconds=0):
        assert (tmp_path / ".certificates.json.lock").exists()


def test_a_run_that_was_killed_leaves_no_lock(tmp_path):
    """The lock file may remain. The operating system's lock ends with the process."""
    (tmp_path / ".certificates.json.lock").touch()
    with locked(tmp_path / "certificates.json", seconds=0):
        pass
    assert list(tmp_path.iterdir()) == []


@contextlib.contextmanager
def disk_of(cells):
    """Limit the size of files: a longer write is cut off and fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (cells, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_old_content(tmp_path):
    path = tmp_path / "certificates.json"
    replace(path, "old")
    with disk_of(100), pytest.raises(OSError, match="File too large"):
        replace(path, "new" * 100)
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["certificates.json"]


def test_a_file_that_is_written_in_place_would_be_cut(tmp_path):
    """A broken twin: the file is overwritten in place on a disk that is full."""
    path = tmp_path / "certificates.json"
    path.write_text("old")
    with disk_of(100), pytest.raises(OSError, match="File too large"):
        path.write_text("new" * 100)
    assert path.read_text() == ("new" * 100)[:100]


def test_a_link_stays_a_link_and_a_mode_a_mode(tmp_path):
    path, link = tmp_path / "shared" / "certificates.json", tmp_path / "certificates.json"
    replace(path, "old")
    path.chmod(0o640)
    link.symlink_to(path)
    replace(link, "new")
    assert link.is_symlink()
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o640)


def test_a_fault_of_the_disk_shows_when_the_file_is_flushed(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        replace(tmp_path / "certificates.json", "new")
    assert list(tmp_path.iterdir()) == []
