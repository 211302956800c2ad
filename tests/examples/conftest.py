"""What the tests of examples/ share: a script that runs again compiles nothing anew, as JAX keeps its programs in files."""

import jax
import pytest
from jax.experimental.compilation_cache.compilation_cache import reset_cache
from support.profiles import NIGHTLY


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """The folder of the compiled programs of this run."""
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module", autouse=True)
def _keep_programs(programs):
    """JAX's persistent cache, for these tests alone; each run of a script compiles its own programs every night."""
    if NIGHTLY:
        yield
        return
    settings = {
        "jax_compilation_cache_dir": str(programs),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    reset_cache()
