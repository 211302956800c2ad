"""How the result of each primitive agrees in both executions, from how its operands do: one file a family."""

from jaxconv.verify.tiling.rules import axes, indices, layout, windows
from jaxconv.verify.tiling.rules.pair import RULES, Pair, Side, State

__all__ = ["RULES", "Pair", "Side", "State", "axes", "indices", "layout", "windows"]
