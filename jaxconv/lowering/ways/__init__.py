"""Ways to compute a convolution by other means than lax's: every way has a formula for each of its three faces.

Every way fits some forms only, and says which. In none of them does a number that is not in the kernel spoil a result:
an infinite cell reaches the outputs that see it, and no others. Half-precision floats are added up in float32.
"""

from jaxconv.lowering.ways.banded import BANDED
from jaxconv.lowering.ways.canonical import CANONICAL
from jaxconv.lowering.ways.depthwise import TAPS
from jaxconv.lowering.ways.grouped import SPLIT
from jaxconv.lowering.ways.pointwise import PRODUCT
from jaxconv.lowering.ways.portions import PORTIONS
from jaxconv.lowering.ways.volumes import SLICES
from jaxconv.lowering.ways.way import Way

WAYS: dict[str, Way] = {
    "product": PRODUCT,
    "taps": TAPS,
    "split": SPLIT,
    "banded": BANDED,
    "slices": SLICES,
    "portions": PORTIONS,
    "canonical": CANONICAL,
}
