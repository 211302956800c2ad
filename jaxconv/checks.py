"""Readers of arguments that are plain Python: each returns the value that a function asked for, or says what to pass.

Every public function reads its settings through these, so that one mistake gets one message wherever it is made. They
look at types and static values only: a call costs microseconds, and nothing of it is in a jaxpr. No JAX is imported,
since `window` and the reference do without.
"""

from __future__ import annotations

import inspect
import numbers
import operator
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, SupportsIndex

from jaxconv.errors import explain

STATIC = "Under jax.jit, make it a static argument: jax.jit(f, static_argnames=...)"
LONGEST = 80  # characters of a value in a message


def shown(value: object) -> str:
    """A value as a message shows it: an array by shape and dtype, a function by name, others by `repr`, cut short.

    >>> shown("2"), shown(None), shown(dict)
    ("'2'", 'None', "<class 'dict'>")
    >>> shown(shown)
    'the function shown'
    >>> shown("a" * 1000)[-8:]
    'aaaaa...'
    """
    if isinstance(value, type):
        return repr(value)
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}"  # pyright: ignore[reportAttributeAccessIssue]  it has one
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        kind = "a traced array" if is_traced(value) else "an array"
        return f"{kind} of shape {tuple(shape)} and dtype {dtype}"
    if isinstance(value, int) and abs(value) >= 10**LONGEST:  # Python refuses to write integers of thousands of digits
        return f"an integer of {value.bit_length()} bits"
    return _cut(" ".join(repr(value).split()))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def is_traced(value: object) -> bool:
    """Whether a value is known only when the compiled program runs: what JAX passes to a function that it traces."""
    return any(base.__name__ == "Tracer" and base.__module__.startswith("jax") for base in type(value).__mro__)


def integer(
    where: str, argument: str, value: object, *, cure: str, least: int | None = None, most: int | None = None
) -> int:
    """A Python or NumPy integer, or an array of one; no boolean, float or text.

    >>> integer("conv", "groups", 2, least=1, cure="Leave it out for 1")
    2
    """
    number = None if isinstance(value, bool) or not isinstance(value, SupportsIndex) else _index(value)
    if number is None:
        raise TypeError(explain(where, argument, shown(value), "an integer", STATIC if is_traced(value) else cure))
    if least is not None and number < least:
        raise ValueError(explain(where, argument, shown(number), f"{least} or more", cure))
    if most is not None and number > most:
        raise ValueError(explain(where, argument, shown(number), f"at most {most}", cure))
    return number


def _index(value: SupportsIndex) -> int | None:
    """The integer that a value stands for; None for an array of several, and a traced one."""
    try:
        return operator.index(value)
    except TypeError:
        return None


def is_one(value: object) -> bool:
    """Whether a value is a single integer rather than several: an integer, or an array without axes."""
    return isinstance(value, SupportsIndex) and not getattr(value, "ndim", 0)


def several(value: object) -> tuple[Any, ...] | None:
    """The items of a list, a tuple, a range or an array of one axis; None of anything else.

    Sets and dicts have no order to go by, and the characters of a text are no items.
    """
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(value)
    if getattr(value, "ndim", None) == 1 and hasattr(value, "dtype"):
        return tuple(value)  # pyright: ignore[reportArgumentType]  an array of one axis is iterable
    return None


def flag(where: str, argument: str, value: object, *, cure: str = "") -> bool:
    """True or False, Python's or NumPy's.

    >>> flag("conv", "batched", False)
    False
    """
    if isinstance(value, bool):
        return value
    if type(value).__name__ in ("bool", "bool_") and type(value).__module__ == "numpy":
        return bool(value)
    cure = STATIC if is_traced(value) else cure or f"Write {argument}=True or {argument}=False"
    raise TypeError(explain(where, argument, shown(value), "True or False", cure))


def number(where: str, argument: str, value: object, *, cure: str) -> float:
    """A real number, Python's or NumPy's or an array of one, as Python's: so that no dtype is promoted to it.

    >>> number("layer_norm", "epsilon", 1e-5, cure="Leave it out for 1e-5")
    1e-05
    """
    given = value.item() if getattr(value, "shape", None) == () and not is_traced(value) else value  # pyright: ignore
    if isinstance(given, bool) or not isinstance(given, numbers.Real):
        raise TypeError(explain(where, argument, shown(value), "a number", STATIC if is_traced(value) else cure))
    try:
        wide = float(given)
    except OverflowError:  # of an integer
        raise ValueError(explain(where, argument, shown(value), "a number that a float holds", cure)) from None
    return given if isinstance(given, int) else wide


def choice(
    where: str,
    argument: str,
    value: object,
    options: Sequence[str],
    *,
    cure: str = "",
    any_case: bool = False,
    besides: str = "",
) -> str:
    """One of a few names; with `any_case`, of upper-case ones, in any letter case. `besides`: what else may be passed.

    >>> choice("conv", "layout", "channels_last", ("channels_last", "channels_first"))
    'channels_last'
    """
    found = value.upper() if any_case and isinstance(value, str) else value
    if isinstance(found, str) and found in options:
        return found
    names = [f'"{name}"' for name in options]
    near = get_close_matches(found, options, 1) if isinstance(found, str) else []
    cure = f'Perhaps you mean "{near[0]}"' if near else cure or f"Write {argument}={names[0]}"
    names += [besides] if besides else []
    expected = f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
    error = ValueError if isinstance(value, str) else TypeError
    raise error(explain(where, argument, shown(value), expected, cure))


def function(where: str, argument: str, value: object, *, cure: str) -> None:
    """Refuse what cannot be called."""
    if not callable(value):
        raise TypeError(explain(where, argument, shown(value), "a function", cure))


def takes(
    where: str, argument: str, value: Callable[..., Any], given: Sequence[Any], expected: str, *, cure: str
) -> None:
    """Refuse a function that cannot be called with these positional arguments, as far as its signature says so.

    >>> takes("certify", "fn", lambda x: x, (1,), "a function of one argument", cure="Bind the others")
    """
    try:
        signature = inspect.signature(value, follow_wrapped=False)  # what a decorator wraps may take others
    except (TypeError, ValueError):  # of what is not written in Python
        return
    try:
        signature.bind(*given)
    except TypeError:
        found = f"{shown(value)}, which takes {_cut(str(signature))}"
        raise TypeError(explain(where, argument, found, expected, cure)) from None


def mapping(where: str, argument: str, value: object, expected: str, *, cure: str) -> Mapping[Any, Any]:
    """A dict or another mapping."""
    if not isinstance(value, Mapping):
        raise TypeError(explain(where, argument, shown(value), expected, cure))
    return value
