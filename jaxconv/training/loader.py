"""Batches by grain: deterministic, resumable at any step, split over processes, read ahead by threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import grain
import jax
import numpy as np

from jaxconv.checks import integer, shown
from jaxconv.errors import explain, public

EPOCHS = 2**31  # without end, for anybody; but grain cannot take slices of data of unlimited length
Loader = Callable[[int], Iterator[Any]]


class Examples(Protocol):
    """A sequence of examples, each a pytree of arrays and numbers."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...


class _Rows:
    """The examples in a pytree of arrays: the rows along their first axes."""

    def __init__(self, arrays: Any) -> None:
        self._arrays = arrays

    def __len__(self) -> int:
        return len(jax.tree.leaves(self._arrays)[0])

    def __getitem__(self, index: int) -> Any:
        return jax.tree.map(lambda array: array[index], self._arrays)


@public
def loader(examples: Any, batch: int, *, seed: int, workers: int = 2, ahead: int = 4) -> Loader:
    """A function `batches(step)` that returns the batches from a step on, without end.

    Law: `batches(k)` continues as `batches(0)` does after k batches, for every k and any number of workers. The order
    of each epoch depends on the seed only. A batch may span two epochs, so no example is lost. With P processes
    each receives 1/P of every batch: their parts, one after the other, are the batch of a single process.

    Args:
        examples: a tuple or dict of arrays of the same length, or an object with `len(examples)` and `examples[i]`,
            such as `image_folder`.
        batch: number of examples in a batch, over all processes.
        seed: decides the order.
        workers: threads that read examples while a step is computed; 0 reads in the loop.
        ahead: the number of batches that they may read ahead.

    Raises:
        ValueError: the arrays differ in length, there are fewer examples than in a batch, or the processes cannot share
            a batch equally.
        TypeError: `examples` is neither, or a number is not an integer.

    >>> batches = loader((np.arange(10), np.arange(10) % 2), 4, seed=0)
    >>> [next(batches(2))[0].tolist() == [*zip(range(3), batches(0))][2][1][0].tolist()]
    [True]
    """
    source = _source(examples)
    cure = "Write a power of two that is at most the number of examples"
    batch = integer("batch", batch, least=1, cure=cure)
    if batch > len(source):
        raise ValueError(explain("batch", batch, f"at most the {len(source)} examples", cure))
    processes, process = jax.process_count(), jax.process_index()
    if batch % processes:
        raise ValueError(explain("batch", batch, f"a multiple of {processes}, the processes", "Choose another size"))
    workers = integer("workers", workers, least=0, cure="Leave it out for 2")
    ahead = integer("ahead", ahead, least=1, cure="Leave it out for 4")
    order = (
        grain.MapDataset.source(source).seed(integer("seed", seed, least=0, cure="Write 0")).shuffle().repeat(EPOCHS)
    )
    parts = order.batch(batch // processes)[process::processes]  # so that their rows follow one another
    reading = grain.ReadOptions(num_threads=workers, prefetch_buffer_size=ahead if workers else 0)

    def batches(step: int) -> Iterator[Any]:
        return iter(parts[step:].to_iter_dataset(reading))

    return batches


def _source(examples: Any) -> Examples:
    """The examples as a sequence."""
    cure = "Pass (images, labels)"
    if not isinstance(examples, tuple | list | dict):
        if hasattr(examples, "__len__") and hasattr(examples, "__getitem__") and not isinstance(examples, str):
            return examples
        raise TypeError(explain("examples", shown(examples), "a tuple or dict of arrays, or a sequence", cure))
    arrays = jax.tree.map(np.asarray, examples)
    lengths = {array.shape[:1] for array in jax.tree.leaves(arrays)}
    if len(lengths) != 1 or lengths == {()}:
        actual = f"arrays of {' and '.join(sorted(str(length) for length in lengths)) or 'no'} examples"
        raise ValueError(explain("examples", actual, "arrays of the same length", cure))
    return _Rows(arrays)
