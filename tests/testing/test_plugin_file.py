"""The plugin's file: its location, the errors for a broken file, and a full disk, which fails the run."""

import errno

import pytest

from jaxconv.testing import files

pytest_plugins = ["pytester"]


def test_a_full_disk_fails_the_run_and_leaves_the_snapshot(project, monkeypatch):
    project.write("circular")
    project.run("--update-certificates")
    before = project.snapshot.read_text()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    project.write("circular", 2)
    result = project.run("--update-certificates")
    result.assert_outcomes(passed=4)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["ERROR: certificates.json could not be written and is unchanged: [[]Errno 28] No space left on device"]
    )
    assert project.snapshot.read_text() == before


def test_a_misspelt_key_ends_the_run_in_one_line(project):
    project.write("circular")
    project.run("--update-certificates")
    project.snapshot.write_text(project.snapshot.read_text().replace("cyclic", "cylic", 1))
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: certificates: a key in tests > * is 'cylic', but should be one of 'length', *"]
    )


@pytest.mark.parametrize("text", ["<<<<<<< HEAD", '{"format": 2, "tests": {}}', "[]"])
def test_a_broken_snapshot_ends_the_run_in_one_line(project, text):
    project.write()
    project.snapshot.write_text(text)
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: certificates: the snapshot is */certificates.json, but should be JSON of format 1.*"]
    )


def test_the_file_may_be_elsewhere(project):
    project.write(ini="certificates_file = tests/proved.json")
    project.run("--update-certificates")
    assert not project.snapshot.exists()
    assert (project.snapshot.parent / "tests" / "proved.json").exists()
    project.run("--update-certificates", "--certificates-file", "other.json")
    assert (project.snapshot.parent / "other.json").exists()
