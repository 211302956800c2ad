"""The numeric side: a function is run on shifted inputs, and what comes out is compared, measured and drawn."""

from jaxconv.verify.numeric.check import InsensitiveWarning as InsensitiveWarning
from jaxconv.verify.numeric.check import check as check
from jaxconv.verify.numeric.findings import Check as Check
from jaxconv.verify.numeric.findings import Finding as Finding
from jaxconv.verify.numeric.layerwise import layerwise as layerwise
from jaxconv.verify.numeric.measures import adversarial_consistency as adversarial_consistency
from jaxconv.verify.numeric.measures import consistency as consistency
from jaxconv.verify.numeric.measures import equivariance_error as equivariance_error
from jaxconv.verify.numeric.measures import lie_derivative_error as lie_derivative_error
from jaxconv.verify.numeric.pictures import layer_bars as layer_bars
from jaxconv.verify.numeric.pictures import position_map as position_map
from jaxconv.verify.numeric.pictures import shift_map as shift_map
