"""What cannot be accelerated: it is no function."""

import jaxconv as jc
from support.bad_input import Bad
from support.bad_input.valid import X

CURE = "Pass the function itself, not its result: accelerate(model.apply)"
FAULTS = [
    ("None", None, "None"),
    ("a name", "model", "'model'"),
    ("its result", X, "an array of shape (1, 6, 6, 2) and dtype float32"),
]
ROWS = [
    Bad("accelerate", "fn", fault, lambda value=value: jc.accelerate(value), TypeError, "fn", found, "a function", CURE, "accelerate")
    for fault, value, found in FAULTS
]  # fmt: skip
