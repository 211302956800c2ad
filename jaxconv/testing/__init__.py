"""Testing: assertions about any JAX function, Hypothesis strategies, and a pytest plugin. All of it is opt-in.

The strategies are in `jaxconv.testing.strategies`, which needs Hypothesis. The plugin is `jaxconv.testing.plugin`.
"""

from jaxconv.testing.assertions import UndecidedWarning as UndecidedWarning
from jaxconv.testing.assertions import assert_equivariant as assert_equivariant
from jaxconv.testing.assertions import assert_invariant as assert_invariant
from jaxconv.testing.gradients import assert_gradient_is_summed_delta as assert_gradient_is_summed_delta
