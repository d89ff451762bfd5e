"""What the documents say is so: their programs run, their names and their links exist.

`python tests/test_docs.py FILE` runs the programs of one document, which is what the tests do.
"""

import ast
import contextlib
import inspect
import io
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hotpatch
import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Program(NamedTuple):
    line: int
    source: str
    output: str | None


def programs(text: str) -> Iterator[Program]:
    """The blocks of Python, each with the block of text that follows it at once, if one does."""
    blocks = list(FENCE.finditer(text))
    for block, following in itertools.zip_longest(blocks, blocks[1:]):
        if block[1] == "python":
            is_output = (
                following is not None
                and following[1] == "text"
                and not text[block.end() : following.start()].strip()
            )
            line = text.count("\n", 0, block.start(2)) + 1
            yield Program(line, block[2], following[2] if following and is_output else None)


def run_document(path: Path) -> None:
    """Run the programs of a document in one namespace, and compare what they print."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for program in programs(path.read_text(encoding="utf-8")):
        # With the lines of the document, so that a traceback points into it.
        code = compile("\n" * (program.line - 1) + program.source, str(path), "exec")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
        if printed.getvalue() != (program.output or ""):
            sys.exit(f"{path}:{program.line} prints otherwise:\n{printed.getvalue()}")


def with_programs() -> list[Path]:
    return [path for path in DOCUMENTS if any(programs(path.read_text(encoding="utf-8")))]


@pytest.mark.parametrize("path", with_programs(), ids=lambda path: path.name)
def test_the_programs_of_a_document_run_and_print_what_it_says(path: Path) -> None:
    """In a process of their own: an audit hook, for one, cannot be removed."""
    outcome = subprocess.run(
        [sys.executable, "-W", "error", __file__, str(path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("```python\nprint(1)\n```\n\n```text\n2\n```\n", id="other output"),
        pytest.param("```python\nprint(1)\n```\n\nand\n\n```text\n1\n```\n", id="no output"),
        pytest.param("```python\n1 / 0\n```\n", id="an error"),
    ],
)
def test_a_program_that_does_otherwise_is_noticed(text: str, tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text(text, encoding="utf-8")
    with pytest.raises((SystemExit, ZeroDivisionError)):
        run_document(document)


def test_the_readme_example_has_twelve_lines() -> None:
    first = next(programs((ROOT / "README.md").read_text(encoding="utf-8")))
    assert len(first.source.splitlines()) == 12


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_and_sections_lead_somewhere(path: Path) -> None:
    prose = re.sub(r"`[^`]*`", "", FENCE.sub("", path.read_text(encoding="utf-8")))
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", prose):
        name, _, section = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        if section:
            assert section in sections(target), link


def sections(path: Path) -> list[str]:
    """The headings of a document, in the form in which links name them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_a_document_names_are_in_the_makefile(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:`|\$ )make ([a-z-]+)", path.read_text(encoding="utf-8")))
    assert named <= targets


def documented() -> dict[str, str]:
    """The first line of each docstring of a public name, by the name that it documents."""
    names = ("_native.pyi", "_reload.py", "_report.py", "_watch.py")
    files = [ROOT / "python/hotpatch" / name for name in names]
    found: dict[str, str] = {}
    for node in [node for file in files for node in ast.parse(file.read_text("utf-8")).body]:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            continue
        if node.name not in hotpatch.__all__:
            continue
        # The first of several overloads says it for all.
        found.setdefault(node.name, first_line(ast.get_docstring(node)))
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
                    name = f"{node.name}.{member.name}"
                    found[name] = first_line(ast.get_docstring(member))
    return found


def first_line(docstring: str | None) -> str:
    return docstring.splitlines()[0] if docstring else "nothing is said"


def test_every_public_name_is_documented() -> None:
    names = set(hotpatch.__all__) | {
        f"{cls.__name__}.{name}"
        for cls in (hotpatch.Patch, hotpatch.Reload, hotpatch.Watch)
        for name in vars(cls)
        if not name.startswith("_")
    }
    assert documented().keys() == names


@pytest.mark.parametrize("name", sorted(documented()))
def test_help_says_what_is_documented(name: str) -> None:
    value: Any = hotpatch
    for part in name.split("."):
        value = getattr(value, part)
    assert first_line(inspect.getdoc(value)) == documented()[name]


@pytest.mark.parametrize("name", sorted(documented()))
def test_the_reference_has_every_public_name_and_what_is_documented(name: str) -> None:
    reference = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    heading = re.search(rf"^##+ `{re.escape(name)}\b.*`\n+(.*)", reference, re.MULTILINE)
    assert heading is not None
    assert heading[1].startswith(documented()[name])


if __name__ == "__main__":
    run_document(Path(sys.argv[1]))
