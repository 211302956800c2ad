"""Public names for measuring equivariance errors: checks, metrics and plots."""

from jaxconv.verify.execution.check import InsensitiveWarning, check
from jaxconv.verify.execution.check_report import Check, Finding
from jaxconv.verify.execution.layerwise import layerwise
from jaxconv.verify.execution.metrics import (
    adversarial_consistency,
    consistency,
    equivariance_error,
    lie_derivative_error,
)
from jaxconv.verify.execution.plots import layer_bars, position_map, shift_map

__all__ = [
    "Check",
    "Finding",
    "InsensitiveWarning",
    "adversarial_consistency",
    "check",
    "consistency",
    "equivariance_error",
    "layer_bars",
    "layerwise",
    "lie_derivative_error",
    "position_map",
    "shift_map",
]
