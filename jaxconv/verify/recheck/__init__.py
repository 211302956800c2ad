"""The independent checker of certificates: it executes each step of a derivation separately, and uses no rule."""

from jaxconv.verify.recheck.recheck import recheck as recheck
