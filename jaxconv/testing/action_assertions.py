"""Assertions about actions, which searches for violations decide, and what an undecided assertion does."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

from jaxconv.checks import choice
from jaxconv.verify.execution.actions import Action
from jaxconv.verify.execution.falsify import ActionFalsification, falsify_action
from jaxconv.verify.shifted_axes import Axes

Undecided = Literal["fail", "pass"]
PASS = 'If a search without a violation is enough evidence, pass undecided="pass".'


class UndecidedWarning(UserWarning):
    """An assertion passed that was neither proved nor refuted, because a search found no violation."""


def assert_under_action(
    fn: Callable[..., Any],
    arguments: tuple[Any, ...],
    axes: Axes | None,
    action: Action,
    invariant: bool,
    undecided: Undecided,
    values: bool,
    examples: int,
    seed: int,
) -> ActionFalsification:
    """Search for a violation of the laws of an action, and fail if there is one; see `assert_equivariant`."""
    __tracebackhide__ = True
    choice("undecided", undecided, ("fail", "pass"))
    searched = falsify_action(fn, arguments, axes, action, invariant, values, examples, seed)
    law = "invariant" if invariant else "equivariant"
    found = searched.counterexample
    if found is not None:
        witness = "\n           ".join(str(found).splitlines())
        raise AssertionError(f"{searched.function} is not {law}: {found.law} is violated\n  witness: {witness}")
    if not searched.responded:
        text = f"{searched.function} is neither tested nor refuted to be {law}: {searched}"
        if undecided == "fail":
            raise AssertionError(f"{text}\n\n{PASS}")
        warnings.warn(text, UndecidedWarning, stacklevel=3)
    return searched
