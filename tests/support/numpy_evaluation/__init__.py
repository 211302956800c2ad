"""A function's equations, computed by NumPy one after the other: `evaluated(fn)(*arguments)` compiles nothing.

The equations fix what an algorithm computes, and most tests ask no more. XLA would take tenths of a second for each new
shape; what it makes of the equations is tested on a few shapes of each law (`support/geometries.py`).
`test_numpy_evaluation.py` compares each row with XLA.
"""

from support.numpy_evaluation.control import CONTROL
from support.numpy_evaluation.evaluation import ROWS, Evaluation, evaluated

__all__ = ["CONTROL", "ROWS", "Evaluation", "evaluated"]
