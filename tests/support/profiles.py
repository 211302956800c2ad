"""The profiles of Hypothesis: how many examples a test draws; `HYPOTHESIS_PROFILE` names one for a run."""

import os

from hypothesis import HealthCheck, settings

PROFILES = ("quick", "brief", "nightly")
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")
NIGHTLY = PROFILE == "nightly"  # any geometry, all optimisations, no budgets


def load() -> None:
    """Registers the profiles, and loads the one of this run."""
    # An example may compile, which takes a tenth of a second, so a deadline would only measure the machine.
    usual = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("quick", usual)
    settings.register_profile("brief", usual, max_examples=15)
    settings.register_profile("nightly", usual, max_examples=200)
    settings.load_profile(PROFILE if PROFILE in PROFILES else "quick")


def unknown() -> str:
    """What is wrong with the profile that is asked for, if anything."""
    expected = f"one of {', '.join(PROFILES)}. Leave it out for quick"
    return "" if PROFILE in PROFILES else f"HYPOTHESIS_PROFILE is {PROFILE!r}, but should be {expected}"
