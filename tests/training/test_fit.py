"""The loop: what it computes, what watchers see, when it saves, and what ends it."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.training_process import begin, bits, examples, loss

import jaxconv as jc
from jaxconv.training.checkpoints import Checkpoints
from jaxconv.training.fit import NonFiniteError, diagnosis, fit
from jaxconv.training.loader import loader
from jaxconv.training.update import classification, init_training, make_update

MOMENTUM = optax.sgd(0.05, momentum=0.9)  # under strict promotion optax.adam does not run


@pytest.fixture(scope="module")
def update():
    """A compiled step with batch normalisation and random shifts."""
    return make_update(loss, MOMENTUM)


def line(update=None, rate=0.5):
    """Start and update of a line fitted by gradient descent: mean of (w*x - y)^2, of whole numbers."""
    squared = lambda params, state, batch, key: (((params["w"] * batch[0] - batch[1]) ** 2).mean(), (state + 1, {}))
    return init_training({"w": jnp.float32(1)}, optax.sgd(rate), jax.random.key(0), state=jnp.int32(0)), make_update(
        update or squared, optax.sgd(rate)
    )


def batches(step):
    """Batches of two points (x, y): (1, k) twice at step k."""
    return ((np.ones(2, np.float32), np.full(2, number, np.float32)) for number in itertools.count(step))


def test_the_numbers_are_those_worked_out_by_hand():
    """w becomes w - 0.5 * 2 (w - k) = k: the loss of step k + 1 is (k - 1 - k)^2 = 1 = that of step 1, (1 - 0)^2."""
    start, update = line()
    rows = []
    train = fit(update, start, batches, steps=4, watch=[rows.append])
    assert (float(train.params["w"]), int(train.state), int(train.step)) == (3, 4, 4)
    assert [(row["step"], row["loss"]) for row in rows] == [(1, 1), (2, 1), (3, 1), (4, 1)]
    assert all(row["examples_per_second"] > 0 for row in rows)
    assert float(start.params["w"]) == 1  # nothing is donated


def test_a_run_may_be_split_anywhere(update):
    data = loader(examples(), 8, seed=3)
    whole = fit(update, begin(MOMENTUM), data, steps=5)
    for cut in range(6):
        parts = fit(update, fit(update, begin(MOMENTUM), data, steps=cut), data, steps=5)
        for name, value in bits(whole).items():
            np.testing.assert_array_equal(bits(parts)[name], value, err_msg=name)
    twin = fit(
        update, fit(update, begin(MOMENTUM), data, steps=3), lambda step: data(0), steps=5
    )  # forgets its position
    assert not np.array_equal(bits(twin)[".params['conv']['kernel']"], bits(whole)[".params['conv']['kernel']"])


def test_checkpoints_are_written_at_their_steps_and_at_the_end(tmp_path):
    start, update = line()
    with Checkpoints(tmp_path, keep=9) as checkpoints:
        fit(update, start, batches, steps=7, checkpoints=checkpoints, save_every=3)
        assert sorted(int(path.name) for path in tmp_path.iterdir()) == [0, 3, 6, 7]
        for step, w in ((0, 1), (3, 2), (6, 5), (7, 6)):
            saved = checkpoints.restore(start, step=step)
            assert (int(saved.step), float(saved.params["w"])) == (step, w)


def test_each_step_has_its_own_key():
    seen = []
    key_of = lambda params, state, batch, key: (params.sum(), (jax.random.bits(key), {}))
    watch = lambda row: seen.append(row["step"])
    start, update = (
        init_training(jnp.ones(1), MOMENTUM, jax.random.key(3), state=jnp.uint32(0)),
        make_update(key_of, MOMENTUM),
    )
    states = [int(fit(update, start, batches, steps=steps, watch=[watch]).state) for steps in (1, 2, 3)]
    assert states == [int(jax.random.bits(jax.random.fold_in(jax.random.key(3), step))) for step in range(3)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_bad_batch_ends_the_run_at_its_step_and_nothing_of_it_is_saved(bad, tmp_path):
    start, update = line()
    broken = lambda step: ((x, y if number != 4 else y * bad) for number, (x, y) in enumerate(batches(step), step))
    rows = []
    with Checkpoints(tmp_path, keep=9) as checkpoints:
        with pytest.raises(
            NonFiniteError, match=r"^fit: the loss is (nan|inf) at step 5, but should be finite. .* step 4 in "
        ):
            fit(update, start, broken, steps=9, checkpoints=checkpoints, save_every=1, watch=[rows.append])
        assert checkpoints.latest == 4
    assert [row["step"] for row in rows] == [1, 2, 3, 4]


def test_a_nan_in_the_gradient_alone_is_found_at_its_step():
    """sqrt has an infinite gradient at 0; times 0 this is NaN, while the loss is 0."""
    root = lambda params, state, batch, key: (jnp.sqrt(params["w"] * 0.0).sum(), (state, {}))
    start, update = line(root)
    with pytest.raises(
        NonFiniteError, match=r"followed by a NaN at step 1.*The first NaN is the result of mul .*test_fit.py:\d+ "
    ):
        fit(update, start, batches, steps=3, explain_nonfinite=diagnosis(root))


def test_the_layer_of_the_first_nan_is_named():
    def model(params, images):
        x = jc.conv(params["c1"], images)
        x = jnp.log(jc.conv(params["c2"], x) * 0.0 - 1.0)  # the fault
        return jc.dense(params["head"], x.mean((1, 2)))

    first, second, head = jax.random.split(jax.random.key(0), 3)
    params = {
        "c1": jc.init_conv(first, (2, 2), 1, 3),
        "c2": jc.init_conv(second, (2, 2), 3, 4),
        "head": jc.init_dense(head, 4, 2),
    }
    scored = classification(model)
    data = loader(examples(), 8, seed=0)
    with pytest.raises(
        NonFiniteError,
        match=r"The first NaN is the result of log in layer \['c2'\] at test_fit.py:\d+ \(model\). Lower",
    ):
        fit(
            make_update(scored, MOMENTUM),
            init_training(params, MOMENTUM, jax.random.key(0)),
            data,
            steps=2,
            explain_nonfinite=diagnosis(scored),
        )


def test_arguments_are_checked():
    start, update = line()
    few = lambda step: itertools.islice(batches(step), 2)
    with pytest.raises(ValueError, match=r"^fit: batches is at its end before step 3, but should be 5 batches"):
        fit(update, start, few, steps=5)
    with pytest.raises(ValueError, match=r"^fit: steps is 1, but should be 2 or more, the steps of this state"):
        fit(update, fit(update, start, batches, steps=2), batches, steps=1)
    with pytest.raises(
        TypeError, match=r"^fit: train is \{\}, but should be a TrainState. Pass the result of init_training"
    ):
        fit(update, {}, batches, steps=1)
