"""Which text a module that runs was made of, and which code objects came of that."""

from __future__ import annotations

import functools
import io
import linecache
import os
import time
import tokenize
from contextlib import suppress
from importlib.util import decode_source
from types import CodeType, FunctionType, ModuleType
from weakref import WeakKeyDictionary, ref

from hotpatch import _native
from hotpatch._functions import code_of, functions_of
from hotpatch._native import Outline
from hotpatch._units import codes_in, is_equal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Source:
    """The text that a module was made of, if that is known, and what came of it."""

    def __init__(self, file: str, outline: Outline | None, codes: list[CodeType]) -> None:
        self.file = file
        # That of the module; `importlib.reload` makes another.
        self.spec: object = None
        # What was in it when the module was made, and the outline of that; None if nobody knows.
        self.content: bytes | None = None
        self.outline = outline
        self._codes = [ref(code) for code in codes]
        # Functions that were deleted, by their qualified names, as long as somebody has them.
        self.deleted: dict[str, ref[Any]] = {}

    def codes(self) -> list[CodeType]:
        """Return the code objects of the file that are still there."""
        found = [code for it in self._codes if (code := it()) is not None]
        if len(found) != len(self._codes):
            self._codes = [ref(code) for code in found]
        return found

    def add(self, codes: list[CodeType]) -> None:
        """Take note of further code objects, which are new."""
        unique = {id(code): code for code in codes}
        self._codes += [ref(code) for code in unique.values()]

    def leave_out(self, codes: list[CodeType]) -> None:
        """Forget about code objects whose text is gone."""
        gone = set(map(id, codes))
        self._codes = [ref(code) for code in self.codes() if id(code) not in gone]


class Note:
    """What a module was made of, taken down when it was about to be executed."""

    def __init__(self, file: str, content: bytes, code: CodeType) -> None:
        self.file = file
        self.content = content
        self._codes = [ref(it) for it in codes_in(code)]

    def codes(self) -> list[CodeType]:
        """Return the code objects that came of the text and are still there."""
        return [code for it in self._codes if (code := it()) is not None]


_known: WeakKeyDictionary[ModuleType, Source] = WeakKeyDictionary()
# By the names of modules. There can be more than one: not all code that is made is executed.
_notes: dict[str, list[Note]] = {}
# By file, what was there when somebody first looked, of modules that had been imported before, and
# whether it can be no other than what they were made of.
_seen: dict[str, tuple[bytes, bool]] = {}


def take_note(name: str, file: str, content: bytes, code: CodeType) -> None:
    """Remember of what a module is made that is about to be executed."""
    notes = [it for it in _notes.get(name, ()) if it.codes()]
    _notes[name] = [*notes, Note(file, content, code)]


def source_of(module: ModuleType) -> Source:
    """Return what is known of a module.

    Raises `ValueError` if it has no source file.
    """
    file = file_of(module)
    for note in reversed(_notes.pop(_name_of(module), ())):
        if note.file == file and _is_made_of_note(module, note):
            with suppress(SyntaxError):
                outline = Outline(decode(note.content, file))
                _known[module] = Source(file, outline, note.codes())
                _known[module].content = note.content
                _known[module].spec = getattr(module, "__spec__", None)
                break
    if not _is_remembered(module):
        _known[module] = _find(module)
        _known[module].spec = getattr(module, "__spec__", None)
    return _known[module]


def _is_remembered(module: ModuleType) -> bool:
    """Return whether it is known what a module was made of, and that has not been made anew."""
    return module in _known and _known[module].spec is getattr(module, "__spec__", None)


def is_known(module: ModuleType) -> bool:
    """Return whether it is known what a module was made of."""
    return _is_remembered(module) or _name_of(module) in _notes


def is_made_of(module: ModuleType, content: bytes) -> bool:
    """Return whether it is known that a module was made of what is in its file."""
    notes = _notes.get(_name_of(module))
    if notes:
        return notes[-1].content == content
    if _is_remembered(module):
        return _known[module].content == content
    return _seen.get(file_of(module)) == (content, True)


def is_imported_now(module: ModuleType) -> bool:
    """Return whether a module is being executed by an import."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def look(module: ModuleType, content: bytes) -> bool:
    """Remember what is in the file of a module now, if nobody knows yet what it was made of.

    Returns whether that can be no other than what is there now.
    """
    if is_known(module):
        return is_made_of(module, content)
    file = file_of(module)
    is_old = not _is_younger_than_process(file)
    _seen.setdefault(file, (content, is_old))
    return is_old


def _is_younger_than_process(file: str) -> bool:
    """Return whether a file was written after this process began, and so perhaps after import."""
    start = _start_of_process()
    try:
        return start is not None and os.stat(file).st_mtime > start
    except OSError:
        return False


@functools.cache
def _start_of_process() -> float | None:
    """Return when this process began, or that which it was forked from, if the system tells."""
    try:
        with open("/proc/self/stat") as stream:
            # Field 22 of proc(5); the name of the program, in brackets, may have spaces.
            ticks = int(stream.read().rpartition(")")[2].split()[19])
        with open("/proc/uptime") as stream:
            uptime = float(stream.read().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return time.time() - (uptime - ticks / os.sysconf("SC_CLK_TCK"))


def state_of(file: str) -> tuple[int, ...]:
    """Return what is another when a file was written. Raises `OSError`."""
    it = os.stat(file)
    return it.st_dev, it.st_ino, it.st_size, it.st_mtime_ns, it.st_ctime_ns


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


def content_of(file: str) -> bytes:
    """Return what is in a file. Raises `OSError`."""
    with open(file, "rb") as stream:
        return stream.read()


def decode(content: bytes, file: str) -> str:
    """Return what the content of a source file says.

    Raises `SyntaxError` for bytes that are no text.
    """
    try:
        return decode_source(content)
    except UnicodeDecodeError as error:
        raise SyntaxError(f"{os.path.basename(file)} is no text: {error}") from error


def encode(text: str) -> bytes:
    """Return what a source file has in it that says this."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(text.encode()).readline)
    return text.encode(encoding)


def show(file: str, text: str | None = None) -> None:
    """Let tracebacks show the lines that a file has now, or those of a text."""
    linecache.cache.pop(file, None)
    if text is None:
        linecache.checkcache(file)
    else:
        # Without a time it stays, whatever becomes of the file.
        linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file


def _find(module: ModuleType) -> Source:
    """Find out what a module was made of that was imported before anybody looked."""
    file = file_of(module)
    names = {code_file(module, file), file}
    functions = [it for name in names for it in _native.functions_in(name)]
    # Other modules can be made of the same file, or have been there under the same name.
    own = [it for it in functions if _native.below(it).__globals__ is vars(module)]
    functions = own or functions
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
        # A wrapper of a decorator says that it is of the module, but its globals do not.
        if isinstance(value, FunctionType) and value.__globals__ is vars(module):
            return _native.below(value).__code__.co_filename
    return file


def _candidates(file: str) -> list[str]:
    texts = []
    if file in _seen:
        with suppress(SyntaxError):
            texts.append(decode(_seen[file][0], file))
    with suppress(OSError, SyntaxError):
        texts.append(decode(content_of(file), file))
    entry = linecache.cache.get(file)
    if entry is not None and len(entry) == 4:
        texts.append("".join(entry[2]))
    return texts


def _name_of(module: ModuleType) -> str:
    """Return the name under which the importer knows a module."""
    spec = getattr(module, "__spec__", None)
    return spec.name if spec is not None else module.__name__


def _is_made_of_note(module: ModuleType, note: Note) -> bool:
    """Return whether what was noted was executed, and in this module."""
    codes = {id(code) for code in note.codes()}
    for function in functions_of(module):
        code = code_of(function)
        if code.co_filename == note.file or id(code) in codes:
            return id(code) in codes
    return True  # it has no functions


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
