"""Which text a module that runs was made of, and which code objects came of that."""

from __future__ import annotations

import linecache
import os
from contextlib import suppress
from importlib.util import decode_source
from types import CodeType, ModuleType
from weakref import WeakKeyDictionary, ref

from hotpatch import _native
from hotpatch._native import Outline
from hotpatch._units import codes_in, is_equal


class Source:
    """The text that a module was made of, if that is known, and what came of it."""

    def __init__(self, file: str, outline: Outline | None, codes: list[CodeType]) -> None:
        self.file = file
        # None if nobody knows the text.
        self.outline = outline
        self._codes = [ref(code) for code in codes]

    def codes(self) -> list[CodeType]:
        """Return the code objects of the file that are still there."""
        found = [(it, it()) for it in self._codes]
        self._codes = [it for it, code in found if code is not None]
        return [code for _, code in found if code is not None]

    def add(self, codes: list[CodeType]) -> None:
        """Take note of further code objects."""
        unique = {id(code): code for code in (*self.codes(), *codes)}
        self._codes = [ref(code) for code in unique.values()]


_known: WeakKeyDictionary[ModuleType, Source] = WeakKeyDictionary()


def source_of(module: ModuleType) -> Source:
    """Return what is known of a module.

    Raises `ValueError` if it has no source file.
    """
    known = _known.get(module)
    if known is None:
        known = _known[module] = _find(module)
    return known


def file_of(module: ModuleType) -> str:
    """Return the source file of a module.

    Raises `ValueError` if it has none.
    """
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or not file.endswith((".py", ".pyw")):
        raise ValueError(
            f"{module.__name__} was not made from a source file; pass a module that was"
        )
    return file


def read(file: str) -> str:
    """Return the text of a source file as the importer reads it.

    Raises `OSError`, and `SyntaxError` for bytes that are no text.
    """
    with open(file, "rb") as stream:
        content = stream.read()
    try:
        return decode_source(content)
    except UnicodeDecodeError as error:
        raise SyntaxError(f"{os.path.basename(file)} is no text: {error}") from error


def show(file: str, text: str) -> None:
    """Let tracebacks show the lines of a text that a file has now."""
    linecache.cache.pop(file, None)
    linecache.checkcache(file)


def _find(module: ModuleType) -> Source:
    """Find out what a module was made of that was imported before anybody looked."""
    file = file_of(module)
    names = {code_file(module, file), file}
    functions = [it for name in names for it in _native.functions_in(name)]
    tops = {id(it): it for it in (_native.below(function).__code__ for function in functions)}
    codes = {id(code): code for top in tops.values() for code in codes_in(top)}
    known = [*codes.values()]
    for text in _candidates(file):
        try:
            tree = compile(text, file, "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            continue
        if _is_made_of(known, tree):
            return Source(file, Outline(text), known)
    return Source(file, None, known)


def code_file(module: ModuleType, file: str) -> str:
    """Return the file that the code of a module names, which is another if it was moved."""
    for value in list(vars(module).values()):
        code = getattr(value, "__code__", None)
        if isinstance(code, CodeType) and getattr(value, "__module__", None) == module.__name__:
            return code.co_filename
    return file


def _candidates(file: str) -> list[str]:
    texts = []
    with suppress(OSError, SyntaxError):
        texts.append(read(file))
    entry = linecache.cache.get(file)
    if entry is not None and len(entry) == 4:
        texts.append("".join(entry[2]))
    return texts


def _is_made_of(codes: list[CodeType], tree: CodeType) -> bool:
    """Return whether all code objects are in what was compiled, in the same lines."""
    there: dict[tuple[str, int], list[CodeType]] = {}
    for code in codes_in(tree):
        there.setdefault((code.co_name, code.co_firstlineno), []).append(code)
    for code in codes:
        equal = there.get((code.co_name, code.co_firstlineno), [])
        if not any(is_equal(code, other) for other in equal):
            return False
    return True
