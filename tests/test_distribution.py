"""The source archive and the wheel install into an empty environment, and the README's snippets run there."""

import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CHECK = """
import pathlib, sys, jaxconv
assert pathlib.Path(jaxconv.__file__).is_relative_to(sys.prefix), jaxconv.__file__
heavy = {"matplotlib", "hypothesis", "pytest", "sklearn", "orbax", "grain", "flax"} & set(sys.modules)
assert not heavy, heavy
"""


def environment(folder):
    """The Python of a new virtual environment without packages."""
    venv.create(folder, with_pip=True)
    return folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def run(*command, cwd):
    """Runs it, without this tree on the path."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False, env=ENV
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(Path.home()), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The folder of the source archive and of the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("archives")
    python = environment(folder / "environment")
    run(python, "-m", "pip", "install", "--quiet", "build", cwd=folder)
    run(python, "-m", "build", "--outdir", folder / "dist", ROOT, cwd=folder)
    return folder / "dist"


def test_they_have_the_version_of_the_project(archives):
    name = f"{PROJECT['name']}-{PROJECT['version']}"
    assert sorted(path.name for path in archives.iterdir()) == [f"{name}-py3-none-any.whl", f"{name}.tar.gz"]


def test_the_wheel_has_the_package_and_nothing_else(archives):
    (wheel,) = archives.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"jaxconv", f"jaxconv-{PROJECT['version']}.dist-info"}
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "jaxconv").rglob("*.py")}
    assert sources <= set(names)


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_the_readme_runs_where_only_it_is_installed(archives, kind, tmp_path):
    (archive,) = archives.glob(kind)
    python = environment(tmp_path / "environment")
    run(python, "-m", "pip", "install", "--quiet", archive, cwd=tmp_path)
    run(python, "-c", CHECK, cwd=tmp_path)
    assert PROJECT["version"] in run(python, "-m", "jaxconv", "--version", cwd=tmp_path)
    run(python, "-m", "doctest", ROOT / "README.md", cwd=tmp_path)
