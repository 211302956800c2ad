"""The training step in each library, written as in the library's documentation.

Every module has `step(case, weights, rate) -> () -> loss`. A call of the returned function trains by one step of
gradient descent on the mean cross-entropy, waits until the step is done, and returns the loss before the step.
"""
