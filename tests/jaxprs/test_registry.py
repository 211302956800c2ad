"""Functions by primitive: none for what has no row, and one for each."""

import pytest

from jaxconv.jaxprs.registry import Registry


def test_a_function_is_registered_under_each_of_its_names():
    table = Registry()

    @table("add", "sub")
    def sums(equation):
        return equation

    assert table == {"add": sums, "sub": sums}


def test_what_has_no_row_or_a_function_already_is_refused():
    table = Registry()
    table("add")(len)
    with pytest.raises(ValueError, match="there is no row for a primitive 'addition'"):
        table("addition")(len)
    with pytest.raises(ValueError, match=r"add has .*len.* already"):
        table("mul", "add")(max)
