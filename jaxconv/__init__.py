"""jaxconv: convolutional layers as pure JAX functions whose shared-kernel gradients are sums over positions.

`__init__.pyi` has every public name. Its module is imported when the name is first used, so that `import jaxconv` takes
hardly longer than `import jax`. `EAGER_IMPORT=1` in the environment imports all of them at once.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
