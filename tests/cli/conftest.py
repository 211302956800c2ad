"""A user's project: the current folder, with modules of several kinds."""

import sys

import pytest

MODELS = """
import functools
import jax, jax.numpy as jnp, jaxconv as jc

kernel = jnp.ones((3, 3, 2, 4))

def circular(x):
    return jc.conv({"kernel": kernel}, x, padding="circular")

def zero_padded(x):
    return jc.conv({"kernel": kernel}, x, padding="same")

def running_sum(x):
    return jnp.cumsum(x, axis=1)

def last_of_the_running_sums(x):
    return jnp.cumsum(x, axis=1)[:, -1]

def scaled(x, *others, scale):
    return x * scale

def masked(x, mask):
    return x * mask

def dead(x):
    return jax.nn.relu(circular(x) * 0 - 1)

def identity(x):
    return x

def total(x):
    return x.sum()

class Model:
    apply = staticmethod(functools.partial(jc.conv, {"kernel": kernel}, padding="circular"))

def branches(x):
    return x if x.sum() > 0 else -x

WIDTH = 3
"""
NOISY = """
import atexit, os, subprocess, sys
import jax
print("imported")
os.write(1, b"a C library prints\\n")
subprocess.run([sys.executable, "-S", "-c", "print('a child prints')"])
atexit.register(print, "the end")

def net(x):
    print("traced")
    jax.debug.print("run")
    return x
"""
STOPS = """
import sys

class Failure(BaseException):
    pass

STOPS = {"none": SystemExit(), "zero": SystemExit(0), "text": SystemExit("no GPU"), "two": SystemExit(2),
         "base": Failure("gone"), "interrupt": KeyboardInterrupt()}

def __getattr__(name):
    if name.startswith("lazy_"):
        raise STOPS[name.removeprefix("lazy_")]
    if name not in STOPS:
        raise AttributeError(name)
    def net(x):
        raise STOPS[name]
    return net
"""
# Modules that cannot be imported: name -> text.
IMPORTS = {
    "exits": "import sys\nsys.exit(0)\n",
    "exits_with_text": "import sys\nsys.exit('no GPU')\n",
    "interrupts": "raise KeyboardInterrupt\n",
    "broken": "import jax\nraise RuntimeError('no weights here')\n",
    "needy": "import a_package_that_is_not_there\n",
    "by_hand": "raise ModuleNotFoundError('only with CUDA')\n",
    "unwritten": "def net(x:\n",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a user's modules, as the current folder. The modules are removed from `sys.modules` afterwards."""
    (tmp_path / "pkg").mkdir()
    modules = IMPORTS | {"__init__": "", "models": MODELS, "noisy": NOISY, "stops": STOPS}
    for name, text in modules.items():
        (tmp_path / "pkg" / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "pkg"]:
        del sys.modules[name]
