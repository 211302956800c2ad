"""Batches by grain: every order can be continued anywhere, by any number of workers and processes."""

import itertools
from unittest import mock

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxconv.training.loader import loader

COUNT = 10
EXAMPLES = {"image": np.arange(COUNT)[:, None] * np.ones((COUNT, 3)), "label": np.arange(COUNT) % 3}


def taken(batches, step, count):
    """The first labels-and-images of `count` batches from a step on."""
    return [batch["image"][:, 0].astype(int).tolist() for batch in itertools.islice(batches(step), count)]


@given(st.integers(1, COUNT), st.integers(0, 7), st.integers(0, 2**31), st.sampled_from([0, 1, 3]))
def test_batches_continue_from_any_step(batch, step, seed, workers):
    whole = taken(loader(EXAMPLES, batch, seed=seed, workers=0), 0, step + 3)
    assert taken(loader(EXAMPLES, batch, seed=seed, workers=workers), step, 3) == whole[step:]


@given(st.integers(1, COUNT), st.integers(0, 2**31))
def test_each_epoch_has_each_example_once(batch, seed):
    order = [*itertools.chain.from_iterable(taken(loader(EXAMPLES, batch, seed=seed, workers=0), 0, 2 * COUNT))]
    epochs = [order[start : start + COUNT] for start in range(0, len(order) - COUNT + 1, COUNT)]
    assert all(sorted(epoch) == [*range(COUNT)] for epoch in epochs)
    assert len(epochs) == 1 or any(epoch != epochs[0] for epoch in epochs) or len(epochs) < 3


def test_examples_stay_together_and_seeds_differ():
    batch = next(loader(EXAMPLES, 4, seed=1)(0))
    np.testing.assert_array_equal(batch["image"][:, 0] % 3, batch["label"])
    assert batch["image"].shape == (4, 3)
    assert taken(loader(EXAMPLES, 4, seed=1), 0, 3) != taken(loader(EXAMPLES, 4, seed=2), 0, 3)


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_each_batch(processes):
    whole = taken(loader(EXAMPLES, 6, seed=5), 2, 4)
    parts = []
    for process in range(processes):
        with (
            mock.patch.object(jax, "process_count", return_value=processes),
            mock.patch.object(jax, "process_index", return_value=process),
        ):
            parts.append(taken(loader(EXAMPLES, 6, seed=5), 2, 4))
    assert [[*itertools.chain(*each)] for each in zip(*parts, strict=True)] == whole
    assert all(len(batch) == 6 // processes for part in parts for batch in part)


def test_what_cannot_be_loaded_is_named():
    with pytest.raises(ValueError, match=r"loader: batch is 11, but should be at most the 10 examples"):
        loader(EXAMPLES, 11, seed=0)
    with pytest.raises(
        ValueError, match=r"loader: examples is arrays of \(2,\) and \(3,\) examples, but should be arrays of the same"
    ):
        loader((np.ones(2), np.ones(3)), 1, seed=0)
    with (
        mock.patch.object(jax, "process_count", return_value=3),
        pytest.raises(ValueError, match=r"batch is 4, but .*multiple of 3"),
    ):
        loader(EXAMPLES, 4, seed=0)
