"""Which tests a sample of them has: `pytest --sample N`."""

import zlib

# What depends on the version of JAX: how its jaxprs look, what it compiles, what the docs print. It is never sampled.
OF_EACH_VERSION = ("jaxconv/", "tests/jaxprs/", "tests/lowering/", "tests/verify/contracts/", "tests/test_readme.py")


def sampled(name, among):
    """Whether the test of that name is one of the sample: of all others every so many, chosen by a hash."""
    return name.startswith(OF_EACH_VERSION) or zlib.crc32(name.encode()) % among == 0
