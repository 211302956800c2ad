"""Validates arguments that are plain Python values: each function returns the value, or raises an error with a fix.

Every public function reads its settings through these functions, so one mistake gives one message everywhere. The
checks use types and static values only. They cost microseconds and add nothing to a jaxpr. The module imports no JAX,
because `window` and the reference must not.
"""

from __future__ import annotations

import inspect
import math
import numbers
import operator
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, SupportsIndex

from jaxconv.errors import explain

STATIC = "Under jax.jit, make it a static argument: jax.jit(f, static_argnames=...)"
LONGEST = 80  # maximum number of characters of a value in an error message


def shown(value: object) -> str:
    """Formats a value for an error message: an array as shape and dtype, a function as its name, others by `repr`, cut.

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
        return f"the function {value.__name__}"  # pyright: ignore[reportAttributeAccessIssue]  hasattr checked it
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        kind = "a traced array" if is_traced(value) else "an array"
        return f"{kind} of shape {tuple(shape)} and dtype {dtype}"
    if isinstance(value, int) and abs(value) >= 10**LONGEST:  # Python does not print integers of thousands of digits
        return f"an integer of {value.bit_length()} bits"
    return _cut(" ".join(repr(value).split()))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def is_traced(value: object) -> bool:
    """Whether a value is a JAX tracer, whose value is known only when the compiled program runs."""
    return any(base.__name__ == "Tracer" and base.__module__.startswith("jax") for base in type(value).__mro__)


def integer(argument: str, value: object, *, cure: str, least: int | None = None, most: int | None = None) -> int:
    """Returns a Python or NumPy integer, or an array with one integer, as an int; refuses booleans, floats and strings.

    >>> integer("groups", 2, least=1, cure="Leave it out for 1")
    2
    """
    number = None if isinstance(value, bool) or not isinstance(value, SupportsIndex) else _index(value)
    if number is None:
        raise TypeError(explain(argument, shown(value), "an integer", STATIC if is_traced(value) else cure))
    if least is not None and number < least:
        raise ValueError(explain(argument, shown(number), f"{least} or more", cure))
    if most is not None and number > most:
        raise ValueError(explain(argument, shown(number), f"at most {most}", cure))
    return number


def _index(value: SupportsIndex) -> int | None:
    """The integer that a value represents; None for an array of several integers or a traced array."""
    try:
        return operator.index(value)
    except TypeError:
        return None


def is_one(value: object) -> bool:
    """Whether a value is a single integer: an integer, or an array without axes."""
    return isinstance(value, SupportsIndex) and not getattr(value, "ndim", 0)


def several(value: object) -> tuple[Any, ...] | None:
    """Returns the items of a list, tuple, range or 1-D array as a tuple, and None for any other value.

    Sets and dicts have no defined order, and a string is not a sequence of settings.
    """
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(value)
    if getattr(value, "ndim", None) == 1 and hasattr(value, "dtype"):
        return tuple(value)  # pyright: ignore[reportArgumentType]  an array of one axis is iterable
    return None


def flag(argument: str, value: object, *, cure: str = "") -> bool:
    """Returns a Python or NumPy boolean as a bool.

    >>> flag("batched", False)
    False
    """
    if isinstance(value, bool):
        return value
    if type(value).__name__ in ("bool", "bool_") and type(value).__module__ == "numpy":
        return bool(value)
    cure = STATIC if is_traced(value) else cure or f"Write {argument}=True or {argument}=False"
    raise TypeError(explain(argument, shown(value), "True or False", cure))


def number(argument: str, value: object, *, cure: str) -> float:
    """Returns a real number, of Python, NumPy or a 0-D array, as a Python number, which does not promote a dtype.

    >>> number("epsilon", 1e-5, cure="Leave it out for 1e-5")
    1e-05
    """
    scalar = value.item() if getattr(value, "shape", None) == () and not is_traced(value) else value  # pyright: ignore
    if isinstance(scalar, bool) or not isinstance(scalar, numbers.Real):
        raise TypeError(explain(argument, shown(value), "a number", STATIC if is_traced(value) else cure))
    try:
        converted = float(scalar)
    except OverflowError:  # an integer too large for a float
        raise ValueError(explain(argument, shown(value), "a number that a float holds", cure)) from None
    return scalar if isinstance(scalar, int) else converted


def positive_number(argument: str, value: object, *, cure: str) -> float:
    """Returns a real number that is greater than 0 and finite, as `number` does.

    >>> positive_number("norm", 2, cure="Write 2 for the Euclidean norm")
    2
    """
    checked = number(argument, value, cure=cure)
    if not 0 < checked < math.inf:
        raise ValueError(explain(argument, checked, "positive and finite", cure))
    return checked


def fraction(argument: str, value: object, *, cure: str) -> float:
    """Returns a real number from 0 to 1, as `number` does.

    >>> fraction("momentum", 0.9, cure="Leave it out for 0.99")
    0.9
    """
    checked = number(argument, value, cure=cure)
    if not 0 <= checked <= 1:
        raise ValueError(explain(argument, checked, "between 0 and 1", cure))
    return checked


def choice(
    argument: str, value: object, options: Sequence[str], *, cure: str = "", any_case: bool = False, besides: str = ""
) -> str:
    """Returns one of a few names; `any_case` accepts any letter case if the options are upper case.

    `besides` describes, for the message, other values that the caller accepts.

    >>> choice("layout", "channels_last", ("channels_last", "channels_first"))
    'channels_last'
    """
    normalised = value.upper() if any_case and isinstance(value, str) else value
    if isinstance(normalised, str) and normalised in options:
        return normalised
    names = [f'"{name}"' for name in options]
    close = get_close_matches(normalised, options, 1) if isinstance(normalised, str) else []
    cure = f'Perhaps you mean "{close[0]}"' if close else cure or f"Write {argument}={names[0]}"
    names += [besides] if besides else []
    expected = f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
    error = ValueError if isinstance(value, str) else TypeError
    raise error(explain(argument, shown(value), expected, cure))


def function(argument: str, value: object, *, cure: str) -> None:
    """Refuses a value that is not callable."""
    if not callable(value):
        raise TypeError(explain(argument, shown(value), "a function", cure))


def takes(argument: str, value: Callable[..., Any], given: Sequence[Any], expected: str, *, cure: str) -> None:
    """Refuses a function whose signature does not accept these positional arguments.

    >>> takes("fn", lambda x: x, (1,), "a function of one argument", cure="Bind the others")
    """
    try:
        signature = inspect.signature(value, follow_wrapped=False)  # a wrapped function may have another signature
    except (TypeError, ValueError):  # a function that is not written in Python has no signature
        return
    try:
        signature.bind(*given)
    except TypeError:
        actual = f"{shown(value)}, which takes {_cut(str(signature))}"
        raise TypeError(explain(argument, actual, expected, cure)) from None


def mapping(argument: str, value: object, expected: str, *, cure: str) -> Mapping[Any, Any]:
    """Returns a mapping, such as a dict."""
    if not isinstance(value, Mapping):
        raise TypeError(explain(argument, shown(value), expected, cure))
    return value
