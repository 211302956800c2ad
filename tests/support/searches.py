"""Searches of a function for counterexamples; `traced` keeps the last programs, so that seeds and shifts share them."""

from functools import partial

from jaxconv.verify.execution.program import traced
from jaxconv.verify.execution.refute import refute


def _search(cyclic, fn, arguments, *what, **settings):
    return refute(traced(fn, arguments), arguments, *what, cyclic=cyclic, **settings)


refute_cyclic, refute_interior = partial(_search, True), partial(_search, False)
