"""Products with weights, with masks, and of a value with itself: execution does not refute what is proved."""

import pytest
from support.numpy_twins import judge_line

# Functions of one line on [b, 6, 2]; `n` is jnp or np.
LINES = {
    "channels mixed": lambda n, x: n.einsum("bic,dc->bid", x, n.array([[1, 2], [3, 4], [5, 7]], x.dtype)),
    "attention": lambda n, x: n.einsum("bic,bjc->bij", x, 3 * x),
    "attention over shifted": lambda n, x: n.einsum("bic,bjc->bij", x, n.roll(x, 2, 1)),
    "attended": lambda n, x: n.einsum("bij,bjc->bic", n.einsum("bic,bjc->bij", x % 97, x % 89), x),
    "channel products": lambda n, x: n.einsum("bic,bid->bcd", x, x),
    "summed with ones": lambda n, x: n.einsum("bic,i->bc", x, n.ones(6, x.dtype)),
    "summed with a checkerboard": lambda n, x: n.einsum("bic,i->bc", x, n.array([1, 2] * 3, x.dtype)),
    "summed with weights": lambda n, x: n.einsum("bic,i->bc", x, n.arange(6).astype(x.dtype)),
    "a dense layer": lambda n, x: n.einsum("bic,io->bo", x, n.arange(24).reshape(6, 4).astype(x.dtype)),
}
# No shift preserves these. The judge refutes any proof of one, and the test also asserts that there is none.
HOPELESS = {"summed with weights", "a dense layer"}
# Both kinds of shifts preserve these.
SURE = {"channels mixed", "attention"}


@pytest.mark.parametrize("name", LINES)
def test_one_line_proves_nothing_that_is_false(name):
    judge_line(LINES[name], hopeless=name in HOPELESS, sure=name in SURE)
