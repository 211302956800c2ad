"""Fixtures for the tests of the plugin."""

import pytest
from support.recorded_project import Project


@pytest.fixture
def project(pytester, monkeypatch):
    """A user's project, not in CI."""
    monkeypatch.delenv("CI", raising=False)
    return Project(pytester)
