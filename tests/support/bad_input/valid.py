"""A valid call of every public function of arrays; each invalid call differs from it in one argument."""

import jax
import numpy as np

import jaxconv as jc

KEY = jax.random.key(0)


def ones(*shape):
    """A float32 array of ones."""
    return np.ones(shape, np.float32)


X = ones(1, 6, 6, 2)
KERNEL = {"kernel": ones(3, 3, 2, 4), "bias": ones(4)}
POOL = {"x": X, "window": (2, 2)}
NORM = {"params": {"scale": ones(2), "bias": ones(2)}, "x": X}
INIT = {"key": KEY, "window": (3, 3), "channels_in": 2, "channels_out": 4}

FUNCTIONS = {name: getattr(jc, name) for name in jc.__all__}
VALID = {
    "conv": {"params": KERNEL, "x": X},
    "conv_transpose": {"params": {"kernel": ones(3, 3, 2, 4), "bias": ones(2)}, "y": ones(1, 4, 4, 4)},
    "separable_conv": {
        "params": {"depthwise": {"kernel": ones(3, 3, 1, 2)}, "pointwise": {"kernel": ones(1, 1, 2, 4)}}, "x": X,
    },
    "locally_connected": {"params": {"kernel": ones(4, 4, 3, 3, 2, 4), "bias": ones(4, 4, 4)}, "x": X},
    "tiled_conv": {"params": {"kernel": ones(2, 2, 3, 3, 2, 4), "bias": ones(2, 2, 4)}, "x": X},
    "regional_conv": {
        "params": {"kernel": ones(2, 1, 3, 3, 2, 4), "bias": ones(2, 1, 4)}, "x": X, "regions": ((1, 3), (4,)),
    },
    "partial_conv": {"params": KERNEL, "x": X, "mask": X > 0},
    "dense": {"params": {"kernel": ones(2, 4), "bias": ones(4)}, "x": X},
    "max_pool": POOL, "min_pool": POOL, "avg_pool": POOL, "lp_pool": POOL | {"norm": 2}, "blur_pool": POOL,
    "unfold": POOL, "fold": {"y": ones(1, 5, 5, 8), "window": (2, 2), "output_shape": (6, 6)},
    "max_pool_with_indices": POOL,
    "max_unpool": {"y": ones(1, 3, 3, 2), "indices": np.zeros((1, 3, 3, 2), np.int32), "output_shape": (6, 6)},
    "adaptive_max_pool": {"x": X, "output_shape": (3, 3)}, "adaptive_avg_pool": {"x": X, "output_shape": (3, 3)},
    "resize": {"x": X, "output_shape": (9, 8)},
    "global_max_pool": {"x": X}, "global_min_pool": {"x": X}, "global_avg_pool": {"x": X},
    "global_lp_pool": {"x": X, "norm": 2},
    "polyphase_down": {"x": X, "stride": (2, 2)},
    "polyphase_up": {"y": X, "phase": np.zeros((1, 2), np.int32), "stride": (2, 2)},
    "layer_norm": NORM, "rms_norm": NORM, "instance_norm": NORM, "group_norm": NORM | {"groups": 2},
    "batch_norm": NORM | {"state": {"mean": ones(2), "var": ones(2)}, "training": True},
    "spectral_norm": {"params": KERNEL, "state": {"u": ones(4), "v": ones(3, 3, 2)}, "training": True},
    "init_spectral_norm": {"key": KEY, "params": KERNEL},
    "weight_norm": {"params": KERNEL | {"scale": ones(4)}}, "init_weight_norm": {"params": KERNEL},
    "dropout": {"key": KEY, "x": X, "rate": 0.5, "training": True},
    "channel_dropout": {"key": KEY, "x": X, "rate": 0.5, "training": True},
    "init_conv": INIT, "init_conv_transpose": INIT, "init_separable_conv": INIT,
    "init_tiled_conv": INIT | {"period": 2}, "init_regional_conv": INIT | {"regions": ((1, 3), (4,))},
    "init_locally_connected": INIT | {"spatial": (6, 6)},
    "init_dense": {"key": KEY, "features_in": 2, "features_out": 4},
    "init_norm": {"channels": 2}, "init_batch_norm": {"channels": 2},
    "untie": {"params": KERNEL, "out": (4, 4)},
    "tie": {"params": {"kernel": ones(4, 4, 3, 3, 2, 4)}},
    "tie_gradient": {"gradient": {"kernel": ones(4, 4, 3, 3, 2, 4)}},
    "Pad": {"lo": 1, "hi": 1, "boundary": "ZERO"},
}  # fmt: skip
