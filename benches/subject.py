"""The functions that apply_undo.py patches: in a file, because patchy reads their source."""


def add(a: int, b: int) -> int:
    return a + b


def plus(a: int, b: int) -> int:
    return b + a
