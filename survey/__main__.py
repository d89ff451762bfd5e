"""Patches every C callable of the standard library, calls it, and undoes the patch."""

from __future__ import annotations

import argparse
import collections
import contextlib
import gc
import json
import platform
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hotpatch import hotpatch, patches

from survey.callables import c_callables, import_all

# How often each call is made: often enough for CPython to specialise it.
TIMES = 60


class Counter:
    """Counts calls, without calling anything that could be patched itself."""

    hits = 0

    def count(self, *arguments: Any, **keywords: Any) -> None:
        self.hits += 1


def callers(value: Any, receivers: tuple[Any, ...]) -> list[Callable[[], None]]:
    """Make functions that call `value` again and again, with one argument more each."""
    made = []
    names = [f"receiver_{index}" for index in range(len(receivers))]
    for count in range(4):
        # Closed over, since CPython 3.15 looks inside of what is in a namespace (lazy imports).
        source = (
            f"def make({', '.join(['value', 'times', *names])}):\n"
            f" def call():\n"
            f"  for _ in times:\n"
            f"   value({', '.join([*names, *['None'] * count])})\n"
            f" return call\n"
        )
        scope: dict[str, Any] = {}
        exec(source, scope)
        made.append(scope["make"](value, (None,) * TIMES, *receivers))
    return made


# Instances of classes that are not made without arguments, where their modules are.
MADE_BY = """
array.array('b')|collections.deque()|contextvars.ContextVar('a')|datetime.date.today()
datetime.datetime.now()|datetime.timezone.utc|hashlib.md5()|hashlib.sha1()|hashlib.sha224()
hashlib.sha256()|hashlib.sha384()|hashlib.sha512()|_md5.md5()|_sha1.sha1()|_sha2.sha224()
_sha2.sha256()|_sha2.sha384()|_sha2.sha512()|hmac.new(b'a', digestmod='md5')|io.StringIO()
io.BufferedRandom(io.BytesIO())|io.BufferedWriter(io.BytesIO())|io.BufferedReader(io.BytesIO())
io.BufferedRWPair(io.BytesIO(), io.BytesIO())|io.IncrementalNewlineDecoder(None, False)
io.TextIOWrapper(io.BytesIO())|itertools.permutations('a')|itertools.combinations('a', 1)
itertools.combinations_with_replacement('a', 1)|itertools.tee('a')[0]|itertools.count()
itertools.cycle('a')|itertools.groupby('a')|itertools.islice('a', 1)|itertools.zip_longest('a')
itertools.accumulate('a')|mmap.mmap(-1, 1)|os.scandir('/')|next(os.scandir('/'))
pickle.Pickler(io.BytesIO())|pickle.Unpickler(io.BytesIO())|re.match('', '')|re.compile('a')
re.compile('a').scanner('a')|select.poll()|select.epoll()|socket.socket()
sqlite3.connect(':memory:')|sqlite3.connect(':memory:').cursor()|ssl.MemoryBIO()
ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)|threading.Lock()|threading.RLock()|types.CellType()
typing.ParamSpec('P')|typing.TypeVar('T')|typing.TypeVarTuple('T')|xml.etree.ElementTree.Element('a')
xml.parsers.expat.ParserCreate()|zlib.compressobj()|zlib.decompressobj()|zoneinfo.ZoneInfo('UTC')
(lambda: 1).__code__|(lambda: (yield))()|sys._getframe()|memoryview(b'a')|slice(1)|range(1)
1.5|1j|frozenset()|iter([])|iter(())|iter('')|iter('\u1234')|iter(b'')|iter(bytearray())|iter({})
iter({}.items())|iter({}.values())|iter(set())|iter(range(1))|iter(range(1 << 70))|reversed([])
reversed(())|reversed({})|reversed({}.items())|reversed({}.values())|iter(int, 0)
bz2.BZ2Compressor()|bz2.BZ2Decompressor()|lzma.LZMACompressor()|lzma.LZMADecompressor()
ExceptionGroup('a', [ValueError()])|weakref.ref(set)|struct.Struct('b')|struct.iter_unpack('b', b'')
random.Random()|decimal.Decimal()|decimal.Context()|functools.partial(int)|codecs.getencoder('ascii')
codecs.getincrementalencoder('gbk')()|codecs.getincrementaldecoder('gbk')()|csv.reader([])
csv.writer(io.StringIO())|types.SimpleNamespace()|types.MappingProxyType({})|graphlib.TopologicalSorter()
""".replace("|", "\n").split("\n")


class Instances:
    """Finds an instance of a class, among what there is or by making one."""

    def __init__(self) -> None:
        self.by_class: dict[type, Any] = {}
        for text in MADE_BY:
            with contextlib.suppress(Exception):
                value = eval(text, sys.modules.copy())
                self.by_class.setdefault(type(value), value)
        for value in gc.get_objects():
            self.by_class.setdefault(type(value), value)

    def of(self, owner: type) -> Any:
        if owner not in self.by_class:
            self.by_class[owner] = None
            with contextlib.suppress(Exception):
                self.by_class[owner] = owner()
        return self.by_class[owner]


class Survey:
    """What was found out."""

    def __init__(self) -> None:
        self.instances = Instances()
        self.reached: collections.Counter[str] = collections.Counter()
        self.not_called: dict[str, str] = {}
        self.refused: dict[str, tuple[str, str]] = {}
        self.bypassed: list[str] = []
        self.not_undone: list[str] = []

    def look_at(self, name: str, kind: str, value: Any) -> None:
        called, receivers = self.how_to_call(kind, value)
        calls = callers(called, receivers or ())
        before, counter, hits = repr(value), Counter(), 0
        count = counter.count
        try:
            patch = hotpatch(lambda *arguments, **keywords: count(*arguments, **keywords), value)
        except TypeError as error:
            reason = re.sub(r"^cannot patch .* in place: ", "", str(error)).partition(";")[0]
            self.refused[name] = (kind, reason)
            return
        # Whatever is called until `undo` may be what is patched.
        if receivers is not None:
            for call in calls:
                try:
                    call()
                except TypeError:
                    continue  # the C convention takes another number of arguments
                break
        patch.undo()
        hits = counter.hits
        if receivers is None:
            self.not_called[name] = kind
        elif hits == TIMES:
            self.reached[kind] += 1
        else:
            self.bypassed.append(f"{name}: {hits} of {TIMES} calls")
        if before != repr(value) or patches():
            self.not_undone.append(name)

    def how_to_call(self, kind: str, value: Any) -> tuple[Any, tuple[Any, ...] | None]:
        """Return what to call, and what comes first in a call: None if there is nothing at hand."""
        if kind == "class method":
            return value.__get__(None, value.__objclass__), ()
        if kind != "method":
            return value, ()
        instance = self.instances.of(value.__objclass__)
        return value, None if instance is None else (instance,)

    def report(self) -> dict[str, Any]:
        return {
            "version": platform.python_version(),
            "reached": dict(self.reached),
            "not_called": self.not_called,
            "refused": self.refused,
            "bypassed": self.bypassed,
            "not_undone": self.not_undone,
        }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m survey")
    parser.add_argument("--json", type=Path, help="write what was found to this file")
    options = parser.parse_args()
    import_all()
    survey = Survey()
    for name, kind, value in list(c_callables()):
        survey.look_at(name, kind, value)
    report = survey.report()
    if options.json:
        options.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    print(f"patched and called: {dict(survey.reached)}; only patched: {len(survey.not_called)}")
    reasons = collections.Counter(reason for _, reason in survey.refused.values())
    for reason, count in reasons.most_common():
        print(f"refused: {count}, {reason}")
    print(f"bypassed: {survey.bypassed}, not undone: {survey.not_undone}")
    return 1 if survey.bypassed or survey.not_undone else 0


if __name__ == "__main__":
    sys.exit(main())
