"""Layers as pure functions of explicit parameters: `layer(params, x, **settings) -> y`."""
