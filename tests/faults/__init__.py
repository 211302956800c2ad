"""Faults planted into the library, to measure which of them its tests find: `python tests/faults/plant.py`."""
