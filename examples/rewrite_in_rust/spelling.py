"""A part of the program: the function that takes nearly all of its time."""


def distance(word: str, other: str) -> int:
    """How many letters must be added, removed or changed to make `other` of `word`."""
    above = list(range(len(other) + 1))
    for row, letter in enumerate(word):
        line = [row + 1]
        for column, wanted in enumerate(other):
            changed = above[column] + (letter != wanted)
            line.append(min(changed, above[column + 1] + 1, line[column] + 1))
        above = line
    return above[-1]
