"""Watch the calls of a function in a running program, and stop watching."""

import json
from typing import Any

from hotpatch import hotpatch, patches

encode = json.dumps  # some part of the program took this reference long ago


def traced(obj: Any, **options: Any) -> str:
    text: str = below.original(obj, **options)
    print(f"json.dumps({obj!r}) -> {len(text)} characters")
    return text


encode({"seen": False})

# This patch changes nothing. Its `original` is known before any thread can be in `traced`.
below = hotpatch(json.dumps, json.dumps, by="tracer")
hotpatch(traced, json.dumps, by="tracer")
encode({"seen": True})
encode([1, 2, 3], indent=4)

for patch in patches(by="tracer"):
    patch.undo()
encode({"seen": False})
