"""`Registry`: one function per primitive, and none for a primitive without a row."""

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
    with pytest.raises(ValueError, match="the table of primitives has no row for 'addition'"):
        table("addition")(len)
    with pytest.raises(ValueError, match=r"add is already registered to .*len"):
        table("mul", "add")(max)
