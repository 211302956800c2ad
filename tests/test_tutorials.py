"""The tutorials: what they say happens, happens; and the tiles are right for more networks than the page's own."""

import doctest
import fnmatch
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.numpy_evaluation import evaluated

import jaxconv as jc

pytest_plugins = ["pytester"]
TUTORIALS = Path(__file__).parents[1] / "docs" / "tutorials"


@pytest.fixture(scope="module")
def tiled():
    """The page's own `tiled`, as its session defines it."""
    page = (TUTORIALS / "tiling.md").read_text()
    names = {}
    for example in doctest.DocTestParser().get_examples(page):
        if example.source.startswith(("import", "def tiles", "def tiled")):
            exec(example.source, names)
    return names["tiled"]


def conv(kernel, **geometry):
    return lambda x: jc.conv({"kernel": jnp.float32(kernel)}, x, **geometry)


def chain(*layers):
    def network(x):
        for layer in layers:
            x = layer(x)
        return x

    return network


DRAW = np.random.default_rng(3)
SMALL = DRAW.integers(-2, 3, (3, 2, 1, 2))
LARGE = DRAW.integers(-2, 3, (5, 4, 2, 1))
UP = {"kernel": jnp.float32(DRAW.integers(-2, 3, (3, 2, 2, 2)))}
POOL = lambda x: jc.max_pool(x, (2, 2))


def doubled(x):
    return jc.conv_transpose(UP, x, stride=2, padding="same", output_shape=[2 * length for length in x.shape[1:3]])


NETWORKS = {
    "no padding": chain(conv(SMALL), conv(LARGE)),
    "no padding, strides": chain(conv(SMALL, stride=2), conv(LARGE, stride=(1, 2))),
    "zeros, strides": chain(conv(SMALL, stride=2, padding="same"), conv(LARGE, stride=2, padding="same")),
    "zeros, dilated": chain(conv(SMALL, padding="same"), POOL, conv(LARGE, dilation=2, padding="same")),
    "mirrors": chain(conv(SMALL, padding="reflect"), POOL, conv(LARGE, padding="edge")),
    "causal": chain(conv(SMALL, padding="causal"), conv(LARGE, stride=(2, 1), padding="causal")),
    "one pixel": chain(conv(SMALL[:1, :1])),
    "up again": chain(conv(SMALL, padding="same"), POOL, doubled),
    "finer than x": chain(conv(SMALL, padding="same"), doubled),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_tiled_equals_whole(tiled, name):
    """Computed by NumPy, and one of the networks compiled, as the page does it."""
    network = NETWORKS[name]
    shape = jax.ShapeDtypeStruct((1, 28, 36, 1), "float32")
    leaf = jc.certify(network, shape, axes=(1, 2), search=False).leaves[0]
    fn = jax.jit(network) if name == "zeros, strides" else evaluated(network)
    for size in (28, 36), (52, 72), (40, 100):
        x = DRAW.integers(-3, 4, (2, *size, 1)).astype(np.float32)
        np.testing.assert_array_equal(tiled(fn, x, leaf), fn(x))


def test_what_wraps_around_is_not_the_whole_at_the_border(tiled):
    """The broken twin, and the page's warning: at the border a tile has not what a circular padding looks at."""
    network = conv(SMALL, padding="circular")
    leaf = jc.certify(network, jax.ShapeDtypeStruct((1, 24, 36, 1), "float32"), axes=(1, 2)).leaves[0]
    x = DRAW.integers(-3, 4, (1, 52, 72, 1)).astype(np.float32)
    found, whole = tiled(evaluated(network), x, leaf), evaluated(network)(x)
    np.testing.assert_array_equal(found[:, 1:-1, 1:-1], whole[:, 1:-1, 1:-1])
    assert not np.array_equal(found, whole)


@pytest.mark.parametrize("length", [50, 20])
def test_tiles_that_do_not_fit_are_refused(tiled, length):
    shape = jax.ShapeDtypeStruct((1, 24, 24, 1), "float32")
    leaf = jc.certify(NETWORKS["zeros, strides"], shape, axes=(1, 2), search=False).leaves[0]
    with pytest.raises(ValueError, match=f"{length} and 24 should be multiples of 4"):
        tiled(NETWORKS["zeros, strides"], np.zeros((1, length, 24, 1), np.float32), leaf)


def test_the_tests_of_ci_say_what_the_page_says(pytester):
    page = (TUTORIALS / "ci.md").read_text()
    files = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", page, re.DOTALL))
    passing, failing = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
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
