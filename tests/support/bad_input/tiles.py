"""Bad requests of tiles and shards: functions, sizes, axes, meshes, and arrays for the result."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import jaxconv as jc
from support.bad_input import Bad
from support.bad_input.valid import X
from support.bad_input.verification import identity

SIZES = "Write tile=(256, 256) for tiles of 256 x 256 cells, one size for each axis of `axes`"
CHUNK = "Write chunk=256 for chunks of 256 cells"
AXES = "Write axes=(1, 2) to {} along h and w of [n, h, w, c]"
OVER = 'Write axes={0: (1, 2)}, over=("rows", "columns") to split axes 1 and 2 of the first argument'
CALLS: dict[str, Callable[..., Any]] = {
    "certify_tiling": lambda fn=identity, tile=3, axes=(1,): jc.certify_tiling(fn, X, tile=tile, axes=axes),
    "tiled": lambda fn=identity, tile=3, axes=(1,), **options: jc.tiled(fn, tile=tile, axes=axes, **options)(X),
    "sharded": lambda fn=identity, axes=(1,), over="rows": jc.sharded(
        fn, jax.make_mesh((1,), ("rows",), devices=jax.devices()[:1]), axes=axes, over=over
    )(X),
    "streamed": lambda fn=identity, axes=(1,), chunk=2, step=X[:, :2], state=None: jc.streamed(
        fn, X, axes=axes, chunk=chunk
    ).step({"caches": (), "seen": np.int32(0)} if state is None else state, step),
}


def rows(names: str, argument: str, *faults: tuple, named: str = "") -> list[Bad]:
    """A row for each function and fault, as in `bad_input.bad`."""
    return [
        Bad(name, argument, fault, lambda name=name, value=value: CALLS[name](**{argument: value}), error,
            named or argument, found, expected, fix, name)
        for name in names.split()
        for fault, value, error, found, expected, fix in faults
    ]  # fmt: skip


ROWS = [
    *rows("certify_tiling", "tile", ("text", "3", TypeError, "'3'", "an integer, or a sequence of integers", SIZES)),
    *rows("tiled", "tile", ("text", "3", TypeError, "'3'", 'an integer, a sequence of integers, or "auto"', SIZES)),
    *rows("tiled", "batch", ("none", 0, ValueError, "0", "1 or more", "Leave it out for one tile at a time"),
          ("a fraction", 1.5, TypeError, "1.5", "an integer", "Leave it out for one tile at a time")),
    *rows("tiled", "memory", ("beside a size", 9, ValueError, "9, with tile=3", 'given with tile="auto", and only with it', "Write ...")),
    *rows("tiled", "devices", ("a number", 2, TypeError, "2", "a sequence of one device of JAX or more", "Write devices=jax.devices(), ..."),
          ("none", (), TypeError, "()", "a sequence of one device of JAX or more", "Write devices=jax.devices(), ...")),
    *rows("tiled", "record", ("a number", 2, TypeError, "2", "a path", "Write ...")),
    *rows("tiled", "record", ("of an array in memory", "record", ValueError, "an array in memory", "in files, ...", "Open a file: ..."), named="out"),
    *rows("tiled", "progress", ("a number", 1, TypeError, "1", "True or False", "Write progress=True or progress=False")),
    *rows("certify_tiling tiled", "tile",
          ("too many", (3, 3), ValueError, "(3, 3)", "one size for each axis, or one for all of them", SIZES)),
    *rows("certify_tiling tiled", "tile", ("a fraction", (2.5,), TypeError, "2.5", "an integer", SIZES),
          named="the size of a tile"),
    *rows("certify_tiling tiled", "tile", ("none", 0, ValueError, "0", "1 or more", SIZES),
          named="the tile along axis 1 of argument 0"),
    *rows("certify_tiling", "tile", ("the whole", 6, ValueError, "6", "at most 5", "Use a smaller tile, ..."),
          named="the tile along axis 1 of argument 0"),
    *rows("certify_tiling tiled", "axes", ("beyond the rank", (4,), ValueError, "4", "from -4 to 3: ...", AXES.format("tile")),
          named="an axis"),
    *rows("sharded", "axes", ("beyond the rank", (4,), ValueError, "4", "from -4 to 3: ...", AXES.format("split")),
          named="an axis"),
    *rows("streamed", "axes", ("beyond the rank", (4,), ValueError, "4", "from -4 to 3: ...", AXES.format("stream")),
          named="an axis"),
    *rows("tiled sharded streamed", "fn", ("no function", None, TypeError, "None", "a function", "Pass the function itself...")),
    *rows("certify_tiling", "fn", ("no function", 3, TypeError, "3", "a function", "Pass the function itself, as in certify_tiling(...)")),
    *rows("sharded", "axes", ("two", (1, 2), ValueError, "(1, 2)", "one axis of each argument for each name of `over`, 'rows'", OVER)),
    *rows("streamed", "axes", ("two", (1, 2), ValueError, "(1, 2)", "one axis of each argument that is streamed",
                               "Write axes={0: (1,)} to stream axis 1 of the first argument")),
    *rows("streamed", "chunk",
          ("text", "3", TypeError, "'3'", "an integer", CHUNK), ("none", 0, ValueError, "0", "1 or more", CHUNK),
          ("too large", 2**30, ValueError, "1073741824", "at most 16777216", CHUNK)),
    *rows("streamed", "step", ("a number", 3, TypeError, "3", "an array", "Pass the next cells of each"),
          ("of another shape", X[:, :2, :3], ValueError, "of shape (1, 2, 3, 2)", "of shape (1, any, 6, 2)", "Pass chunks that differ in the streamed axis only, ..."),
          ("of another rank", X[0], ValueError, "of shape (6, 6, 2)", "of shape (1, any, 6, 2)", "Pass chunks ..."),
          ("of another dtype", np.zeros(X.shape, np.int32), TypeError, "of dtype int32", "of dtype float32", "Convert it: chunk.astype('float32')"), named="chunk"),
    *rows("streamed", "step", ("empty", X[:, :0], ValueError, "0", "a positive multiple of 1", "Use 1 cells"), named="the number of cells of chunk"),
    *rows("streamed", "state", ("no state", 3, ValueError, "3", "that of init: 0 caches and a counter", "Pass the state that init or step returned"),
          ("of another function", {"caches": (X,), "seen": 0}, ValueError, "...", "that of init: ...", "Pass ...")),
    *rows("sharded", "over", ("no axis of the mesh", "columns", ValueError, "'columns'", "one of the mesh's axes, ('rows',)", "Name one of these"),
          ("a number", 3, TypeError, "3", "the name of an axis of the mesh, or a sequence of names", OVER),
          ("one twice", ("rows", "rows"), ValueError, "('rows', 'rows')", "each axis of the mesh once", OVER)),
    *rows("tiled", "out",
          ("a number", 3, ValueError, "int", "an array of shape (1, 6, 6, 2) and dtype float32", "Create it ..."),
          ("of another dtype", np.zeros(X.shape, np.uint8), ValueError, "of shape (1, 6, 6, 2) and dtype uint8", "an array of ...", "Create it ..."),
          ("a list", [X, X], ValueError, "list", "an array of ...", "Create it ...")),
]  # fmt: skip
