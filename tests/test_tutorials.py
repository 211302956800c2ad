"""The tutorials: what they say happens, happens."""

import fnmatch
import re
from pathlib import Path

pytest_plugins = ["pytester"]
TUTORIALS = Path(__file__).parents[1] / "docs" / "tutorials"


def test_the_tests_of_ci_say_what_the_page_says(pytester):
    page = (TUTORIALS / "ci.md").read_text()
    files = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", page, re.DOTALL))
    passing, failing, lost = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    assert sorted(files) == ["conftest.py", "models.py", "test_models.py"]
    for name, text in files.items():
        (pytester.path / name).write_text(f"# {name}\n{text}")  # the name is a line that reports count

    def output(*options):
        for compiled in pytester.path.rglob("*.pyc"):  # two versions within a second look alike to Python
            compiled.unlink()
        result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest", *options)
        return result.ret, [line.rstrip() for line in result.outlines]

    def lines(text):
        return [re.sub(r"\[", "[[]", line).replace("...", "*") for line in text.splitlines()]

    status, found = output("--update-certificates")
    assert status == 0
    assert all(fnmatch.filter(found, line) for line in lines(passing))
    models = pytester.path / "models.py"
    changed = models.read_text().replace('params["conv2"], x, padding="circular"', 'params["conv2"], x, padding="same"')
    assert changed != models.read_text()
    models.write_text(changed)
    status, found = output()
    assert status == 1
    assert all(fnmatch.filter(found, line) for line in lines(failing))
    (guard,) = re.findall(r"```python\n(def test_tiles.*?)```", page, re.DOTALL)
    tests = pytester.path / "test_models.py"
    tests.write_text(f"{tests.read_text()}\n\n{guard}")
    models.write_text(f"# models.py\n{files['models.py']}")
    status, found = output("--update-certificates")
    assert status == 0
    models.write_text(
        models.read_text().replace(
            "    x = jax.nn.relu", "    x = x - x.mean((1, 2), keepdims=True)\n    x = jax.nn.relu"
        )
    )
    status, found = output("-k", "test_tiles")
    assert status == 1
    assert all(fnmatch.filter(found, line) for line in lines(lost))
