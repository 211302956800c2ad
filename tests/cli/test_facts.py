"""The command `machine`: the facts of this machine, and where they come from."""

import json
from dataclasses import asdict

import jax
import pytest

from jaxconv.cli import main
from jaxconv.lowering.machine import machine


@pytest.fixture(autouse=True)
def _read_again(monkeypatch):
    monkeypatch.setenv("JAXCONV_L2_BYTES", "12345")
    machine.cache_clear()
    yield
    monkeypatch.undo()
    machine.cache_clear()


def test_the_report(capsys, monkeypatch, tmp_path):
    table = tmp_path / "mine.json"
    table.write_text('{"choices": []}')
    monkeypatch.setenv("JAXCONV_TABLE", str(table))
    assert main(["machine"]) == 0
    out, err = capsys.readouterr()
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert lines["jax"] == [jax.__version__]
    assert lines["l2_bytes"] == ["12345", "from", "JAXCONV_L2_BYTES"]
    assert lines["cores"] == [str(machine().cores), "override", "with", "JAXCONV_CORES"]
    assert lines["table"] == [str(table), "from", "JAXCONV_TABLE"]
    assert err == ""


def test_for_machines(capsys):
    assert main(["machine", "--json"]) == 0
    expected = {"jax": jax.__version__, "table": None} | asdict(machine())
    assert json.loads(capsys.readouterr().out) == expected


def test_a_variable_that_is_no_number(capsys, monkeypatch):
    monkeypatch.setenv("JAXCONV_L2_BYTES", "2M")
    machine.cache_clear()
    assert main(["machine"]) == 3
    assert "JAXCONV_L2_BYTES is '2M', but should be a positive integer" in capsys.readouterr().err


def test_a_table_that_is_none(capsys, monkeypatch):
    monkeypatch.setenv("JAXCONV_TABLE", "mine.json")
    assert main(["machine"]) == 3
    assert "JAXCONV_TABLE is 'mine.json', which cannot be read: FileNotFoundError" in capsys.readouterr().err


def test_a_word_too_many(capsys):
    assert main(["machine", "pkg.models:net"]) == 3
    assert "a word after machine is 'pkg.models:net', but should be left out" in capsys.readouterr().err
