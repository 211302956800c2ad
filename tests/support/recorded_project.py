"""A user's project whose tests record certificates: its files, and how it is run."""

import sys

MODELS = """
import jax, jax.numpy as jnp, jaxconv as jc

kernel = jnp.ones((3, 3, 2, 4))
image = jax.ShapeDtypeStruct((1, 6, 4, 2), "float32")

def backbone(x):
    return jc.conv({{"kernel": kernel}}, x, padding={padding!r}, stride={stride})
"""
TESTS = """
import pytest
from models import backbone, image

def test_backbone(certificates):
    certificates.record(backbone, image, axes=(1, 2))

@pytest.mark.parametrize("axis", [1, 2])
def test_each(certificates, axis):
    certificate = certificates.record(lambda x: {"features": backbone(x), "sum": x.sum((1, 2))}, image, axes=(axis,), name="two")
    assert certificate.cyclic

def test_nothing():
    pass
"""


class Project:
    """A project in pytester's folder; it runs in this process, which has loaded JAX already."""

    def __init__(self, pytester):
        self.pytester = pytester

    def write(self, padding="circular", stride=1, tests=TESTS, ini="", addopts="", **files):
        """The model, its tests, an ini file, and other modules by name."""
        models = MODELS.format(padding=padding, stride=stride)
        self.pytester.makepyfile(models=models, test_models=tests, **files)
        options = f"addopts = -p jaxconv.testing.plugin --strict-markers {addopts}"
        self.pytester.makeini(f"[pytest]\n{options}\nfilterwarnings = error\n{ini}")
        for cached in self.pytester.path.rglob("*.pyc"):  # two versions within a second look alike to Python
            cached.unlink()

    def run(self, *options, cache=False):
        """A run of pytest with these options; with `-n 2` its workers are new processes."""
        for module in [name for name in sys.modules if name == "models" or name.startswith("test_models")]:
            del sys.modules[module]
        without = ["-p", "no:hypothesispytest", *([] if cache else ["-p", "no:cacheprovider"])]
        return self.pytester.runpytest_inprocess(*without, *options)

    @property
    def snapshot(self):
        """The file that is to be committed."""
        return self.pytester.path / "certificates.json"
