"""Public names load their modules when they are used first: alone, in threads, and inside of a traced function."""

import subprocess
import sys

import pytest

import jaxconv as jc


@pytest.mark.parametrize("name", ["conv", "certify", "tiled", pytest.param("__all__", marks=pytest.mark.slow)])
def test_a_public_name_loads_its_module_when_it_is_used_first(name):
    """Each alone, in a process that has loaded JAX only: none relies on what another has loaded."""
    program = f"""
import os, sys
import jax.numpy
import jaxconv as jc
assert not any(module.startswith("jaxconv.") for module in sys.modules)
names = jc.__all__ if {name!r} == "__all__" else [{name!r}]
assert dir(jc) == jc.__all__
for name in names:
    if (child := os.fork()) == 0:
        try:
            getattr(jc, name)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0, name
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'jaxconv' has no attribute 'convolve'") as found:
        jc.convolve  # noqa: B018  (the access is what is tested)
    assert (found.value.name, found.value.obj) == ("convolve", jc)  # Python proposes similar names by these


def test_threads_can_use_different_names_first():
    """The modules of JAX import each other: threads that import them in different orders refuse each other's locks."""
    program = """
import random, threading
import jaxconv as jc
def use_all(seed, errors):
    names = random.Random(seed).sample(jc.__all__, len(jc.__all__))
    start.wait()
    for name in names:
        try:
            getattr(jc, name)
        except ImportError as error:
            errors.append(error)
start, errors = threading.Barrier(16), []
threads = [threading.Thread(target=use_all, args=(seed, errors)) for seed in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not errors, errors[:3]
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_modules_can_be_loaded_while_a_function_is_traced():
    """An array that a module made when it is loaded would be a tracer of that function, and leak."""
    program = """
import jax, jax.numpy as jnp
import jaxconv as jc
def network(x):
    for name in jc.__all__:
        getattr(jc, name)
    return jc.max_pool(jc.conv({"kernel": jnp.ones((3, 3, 2, 4))}, x, padding="same"), (2, 2))
x = jnp.ones((1, 6, 8, 2))
with jax.checking_leaks():
    jax.jit(network)(x)
assert jax.jit(network)(x).sum() == network(x).sum()
print(jc.certify(network, x, axes=(1, 2)))
"""
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
