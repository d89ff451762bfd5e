"""Another part: it has imported the function by name, and keeps it in two more places."""

from collections.abc import Callable

from spelling import distance

METRICS = {"letters": distance}
WORDS = [
    "apple",
    "banana",
    "cherry",
    "grape",
    "lemon",
    "melon",
    "orange",
    "papaya",
    "peach",
    "pear",
    "plum",
    "quince",
]


def closest(word: str, by: Callable[[str, str], int] = distance) -> str:
    """The known word that is spelled most like `word`."""
    return min(WORDS, key=lambda known: by(word, known))


def far_off(word: str) -> bool:
    """Whether no known word is spelled like `word`."""
    return METRICS["letters"](word, closest(word)) > len(word) // 2
