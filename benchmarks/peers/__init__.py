"""The training step in each library, written as its own documentation writes one.

Every module has `step(case, weights, rate) -> () -> loss`: a call trains by one step of gradient descent on the mean
cross-entropy, waits until it is done, and gives back the loss before it.
"""
