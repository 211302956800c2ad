"""From traced functions to programs of the verified checker. This is trusted: see ../README.md for what that means."""

from translation.program import Program as Program
from translation.walk import translate as translate
