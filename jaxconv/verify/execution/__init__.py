"""Claims by execution: run a function on shifted inputs; refute, check, measure and plot what comes out."""
