"""The plugin: the table, the snapshot, and failures that name the line at which equivariance is lost."""

import json

import pytest
from support.recorded_project import TESTS

from jaxconv.verify import worth_reporting

pytest_plugins = ["pytester"]


def test_the_run_ends_with_a_table(project):
    project.write("same")
    result = project.run()
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        [
            "*= certificates =*",
            "test_models.py::test_backbone",
            "  backbone  output along axis 1 of argument 0 (6 cells)  cyclic UNDECIDED at models.py:7  interior 1 -> 1 on [[]1, 5)*new",
            "            output along axis 2 of argument 0 (4 cells)  cyclic UNDECIDED at models.py:7  interior UNDECIDED at the function's output",
            "test_models.py::test_each[[]1]",
            "  two  output[[]'features'] along axis 1*",
            "       output[[]'sum'] along axis 1 * cyclic invariant by 1 *",
            "3 new: certificates.json does not exist yet, --update-certificates writes it",
        ]
    )
    assert not project.snapshot.exists()


def test_the_snapshot_is_sorted_with_a_line_for_each_claim(project):
    project.write("circular", 2)
    result = project.run("--update-certificates")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["written to certificates.json"])
    text = project.snapshot.read_text()
    assert text.splitlines()[:15] == [
        "{",
        '  "format": 1,',
        '  "tests": {',
        '    "test_models.py::test_backbone": {',
        '      "backbone": {',
        '        "output along axis 1 of argument 0": {',
        '          "cyclic": {"shift": 2, "moves": [[1, 1]]},',
        '          "interior": null,',
        '          "length": 6',
        "        },",
        '        "output along axis 2 of argument 0": {',
        '          "cyclic": {"shift": 2, "moves": [[2, 1]]},',
        '          "interior": null,',
        '          "length": 4',
        "        }",
    ]
    assert list(json.loads(text)["tests"]) == sorted(json.loads(text)["tests"])
    assert project.run().stdout.str().count("compared with") == 0
    project.run("--update-certificates")
    assert project.snapshot.read_text() == text


def test_a_change_that_loses_equivariance_fails_and_says_where(project):
    project.write("circular")
    project.run("--update-certificates")
    project.write("same")
    result = project.run()
    result.assert_outcomes(failed=3, passed=1)
    result.stdout.fnmatch_lines(
        [
            "*AssertionError: backbone: claims of certificates.json are no longer proved",
            "*  output along axis 1 of argument 0, cyclic shifts: 1 -> 1 before, not proved now",
            "*    culprit:  jaxconv_conv at */models.py:7 (backbone)",
            "*    witness:  shift by 1: f(shifted)*is off by*at least",
            "*              argument 0: zeros (1, 6, 4, 2) but for [[]0, *] = 1",
            "*    cure:     Pad circularly, or keep to the interior",
            "*  output along axis 2 of argument 0, cyclic shifts: 1 -> 1 before, not proved now",
            "*  If this is intended, run with --update-certificates and commit the file.",
            "*3 weaker, compared with *",
        ]
    )
    assert "plugin.py" not in result.stdout.str()  # the traceback ends in the test


def test_the_table_shows_the_counterexample_of_a_lost_claim(project):
    """The failure prints an executed counterexample, so the table shows the verdict REFUTED for the same claim."""
    project.write("circular")
    project.run("--update-certificates")
    project.write("same")
    result = project.run("-k", "backbone")
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(
        [
            "*    witness:  shift by 1: f(shifted)*is off by*at least",
            "  backbone  output along axis 1 of argument 0 (6 cells)  cyclic REFUTED at models.py:7  *weaker",
        ]
    )


def test_the_shift_model_says_which_claims_count(project):
    project.write("circular")
    project.run("--update-certificates")
    project.write("same")
    project.run("--shift-model", "interior").assert_outcomes(passed=4)
    project.run("--shift-model", "cyclic").assert_outcomes(failed=3, passed=1)


def test_fewer_shifts_are_less_and_more_are_more(project):
    project.write("circular", 2)
    project.run("--update-certificates")
    project.write("circular", 1)
    result = project.run("-k", "backbone")
    result.assert_outcomes(failed=1, deselected=3)  # 1 -> 1 implies 2 -> 2, so the moves differ from 2 -> 1
    result.stdout.fnmatch_lines(
        [
            "*cyclic shifts: 2 -> 1 before, 1 -> 1 now",
            "*    culprit:  jaxconv_conv at */models.py:7 (backbone)",
            "*              it combines neighbours and has no stride (any more)",
        ]
    )


def test_a_stride_fails_and_says_where(project):
    project.write("circular")
    project.run("--update-certificates")
    project.write("circular", 2)
    result = project.run("-k", "backbone")
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(
        [
            "*backbone: claims of certificates.json are no longer proved",
            "*  output along axis 1 of argument 0, cyclic shifts: 1 -> 1 before, 2 -> 1 now",
            "*    culprit:  jaxconv_conv at */models.py:7 (backbone)",
            "*              from here on the law holds for shifts by 2 and their multiples",
            "*    shift 2: 2 by jaxconv_conv at */models.py:7 (backbone)",
        ]
    )


def test_what_is_won_passes_and_asks_for_an_update(project):
    project.write("same")
    project.run("--update-certificates")
    project.write("circular")
    result = project.run()
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*  stronger", "3 stronger, compared with *: --update-certificates updates it"])


def test_an_update_keeps_what_did_not_run(project):
    project.write("circular")
    project.run("--update-certificates")
    project.run("--update-certificates", "-k", "backbone")
    assert len(json.loads(project.snapshot.read_text())["tests"]) == 3


def test_what_is_not_recorded_any_more_is_named(project):
    project.write("circular")
    project.run("--update-certificates")
    project.write("circular", tests=TESTS.replace('name="two"', 'name="pair"'))
    result = project.run()
    result.stdout.fnmatch_lines(
        [
            "no longer recorded, although the test ran: test_models.py::test_each[[]1]: two",
            "2 new, compared with *",
        ]
    )


def test_an_output_that_is_gone_is_lost(project):
    project.write("circular")
    project.run("--update-certificates")
    project.write("circular", tests=TESTS.replace('"sum": x.sum((1, 2))', '"more": x'))
    result = project.run()
    result.assert_outcomes(failed=2, passed=2)
    result.stdout.fnmatch_lines(
        ["*output[[]'sum'] along axis 1*invariant by 1 before, not proved now", "*    this output no longer exists"]
    )


def test_a_marker_sets_options_and_selects(project):
    project.write("circular")
    project.run("--update-certificates")
    marked = TESTS.replace("def test_backbone", '@pytest.mark.equivariance(shift_model="interior")\ndef test_backbone')
    project.write("same", tests=marked)
    project.run("-k", "backbone").assert_outcomes(passed=1, deselected=3)
    project.run("-m", "equivariance", "--co").stdout.fnmatch_lines(["*3/4 tests collected (1 deselected)*"])
    project.write("same", tests=marked.replace('shift_model="interior"', 'shift_model="crop"'))
    project.run("-k", "backbone").stdout.fnmatch_lines(
        ["*equivariance: the marker's arguments is * but should be shift_model='both' or 'cyclic' or 'interior'*"]
    )


def test_thorough_runs_the_functions(project):
    project.write("same")
    result = project.run("--thorough", "-k", "backbone")
    result.stdout.fnmatch_lines(["*cyclic REFUTED at models.py:7*"])


def test_a_proof_that_is_violated_would_be_reported(project, monkeypatch):
    """A broken twin of all rules: a certifier to which everything is invariant."""
    monkeypatch.setattr(worth_reporting, "_checked", lambda value, number, carry: None)
    project.write("valid")
    result = project.run("--thorough", "-k", "backbone")
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(["*backbone: proved, but violated; please report it"])


def test_one_name_twice_in_a_test_is_refused(project):
    twice = TESTS.replace("axes=(1, 2))\n", "axes=(1,))\n    certificates.record(backbone, image, axes=(2,))\n")
    project.write(tests=twice)
    project.run("-k", "backbone").stdout.fnmatch_lines(
        ["*certificates: name is 'backbone', but should be different for each function. Pass name=."]
    )


def test_a_name_that_is_no_text_fails_its_test_alone(project):
    project.write(tests=TESTS.replace('name="two"', "name=3"))
    result = project.run("--update-certificates")
    result.assert_outcomes(passed=2, failed=2)
    cure = 'Write name="backbone", or leave it out.'
    result.stdout.fnmatch_lines([f"*TypeError: certificates: name is 3, but should be text. {cure}"])
    assert list(json.loads(project.snapshot.read_text())["tests"]) == ["test_models.py::test_backbone"]
    project.run("-k", "backbone").assert_outcomes(passed=1, deselected=3)


def test_quick_and_thorough_contradict(project):
    project.write(addopts="--thorough")
    result = project.run("--quick", "--thorough")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --quick is given with --thorough, but should be alone: leave one of them out"])
    project.run("--quick", "-k", "backbone").assert_outcomes(passed=1, deselected=3)


def test_the_markers_arguments_are_checked(project):
    project.write(tests=TESTS.replace("def test_backbone", "@pytest.mark.equivariance(thorough=3)\ndef test_backbone"))
    result = project.run("-k", "backbone")
    result.assert_outcomes(errors=1, deselected=3)
    result.stdout.fnmatch_lines(["*equivariance: the marker's arguments is () {'thorough': 3}, but should be *"])


def test_without_recorded_certificates_the_plugin_says_nothing(project):
    project.write()
    assert "certificates" not in project.run("-k", "nothing", "-q").stdout.str()


def test_workers_send_their_certificates(project):
    """The worker is a new process. Needs pytest-xdist."""
    pytest.importorskip("xdist")
    project.write("circular")
    result = project.run("-n", "1", "--update-certificates")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*= certificates =*", "test_models.py::test_backbone", "written to *"])
    assert len(json.loads(project.snapshot.read_text())["tests"]) == 3


def test_without_the_plugin_its_fixture_is_not_there(project, pytester):
    """The plugin is opt-in: it is not loaded by default."""
    project.write()
    pytester.makeini("[pytest]")
    project.run("-k", "backbone").stdout.fnmatch_lines(["*fixture 'certificates' not found"])
