"""How window operations are computed on the platform at hand; `forced` makes every one of them go one way."""

from jaxconv.lowering.table import forced as forced
