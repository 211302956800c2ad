"""The numeric side: a function is run on shifted inputs, and what comes out is compared, measured and drawn."""

from jaxconv.verify.numeric.check import InsensitiveWarning as InsensitiveWarning
from jaxconv.verify.numeric.check import check as check
