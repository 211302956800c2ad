"""What the benchmarks say: the warning, the picture, and options that do not fit."""

import doctest
import xml.etree.ElementTree as ET

import pytest
import report
import timing
from report import Bar


@pytest.mark.parametrize("module", [report, timing], ids=lambda module: module.__name__)
def test_examples_run(module):
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize(
    ("disturbed", "says"), [((0, 0), "Quiet: "), ((0, 3), "NOISY: "), ((0, None), "Unknown whether")]
)
def test_the_reader_is_warned(disturbed, says):
    assert says in report.warning([{"disturbed": number} for number in disturbed])


def test_the_machine_and_the_versions_are_named():
    found = report.machine("torch", "no_such_package")
    assert {"device", "processor", "cpus", "python", "jax", "jaxlib", "numpy"} <= set(found)
    assert "no_such_package" not in found


def test_the_picture_has_every_label(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    path = tmp_path / "bars.svg"
    ratio = {"median": 0.5, "low": 0.4, "high": 0.6}
    bars = [
        Bar(panel, label, series, ratio) for panel in ("left", "right") for label in ("one", "two") for series in "ab"
    ]
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        report.draw(path, bars[:-1], "what it is", reading="below 1: faster")
    texts = {element.text for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")}
    assert {"left", "right", "one", "two", "a", "b", "what it is", "below 1: faster"} <= texts


def test_nothing_is_drawn_or_written_unasked():
    report.draw(None, [], "", reading="")
    report.write(None, {}, [])


def test_options_that_do_not_fit_are_refused(capsys):
    with pytest.raises(SystemExit):
        report.parser("").parse_args(["--rounds", "0"])
    assert "0 is not 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "name", "message"),
    [
        ("--plot", "a.jpeg", "a.jpeg should end in .png, .svg or .pdf"),
        ("--plot", "nowhere/a.png", "nowhere is not a folder"),
        ("--json", "nowhere/a.json", "nowhere is not a folder"),
    ],
)
def test_files_that_cannot_be_written_are_refused_before_anything_is_measured(
    option, name, message, monkeypatch, capsys
):
    monkeypatch.setattr(report, "here", lambda module: True)
    with pytest.raises(SystemExit):
        report.parser("").parse_args([option, name])
    assert message in capsys.readouterr().err


def test_drawing_without_matplotlib_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(report, "here", lambda module: False)
    with pytest.raises(SystemExit):
        report.parser("").parse_args(["--plot", "a.png"])
    assert "needs matplotlib" in capsys.readouterr().err
