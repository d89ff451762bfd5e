"""jinja2: as in `programs`."""

import jinja2.lexer

from programs.workloads.jinja2 import *  # noqa: F403

# Lexers that are there stay as they are, and the next ones have more attributes.
jinja2.lexer._lexer_cache.clear()
