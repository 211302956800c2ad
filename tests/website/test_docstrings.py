"""Docstrings as Markdown. They need what `pip install -e '.[docs]'` brings."""

import pytest

pytest.importorskip("griffe")
docstrings = pytest.importorskip("docstrings")

DOCSTRING = """The sum of [*window, c] over [n, *spatial, c], *never* the mean:
- of `x[*i] * k`, for s*m/n of them;
- of none.

    y[n,i] = sum_{u} x[n, i*s + u] * w[u]

Law: it is linear.

Args:
    x: [n, *spatial, c].

        More of it.

Returns:
    [n, *out, o].

>>> total(2 * 3)
6

Source: Somebody.
"""
MARKDOWN = r"""The sum of [\*window, c] over [n, \*spatial, c], *never* the mean:

- of `x[*i] * k`, for s\*m/n of them;
- of none.

    y[n,i] = sum_{u} x[n, i*s + u] * w[u]

**Law:** it is linear.

Args:
    x: [n, \*spatial, c].

        More of it.

Returns:
    [n, \*out, o].

```pycon
>>> total(2 * 3)
6
```

**Source:** Somebody."""


def test_a_docstring_becomes_markdown():
    assert docstrings.as_markdown(DOCSTRING) == MARKDOWN
