"""The module, edited."""

from __future__ import annotations

LIMIT = 3
"""How many there are."""


class Settings:
    """The class, edited."""

    size = 1
    """How large it is."""

    def grow(self, number: int) -> int:
        return number
