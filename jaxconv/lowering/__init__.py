"""How window operations are computed on each platform; `use_algorithm` forces one algorithm."""

from jaxconv.lowering.table import use_algorithm as use_algorithm
