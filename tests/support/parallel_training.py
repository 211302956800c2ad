"""Training on several CPU devices or processes, in a process of its own; writes the last state and what a step cost.

python -m support.parallel_training FILE DEVICES [DTYPE [PORT PROCESSES PROCESS]]: with 0 devices, on one device without
a mesh. With a port, this is one of several processes.
"""

import sys
from pathlib import Path

import jax
import numpy as np
import optax

from jaxconv.training.checkpoints import Checkpoints
from jaxconv.training.devices import data_mesh, join_processes, want_cpu_devices
from jaxconv.training.fit import fit
from jaxconv.training.loader import loader
from jaxconv.training.update import make_update
from support.training_process import begin, bits, examples, loss


def main(file, devices, dtype="float32", port="", processes="1", process="0"):
    """Train for a few steps."""
    want_cpu_devices(max(int(devices), 1))
    if port:
        join_processes(f"127.0.0.1:{port}", int(processes), int(process))
    optimiser = optax.sgd(0.1, momentum=0.9)
    mesh = data_mesh() if int(devices) else None
    if mesh is not None:
        print("devices", mesh.size)
    update = make_update(loss, optimiser, mesh=mesh, dtype=None if dtype == "float32" else dtype)
    rows, folder, data = [], Path(file).with_suffix(""), loader(examples(48), 16, seed=2)
    with Checkpoints(folder) as checkpoints:
        fit(update, begin(optimiser), data, steps=4, checkpoints=checkpoints, watch=[rows.append])
    with Checkpoints(folder) as checkpoints:
        train = fit(update, checkpoints.restore(begin(optimiser)), data, steps=6, watch=[rows.append])
    print("losses", *(row["loss"] for row in rows))
    if process == "0":
        np.savez(file, **bits(jax.device_get(train)))


if __name__ == "__main__":
    main(*sys.argv[1:])
