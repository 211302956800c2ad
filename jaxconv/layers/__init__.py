"""The layers: pure functions of explicit parameters, `layer(params, x, **configuration) -> y`."""
