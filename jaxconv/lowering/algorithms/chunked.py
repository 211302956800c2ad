"""A dense convolution of a large batch, a few examples at a time.

For the kernel gradient XLA copies x and y into layouts with the batch innermost, and copies every window. Where these
copies exceed the processor's caches they take longer than the products. So x and y are copied, multiplied and summed
chunk by chunk.
"""

from __future__ import annotations

from jax import lax
from jaxtyping import Array

from jaxconv.lowering.algorithms.algorithm import Algorithm, Conv
from jaxconv.lowering.algorithms.nhwc import conv_nhwc
from jaxconv.lowering.arrays import zeros_like
from jaxconv.lowering.conv_spec import CONV_OPERANDS, ConvSpec

FEWEST = 8  # examples in a chunk: the batch is innermost, so this many numbers are multiplied at a time
FEW_CHANNELS = 8  # input channels up to which windows, and so chunks, are small
LARGEST = 2**22  # numbers of x and y in a chunk; for larger images a chunk may have fewer than 8 examples


def _run(operation: str, spec: ConvSpec, lhs: Array, rhs: Array, *, inner_conv: Conv) -> Array:
    n, (c, o) = lhs.shape[0], spec.channels(operation, lhs.shape, rhs.shape)
    size = spec.input_size * c + spec.output_size * o
    length = chunk_length(n, size, 2**16 if c <= FEW_CHANNELS else 2**19)
    if length == n:
        return conv_nhwc(operation, spec, lhs, rhs)
    chunks = lambda a: a.reshape(n // length, length, *a.shape[1:])
    if operation != "conv_kernel_grad":  # rhs is the kernel, which has no batch
        result = lax.map(lambda chunk: conv_nhwc(operation, spec, chunk, rhs), chunks(lhs))
        return result.reshape(n, *result.shape[2:])
    zeros = zeros_like(lhs, spec.shape_of(CONV_OPERANDS[operation][2], lhs.shape, rhs.shape))
    add = lambda total, pair: (total + conv_nhwc(operation, spec, *pair), None)
    return lax.scan(add, zeros, (chunks(lhs), chunks(rhs)))[0]


def chunk_length(n: int, size: int, enough: int) -> int:
    """Number of examples in a chunk: a divisor of n, or n itself where n is not known yet.

    Args:
        n: batch size.
        size: numbers of x and y in one example.
        enough: numbers in a chunk that are worth one iteration of the loop.

    >>> [chunk_length(n, size, 2**16) for n, size in ((128, 2**14), (31, 2**14))]
    [8, 31]
    >>> [chunk_length(128, size, 2**19) for size in (2**14, 2**20)]
    [32, 4]
    """
    if not isinstance(n, int):
        return n
    divisors = [count for count in range(1, n + 1) if n % count == 0]
    if FEWEST * size > LARGEST:
        return max(count for count in divisors if count == 1 or count * size <= LARGEST)
    return min(count for count in divisors if count == n or (count >= FEWEST and count * size >= enough))


CHUNKED = Algorithm(tuple(CONV_OPERANDS), lambda spec, c, o: spec.groups == 1, _run)
