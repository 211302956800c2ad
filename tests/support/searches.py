"""Searches of a function for counterexamples; `traced` keeps the last programs, so that seeds and shifts share them."""

from functools import partial

from jaxconv.verify.execution import refute
from jaxconv.verify.execution.program import traced


def _search(search, fn, arguments, *what, **settings):
    return search(traced(fn, arguments), arguments, *what, **settings)


refute_cyclic, refute_interior = (partial(_search, one) for one in (refute.refute_cyclic, refute.refute_interior))
