"""NumPy reference in float64: the seeds' arithmetic, overlay by overlay. Tests compare layers and `jax.grad` with it.

It shares only the integer arithmetic of `window.py` with the layers. It uses no JAX, no `lax.conv` and no automatic
differentiation.
"""

from jaxconv.reference.adaptive import adaptive_avg_pool as adaptive_avg_pool
from jaxconv.reference.adaptive import adaptive_avg_pool_deltas as adaptive_avg_pool_deltas
from jaxconv.reference.adaptive import adaptive_max_pool as adaptive_max_pool
from jaxconv.reference.adaptive import adaptive_max_pool_deltas as adaptive_max_pool_deltas
from jaxconv.reference.blur import blur_pool as blur_pool
from jaxconv.reference.blur import blur_pool_deltas as blur_pool_deltas
from jaxconv.reference.conv import Deltas as Deltas
from jaxconv.reference.conv import conv as conv
from jaxconv.reference.conv import conv_deltas as conv_deltas
from jaxconv.reference.conv import kernel_deltas_per_overlay as kernel_deltas_per_overlay
from jaxconv.reference.conv import locally_connected as locally_connected
from jaxconv.reference.conv import locally_connected_deltas as locally_connected_deltas
from jaxconv.reference.dense import cross_entropy as cross_entropy
from jaxconv.reference.dense import cross_entropy_deltas as cross_entropy_deltas
from jaxconv.reference.dense import dense as dense
from jaxconv.reference.dense import dense_deltas as dense_deltas
from jaxconv.reference.dense import relu as relu
from jaxconv.reference.dense import relu_deltas as relu_deltas
from jaxconv.reference.dense import scaled_tanh as scaled_tanh
from jaxconv.reference.dense import scaled_tanh_deltas as scaled_tanh_deltas
from jaxconv.reference.lenet import lenet_1998_deltas as lenet_1998_deltas
from jaxconv.reference.lenet import lenet_deltas as lenet_deltas
from jaxconv.reference.norm import batch_cells as batch_cells
from jaxconv.reference.norm import group_cells as group_cells
from jaxconv.reference.norm import layer_cells as layer_cells
from jaxconv.reference.norm import norm as norm
from jaxconv.reference.norm import norm_deltas as norm_deltas
from jaxconv.reference.partial import partial_conv as partial_conv
from jaxconv.reference.partial import partial_conv_deltas as partial_conv_deltas
from jaxconv.reference.partly import regional_conv as regional_conv
from jaxconv.reference.partly import regional_conv_deltas as regional_conv_deltas
from jaxconv.reference.partly import tiled_conv as tiled_conv
from jaxconv.reference.partly import tiled_conv_deltas as tiled_conv_deltas
from jaxconv.reference.polyphase import polyphase_down as polyphase_down
from jaxconv.reference.polyphase import polyphase_up as polyphase_up
from jaxconv.reference.pool import avg_pool as avg_pool
from jaxconv.reference.pool import avg_pool_deltas as avg_pool_deltas
from jaxconv.reference.pool import lp_pool as lp_pool
from jaxconv.reference.pool import lp_pool_deltas as lp_pool_deltas
from jaxconv.reference.pool import max_pool as max_pool
from jaxconv.reference.pool import max_pool_deltas as max_pool_deltas
from jaxconv.reference.pool import min_pool as min_pool
from jaxconv.reference.pool import min_pool_deltas as min_pool_deltas
from jaxconv.reference.reparametrised import power_iteration as power_iteration
from jaxconv.reference.reparametrised import spectral_norm as spectral_norm
from jaxconv.reference.reparametrised import spectral_norm_deltas as spectral_norm_deltas
from jaxconv.reference.reparametrised import weight_norm as weight_norm
from jaxconv.reference.reparametrised import weight_norm_deltas as weight_norm_deltas
from jaxconv.reference.resize import resize as resize
from jaxconv.reference.resize import resize_deltas as resize_deltas
from jaxconv.reference.unfold import fold as fold
from jaxconv.reference.unfold import unfold as unfold
from jaxconv.reference.unpool import max_pool_indices as max_pool_indices
from jaxconv.reference.unpool import max_unpool as max_unpool
from jaxconv.reference.unpool import max_unpool_deltas as max_unpool_deltas
