"""Strict runs: claims without entries fail a run of all tests, but not a run of some tests."""

import json

import pytest

from jaxconv.testing.strictness import Collected

pytest_plugins = ["pytester"]

TESTS = """
import jax, pytest

image = jax.ShapeDtypeStruct((1, 4, 1), "float32")

def backbone(x):
    return x

def test_backbone(certificates):
    certificates.record(backbone, image, axes=(1,))

@pytest.mark.parametrize("axis", [1, 2])
def test_each(certificates, axis):
    certificates.record(backbone, image, axes=(axis,), name="two")

def test_nothing():
    pass
"""
RENAMED = TESTS.replace("test_backbone", "test_renamed")
OTHER = TESTS.replace("name=", "name='other' + ").replace("test_backbone", "test_other")


@pytest.fixture
def guarded(project):
    """A project with all of its tests in the snapshot."""
    project.write(tests=TESTS)
    project.run("--update-certificates").assert_outcomes(passed=4)
    return project


def errors(result):
    lines = [line for line in result.outlines if line.startswith("ERROR: ")]
    return [line.removeprefix("ERROR: ") for line in lines]


@pytest.fixture
def ci(monkeypatch):
    """Set the environment variable CI."""
    return lambda value="true": monkeypatch.setenv("CI", value)


def test_a_missing_snapshot_fails_in_ci(project, ci):
    project.write(tests=TESTS)
    assert project.run().ret == 0
    ci()
    result = project.run()
    result.assert_outcomes(passed=4)
    assert result.ret == 1
    assert errors(result) == ["certificates.json is missing: no claim is checked"]
    result.stdout.fnmatch_lines(
        ["pytest --update-certificates writes the file, which you commit; --no-strict-certificates *"]
    )


def test_a_renamed_test_has_no_entry_and_its_entry_no_test(guarded, ci):
    ci()
    assert guarded.run().ret == 0
    guarded.write(tests=RENAMED)
    result = guarded.run()
    result.assert_outcomes(passed=4)
    assert result.ret == 1
    assert errors(result) == [
        "no entry in certificates.json: test_models.py::test_renamed: backbone",
        "an entry in certificates.json without a test: test_models.py::test_backbone",
    ]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        (TESTS.replace('name="two"', 'name="pair"'), "that is no longer recorded: test_models.py::test_each[1]: two"),
        (
            TESTS.replace("certificates.record(backbone, image, axes=(1,))", "certificates"),
            "that is no longer recorded: test_models.py::test_backbone: backbone",
        ),
        (TESTS + "\ndef test_void(certificates):\n    pass\n", "no entry in certificates.json: test_models.py::test_void"),
    ],
)  # fmt: skip
def test_a_test_that_does_not_record_fails(guarded, ci, changed, error):
    ci()
    guarded.write(tests=changed)
    result = guarded.run()
    assert result.ret == 1
    assert any(one.endswith(error) for one in errors(result))


@pytest.mark.parametrize(
    ("environment", "ini", "options", "status"),
    [
        ("true", "", (), 1),
        ("1", "", (), 1),
        ("", "", (), 0),
        ("false", "", (), 0),
        ("0", "", (), 0),
        ("true", "", ("--no-strict-certificates",), 0),
        ("", "", ("--strict-certificates",), 1),
        ("true", "strict_certificates = false", (), 0),
        ("", "strict_certificates = true", (), 1),
        ("", "strict_certificates = true", ("--no-strict-certificates",), 0),
        ("true", "strict_certificates = auto", (), 1),
        ("true", "strict_certificates = perhaps", (), 4),
    ],
)
def test_options_and_the_environment_decide(project, ci, environment, ini, options, status):
    ci(environment)
    project.write(tests="def test_one(certificates):\n    pass\n", ini=ini)
    assert project.run(*options).ret == status


@pytest.mark.parametrize(
    "options",
    [
        ("-k", "each or renamed"),
        ("-m", "equivariance"),
        ("--lf",),
        ("--sw",),
        ("test_models.py::test_renamed",),
        ("test_models.py::test_each", "test_models.py::test_renamed"),
        ("test_models.py::test_renamed", "test_more.py"),
        ("--deselect", "test_models.py::test_nothing"),
        ("--ignore", "test_more.py"),
        ("--co",),
    ],
)
def test_a_run_of_some_tests_is_not_judged(guarded, ci, options):
    ci()
    guarded.write(tests=RENAMED, test_more="def test_more():\n    pass\n")
    result = guarded.run(*options, cache=True)
    assert (result.ret, errors(result)) == (0, [])
    assert len(errors(guarded.run(cache=True))) == 2


def test_files_that_were_not_asked_for_are_not_judged(guarded, ci):
    guarded.write(tests=TESTS, test_models_b=OTHER)
    guarded.run("--update-certificates")
    ci()
    assert guarded.run("test_models_b.py").ret == guarded.run("test_models.py").ret == guarded.run(".").ret == 0
    guarded.write(tests=TESTS, test_models_b=OTHER.replace("test_other", "test_another"))
    assert guarded.run("test_models.py").ret == 0
    assert len(errors(guarded.run("test_models_b.py"))) == 2
    assert len(errors(guarded.run("."))) == 2
    (guarded.pytester.path / "test_models_b.py").unlink()
    assert guarded.run("test_models.py").ret == 0
    gone = "an entry in certificates.json without a test: test_models_b.py::test_"
    assert [one.startswith(gone) for one in errors(guarded.run())] == [True] * 3


def test_addopts_are_the_projects_own(guarded, ci):
    """Tests that addopts deselect still exist, and all other tests are checked."""
    ci()
    slow = TESTS.replace("def test_backbone", "@pytest.mark.slow\ndef test_backbone")
    options = {"addopts": "-m 'not slow'", "ini": "markers = slow"}
    guarded.write(tests=slow, **options)
    result = guarded.run()
    result.assert_outcomes(passed=3, deselected=1)
    assert result.ret == 0
    guarded.write(tests=slow.replace('name="two"', 'name="pair"'), **options)
    assert len(errors(guarded.run())) == 4
    assert errors(guarded.run("-m", "not slow and not fast")) == []


def test_what_skips_itself_is_not_judged(guarded, ci):
    ci()
    skipping = TESTS.replace(
        "certificates.record(backbone, image", "pytest.skip()\n    certificates.record(backbone, image"
    )
    guarded.write(tests=skipping)
    assert guarded.run().ret == 0
    guarded.write(
        tests="import pytest\npytest.importorskip('a_package_that_is_not_there')\n" + TESTS, test_more=RENAMED
    )
    assert [one.split(": ")[1] for one in errors(guarded.run())] == [
        "test_more.py::test_each[1]", "test_more.py::test_each[2]", "test_more.py::test_renamed"
    ]  # fmt: skip


def test_what_fails_is_not_said_to_record_nothing(guarded, ci):
    """Only the failure is reported."""
    ci()
    guarded.write(tests=TESTS.replace("record(backbone, image, axes=(1,))", "missing"))
    result = guarded.run()
    result.assert_outcomes(passed=3, failed=1)
    assert errors(result) == []
    assert "no longer recorded" not in result.stdout.str()
    guarded.write(tests="raise RuntimeError\n")
    result = guarded.run()
    assert (result.ret, errors(result)) == (2, [])


def test_an_update_of_all_tests_drops_what_has_none(guarded, ci):
    ci()
    guarded.write(tests=RENAMED)
    guarded.run("--update-certificates", "-k", "renamed")
    assert len(json.loads(guarded.snapshot.read_text())["tests"]) == 4
    result = guarded.run("--update-certificates")
    result.stdout.fnmatch_lines(["removed, since there is no such test: test_models.py::test_backbone"])
    assert len(json.loads(guarded.snapshot.read_text())["tests"]) == 3
    assert guarded.run().ret == 0


def test_an_update_keeps_what_a_failing_test_did_not_come_to(project):
    two = TESTS.replace("axes=(1,))\n", "axes=(1,))\n    certificates.record(backbone, image, axes=(1,), name='b')\n")
    project.write(tests=two)
    project.run("--update-certificates")
    project.write(
        tests=two.replace(
            "    certificates.record(backbone, image, axes=(1,), name",
            "    assert 0\n    certificates.record(backbone, image, axes=(1,), name",
        )
    )
    project.run("--update-certificates").assert_outcomes(passed=3, failed=1)
    assert sorted(json.loads(project.snapshot.read_text())["tests"]["test_models.py::test_backbone"]) == [
        "b",
        "backbone",
    ]


def test_the_name_of_a_group_is_no_part_of_a_tests_name():
    collected = Collected(tests={"a.py::test", "a.py::test[x@y]"})
    assert collected.name("a.py::test@group") == "a.py::test"
    assert collected.name("a.py::test[x@y]@group") == collected.name("a.py::test[x@y]") == "a.py::test[x@y]"
    assert collected.name("a.py::other@group") == "a.py::other@group"


def test_the_controller_of_workers_judges(guarded, ci):
    """Each worker runs some tests and checks nothing. Needs pytest-xdist."""
    pytest.importorskip("xdist")
    ci()
    grouped = RENAMED.replace("@pytest.mark.param", "@pytest.mark.xdist_group('each')\n@pytest.mark.param")
    guarded.write(tests=grouped)  # loadgroup appends a group's name to the names of its tests
    result = guarded.run("-n", "2", "--dist", "loadgroup")
    result.assert_outcomes(passed=4)
    assert result.ret == 1
    assert [one.split("::")[1] for one in errors(result)] == ["test_renamed: backbone", "test_backbone"]
