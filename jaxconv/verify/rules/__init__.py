"""The rules, one module for each family of primitives. Importing this package registers all of them."""

from jaxconv.verify.rule_table import RULES as RULES
from jaxconv.verify.rules import axes_of_pieces as axes_of_pieces
from jaxconv.verify.rules import concatenation as concatenation
from jaxconv.verify.rules import contraction as contraction
from jaxconv.verify.rules import control as control
from jaxconv.verify.rules import indexing as indexing
from jaxconv.verify.rules import layout as layout
from jaxconv.verify.rules import linear_algebra as linear_algebra
from jaxconv.verify.rules import overlap_add as overlap_add
from jaxconv.verify.rules import pointwise as pointwise
from jaxconv.verify.rules import reduction as reduction
from jaxconv.verify.rules import scatter as scatter
from jaxconv.verify.rules import spectral as spectral
from jaxconv.verify.rules import spectral_layout as spectral_layout
from jaxconv.verify.rules import spectral_products as spectral_products
from jaxconv.verify.rules import spectral_sums as spectral_sums
from jaxconv.verify.rules import windowed as windowed
