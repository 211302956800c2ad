"""jaxconv: convolutional layers as pure JAX functions whose shared-kernel gradients are sums over positions.

`__init__.pyi` has every public name. Its module is imported when the name is first used, so that `import jaxconv` takes
hardly longer than `import jax`. `EAGER_IMPORT=1` in the environment imports all of them at once.
"""

import sys
import threading

import lazy_loader

_imported, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
_names = frozenset(__all__)
_lock = threading.RLock()


def __getattr__(name: str) -> object:
    """Return a public name, whose module is imported by one thread at a time.

    The modules of JAX import each other: two threads that import different ones at once refuse each other's locks.
    Other names take no lock, since modules of this package ask for some while they are imported.
    """
    if name not in _names:
        text = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(text, name=name, obj=sys.modules[__name__])
    with _lock:
        return globals().setdefault(name, _imported(name))
