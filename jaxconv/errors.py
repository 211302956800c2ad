"""The format of all error messages: function, argument, its value, the expected value, and the fix."""


def explain(where: str, argument: str, actual: object, expected: str, cure: str) -> str:
    """Returns an error message in the format that all of the library's errors share.

    >>> explain("max_pool", "window", 2, "one integer per spatial axis", "Write (2, 2) for images")
    'max_pool: window is 2, but should be one integer per spatial axis. Write (2, 2) for images.'
    """
    return f"{where}: {argument} is {actual}, but should be {expected}. {cure}."


def spatial_names(rank: int) -> tuple[str, ...]:
    """Returns the names of `rank` spatial axes as messages and docstrings write them.

    >>> spatial_names(0), spatial_names(1), spatial_names(2), spatial_names(5)
    ((), ('w',), ('h', 'w'), ('s0', 's1', 'd', 'h', 'w'))
    """
    return tuple(f"s{i}" for i in range(rank - 3)) + ("d", "h", "w")[max(3 - rank, 0) :]


def bracketed(names: tuple[str, ...]) -> str:
    """Formats axis names like a shape: ("n", "h") becomes "[n, h]"."""
    return f"[{', '.join(names)}]"
