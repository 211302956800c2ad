"""The independent checker of certificates: it executes each step of a derivation by itself, and knows no rule."""

from jaxconv.verify.recheck.recheck import recheck as recheck
