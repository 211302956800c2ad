"""Equations of constants that NumPy computes to the same bits as XLA, without compiling anything."""

from jaxconv.verify.numpy_rows import arithmetic, layout, reduction  # their imports register rows
from jaxconv.verify.numpy_rows.table import computed, rows, views

__all__ = ["arithmetic", "computed", "layout", "reduction", "rows", "views"]
