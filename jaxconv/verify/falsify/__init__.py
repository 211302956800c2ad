"""The search for a violation of a law: Hypothesis drives and shrinks it, and what it finds can be replayed."""

from jaxconv.verify.falsify.counterexample import Counterexample as Counterexample
from jaxconv.verify.falsify.falsify import Falsification as Falsification
from jaxconv.verify.falsify.falsify import checked_request as checked_request
from jaxconv.verify.falsify.falsify import falsify as falsify
