"""Judges of the certifier: functions that it has not seen, with truths that come from execution only."""
