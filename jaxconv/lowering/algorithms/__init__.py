"""Algorithms that compute window operations by other means than lax: one file each, named like its key here.

Every algorithm of convolutions computes the convolution and both gradients. An algorithm states which specs it fits. No
number outside the kernel reaches a result: an infinite cell changes the outputs whose windows contain it, and no
others. Half-precision floats are summed in float32.
"""

from jaxconv.lowering.algorithms.algorithm import Algorithm
from jaxconv.lowering.algorithms.argmax_at_once import ARGMAX_AT_ONCE
from jaxconv.lowering.algorithms.argmax_per_axis import ARGMAX_PER_AXIS
from jaxconv.lowering.algorithms.argmax_per_image import ARGMAX_PER_IMAGE
from jaxconv.lowering.algorithms.chunked import CHUNKED
from jaxconv.lowering.algorithms.conv3d_as_2d import CONV3D_AS_2D
from jaxconv.lowering.algorithms.depthwise import DEPTHWISE
from jaxconv.lowering.algorithms.grouped import GROUPED
from jaxconv.lowering.algorithms.matmul import MATMUL
from jaxconv.lowering.algorithms.nhwc import NHWC
from jaxconv.lowering.algorithms.row_products import ROW_PRODUCTS
from jaxconv.lowering.algorithms.toeplitz import TOEPLITZ
from jaxconv.lowering.algorithms.window_slices import WINDOW_SLICES

ALGORITHMS: dict[str, Algorithm] = {
    "matmul": MATMUL,
    "depthwise": DEPTHWISE,
    "grouped": GROUPED,
    "toeplitz": TOEPLITZ,
    "conv3d_as_2d": CONV3D_AS_2D,
    "chunked": CHUNKED,
    "row_products": ROW_PRODUCTS,
    "nhwc": NHWC,
    "window_slices": WINDOW_SLICES,
    "argmax_at_once": ARGMAX_AT_ONCE,
    "argmax_per_axis": ARGMAX_PER_AXIS,
    "argmax_per_image": ARGMAX_PER_IMAGE,
}
