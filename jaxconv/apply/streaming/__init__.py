"""A function of a signal, followed segment by segment: what each value of the function holds, and what is cached."""
