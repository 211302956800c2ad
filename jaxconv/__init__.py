"""jaxconv: convolutional layers as pure JAX functions whose shared-kernel gradients are sums over positions."""

from jaxconv.account.summary import summary as summary
from jaxconv.layers.adaptive import adaptive_avg_pool as adaptive_avg_pool
from jaxconv.layers.adaptive import adaptive_max_pool as adaptive_max_pool
from jaxconv.layers.conv import conv as conv
from jaxconv.layers.conv import init_conv as init_conv
from jaxconv.layers.dense import dense as dense
from jaxconv.layers.dense import init_dense as init_dense
from jaxconv.layers.global_pool import global_avg_pool as global_avg_pool
from jaxconv.layers.global_pool import global_max_pool as global_max_pool
from jaxconv.layers.local import init_locally_connected as init_locally_connected
from jaxconv.layers.local import locally_connected as locally_connected
from jaxconv.layers.params import LayerParams as LayerParams
from jaxconv.layers.pool import avg_pool as avg_pool
from jaxconv.layers.pool import max_pool as max_pool
from jaxconv.layers.pool import min_pool as min_pool
from jaxconv.layers.regional import init_regional_conv as init_regional_conv
from jaxconv.layers.regional import regional_conv as regional_conv
from jaxconv.layers.tiled import init_tiled_conv as init_tiled_conv
from jaxconv.layers.tiled import tiled_conv as tiled_conv
from jaxconv.layers.transpose import conv_transpose as conv_transpose
from jaxconv.layers.transpose import init_conv_transpose as init_conv_transpose
from jaxconv.verify.certify import certify as certify
from jaxconv.verify.checker import recheck as recheck
from jaxconv.verify.falsify import falsify as falsify
from jaxconv.verify.numeric import check as check
from jaxconv.window import Pad as Pad
