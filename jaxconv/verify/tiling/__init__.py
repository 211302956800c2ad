"""Tiles of a whole: proofs that a function of a tile gives a part of the whole's result."""
