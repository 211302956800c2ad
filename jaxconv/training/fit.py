"""The training loop: steps, checkpoints and watchers; how a signal or a NaN ends it."""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.typing import DTypeLike

from jaxconv.checks import function, integer, shown
from jaxconv.errors import explain, public
from jaxconv.training.nonfinite import first_nonfinite
from jaxconv.training.update import Batch, Loss, Metrics, TrainState, Update, as_trained, operands

if TYPE_CHECKING:  # orbax is optional
    from jaxconv.training.checkpoints import Checkpoints

Row = dict[str, float]  # what one step measured
Watcher = Callable[[Row], object]
RECENT = 50  # steps over which the speed is measured
AGREE = 10  # steps between two questions to the other processes whether one of them received a signal


class Interrupted(Exception):  # noqa: N818  no error: the user asked for it
    """Ctrl-C or SIGTERM ended the run after a whole step. `status` is the exit status that shells expect."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)
        self.status = 128 + number


class NonFiniteError(ValueError):
    """The loss is NaN or infinite, or a NaN is among the new parameters."""


class _Done(NamedTuple):
    """A step whose metrics have not been read yet: reading waits for the device."""

    step: int
    before: TrainState
    batch: Batch
    metrics: Metrics
    examples: int


@public
def fit(
    update: Update,
    train: TrainState,
    batches: Callable[[int], Iterator[Batch]],
    *,
    steps: int,
    checkpoints: Checkpoints | None = None,
    save_every: int = 100,
    watch: Sequence[Watcher] = (),
    explain_nonfinite: Callable[[TrainState, Batch], str] | None = None,
) -> TrainState:
    """The state after step `steps`: `train, metrics = update(train, batch)` for each further batch.

    Law: the result is the same, bit for bit, whether the run is interrupted and resumed or not, on the same devices and
    versions. The next step depends on `train` and on the number of the step only. It fails if `batches(k)` does not
    continue as `batches(0)` does after k batches.

    The loop reads the metrics of a step while the next one is computed. Speed is the mean of the last 50 steps. On
    Ctrl-C or SIGTERM the loop completes the step, saves a checkpoint and raises `Interrupted`; a second Ctrl-C raises
    KeyboardInterrupt at once.

    Args:
        update: a function of a state and a batch, which returns the new state and the metrics; see `make_update`.
        train: the state to start from, that of `init_training` or of a checkpoint.
        batches: returns the batches from a step on; see `loader`.
        steps: the number of steps in total, those before `train` included.
        checkpoints: where to save; None saves nothing.
        save_every: steps between two checkpoints. The start and the last step are saved, too.
        watch: functions that receive a row for each step: a dict with "step", the metrics, "examples_per_second" and
            "seconds" since the start.
        explain_nonfinite: names the origin of a NaN, given the state before the step and the batch; see `diagnosis`.

    Raises:
        NonFiniteError: the loss is NaN or infinite, or a NaN is among the new parameters. That step is not saved.
        Interrupted: Ctrl-C or SIGTERM.
        CheckpointError: a checkpoint cannot be written.
        ValueError: `batches` ended before the last step, or `steps` is less than the steps of `train`.

    >>> import itertools, jax.numpy as jnp, optax
    >>> from jaxconv.training.update import init_training, make_update
    >>> loss = lambda params, state, batch, key: (((params - batch) ** 2).mean(), (state, {}))
    >>> start = init_training(jnp.zeros(()), optax.sgd(0.25), jax.random.key(0))
    >>> batches = lambda step: itertools.repeat(jnp.full((4,), 8.0))
    >>> seen = []
    >>> train = fit(make_update(loss, optax.sgd(0.25)), start, batches, steps=3, watch=[seen.append])
    >>> float(train.params), [row["loss"] for row in seen]
    (7.0, [64.0, 16.0, 4.0])
    """
    start = _checked(update, train, batches, steps)
    save_every = integer("save_every", save_every, least=1, cure="Leave it out for 100")
    begun = time.perf_counter()
    recent: deque[tuple[float, int]] = deque(
        [(begun, 0)], RECENT
    )  # times at which a step was done, examples until then
    pending: _Done | None = None
    iterator = batches(start)

    def settle() -> None:
        """Read the metrics of the step before; raise if they are not finite; pass them on."""
        nonlocal pending
        if pending is None:
            return
        done, pending = pending, None
        row = {name: float(value) for name, value in jax.device_get(done.metrics).items()}
        if not (row.pop("finite", 1.0) and np.isfinite(row["loss"])):
            raise _nonfinite(done, row["loss"], explain_nonfinite, checkpoints)
        now = time.perf_counter()
        recent.append((now, recent[-1][1] + done.examples))
        rate = (recent[-1][1] - recent[0][1]) / max(now - recent[0][0], 1e-9)
        for watcher in watch:
            watcher({"step": done.step, **row, "examples_per_second": rate, "seconds": now - begun})

    if checkpoints is not None and checkpoints.latest is None:  # whatever happens, the run can be resumed
        checkpoints.save(start, train)
        checkpoints.wait()
    with _signals() as received:
        for step in range(start + 1, steps + 1):
            batch = _next(iterator, step, steps)
            after, metrics = update(train, batch)
            settle()
            pending = _Done(step, train, batch, metrics, _examples(batch))
            train = after
            stop = _agreed(received, step)
            if checkpoints is not None and (stop or step == steps or step % save_every == 0):
                settle()
                checkpoints.save(step, train)
            if stop:
                settle()
                raise _interrupted(stop, step, steps, checkpoints)
        settle()
    if checkpoints is not None:
        checkpoints.wait()
    return train


@public
def diagnosis(loss: Loss, *, dtype: DTypeLike | None = None) -> Callable[[TrainState, Batch], str]:
    """A function for `fit(explain_nonfinite=...)`: `first_nonfinite` of the loss at a state and a batch.

    Args:
        loss: the loss that `make_update` received.
        dtype: the dtype that `make_update` received.

    Raises:
        TypeError: `loss` is not a function of four arguments, or `dtype` is not a floating-point dtype.
    """
    objective = as_trained(loss, dtype)
    return lambda train, batch: first_nonfinite(objective, *operands(train, batch))


def _checked(update: object, train: object, batches: object, steps: object) -> int:
    """The number of the steps before, or an error of a bad argument."""
    function("update", update, cure="Pass the result of make_update")
    function("batches", batches, cure="Pass the result of loader, or lambda step: ...")
    if not isinstance(train, TrainState):
        raise TypeError(explain("train", shown(train), "a TrainState", "Pass the result of init_training"))
    start = int(train.step)
    if integer("steps", steps, least=0, cure="It counts the steps before this state, too") < start:
        cure = "Write more steps: they are counted from the start of the run"
        raise ValueError(explain("steps", steps, f"{start} or more, the steps of this state", cure))
    return start


def _nonfinite(
    done: _Done,
    loss: float,
    explain_nonfinite: Callable[[TrainState, Batch], str] | None,
    checkpoints: Checkpoints | None,
) -> NonFiniteError:
    """The error of a step: its number, the origin, and the last good checkpoint."""
    origin = explain_nonfinite(done.before, done.batch) if explain_nonfinite else ""
    found = f"{loss} at step {done.step}" if not np.isfinite(loss) else f"followed by a NaN at step {done.step}"
    if not origin and np.isfinite(loss):
        origin = "It is in the update of the parameters or of the state"
    kept = ""
    if checkpoints is not None:
        checkpoints.wait()
        kept = f". The last good checkpoint is that of step {checkpoints.latest} in {checkpoints.folder}"
    cure = f"{origin or 'Pass explain_nonfinite=diagnosis(loss) to see where'}{kept}. Lower the learning rate"
    return NonFiniteError(explain("the loss", found, "finite", cure))


def _interrupted(number: int, step: int, steps: int, checkpoints: Checkpoints | None) -> Interrupted:
    """Wait for the checkpoint; say where it is."""
    name = signal.Signals(number).name
    if checkpoints is None:
        return Interrupted(f"{name} at step {step} of {steps}. Nothing is saved: the run has no folder.", number)
    checkpoints.wait()
    return Interrupted(f"{name} at step {step} of {steps}. The run is saved in {checkpoints.folder}.", number)


def _next(iterator: Iterator[Batch], step: int, steps: int) -> Batch:
    try:
        return next(iterator)
    except StopIteration:
        cure = "Repeat the data without end, or write fewer steps"
        raise ValueError(explain("batches", f"at its end before step {step}", f"{steps} batches", cure)) from None


def _examples(batch: Batch) -> int:
    """The length of the first axis, over all processes."""
    leaves = jax.tree.leaves(batch)
    return len(leaves[0]) * jax.process_count() if leaves and np.ndim(leaves[0]) else 1


@contextmanager
def _signals() -> Iterator[list[int]]:
    """A list that receives the number of SIGINT or SIGTERM. A second SIGINT raises KeyboardInterrupt."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield received
        return

    def receive(number: int, _: Any) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _agreed(received: Sequence[int], step: int) -> int:
    """The number of a signal to end for, or 0. Several processes end at the same step, for a signal to any of them."""
    own = received[0] if received else 0
    if jax.process_count() == 1:
        return own
    return int(np.max(multihost_utils.process_allgather(np.int32(own)))) if step % AGREE == 0 else 0
