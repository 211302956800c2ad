"""Equations of constants that NumPy computes to the same bits as XLA, without compiling anything."""

from jaxconv.verify.numpy_rows import arithmetic, layout, reduction  # their imports register rows
from jaxconv.verify.numpy_rows.stacks import of_stack
from jaxconv.verify.numpy_rows.table import computed, element_wise, evaluation, other_bits, rows, views

__all__ = [
    "arithmetic",
    "computed",
    "element_wise",
    "evaluation",
    "layout",
    "of_stack",
    "other_bits",
    "reduction",
    "rows",
    "views",
]
