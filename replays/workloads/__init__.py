"""What is run of each package: each function `show_*` returns lines that are always the same.

What a version lacks is in the lines too, as the exception that this raises.
"""

from __future__ import annotations

import re
from typing import Any

ADDRESS = r" (at 0x[0-9a-f]+|@ \d+)"


def each(expressions: str, names: dict[str, Any]) -> list[str]:
    """Evaluate expressions, one in each line."""
    lines = []
    for expression in expressions.strip().splitlines():
        try:
            result = repr(eval(expression, {**names}))
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
        lines.append(f"{expression} -> {re.sub(ADDRESS, '', result)}")
    return lines
