"""What is tested, and what is left out and why."""

from __future__ import annotations

import dataclasses
import fnmatch
import sys
import types


@dataclasses.dataclass(frozen=True)
class Subject:
    """A part of the standard library and the tests that are about it."""

    tests: list[str]
    modules: list[str]
    """With their submodules. Where none is named, the functions of the tests are patched."""


RE = ["re"] if sys.version_info >= (3, 11) else ["re", "sre_compile", "sre_parse"]
DATETIME = ["datetime", "_pydatetime"] if sys.version_info >= (3, 12) else ["datetime"]
UNITTEST = "test.test_unittest" if sys.version_info >= (3, 12) else "unittest.test"

SUBJECTS = {
    "json": Subject(["test.test_json"], ["json"]),
    "re": Subject(["test.test_re"], RE),
    "functools": Subject(["test.test_functools"], ["functools"]),
    "inspect": Subject(["test.test_inspect"], ["inspect"]),
    "typing": Subject(["test.test_typing"], ["typing"]),
    "generators": Subject(["test.test_generators"], []),
    "coroutines": Subject(["test.test_coroutines"], []),
    "super": Subject(["test.test_super"], []),
    "dataclasses": Subject(["test.test_dataclasses"], ["dataclasses"]),
    "funcattrs": Subject(["test.test_funcattrs"], []),
    "decimal": Subject(["test.test_decimal"], ["decimal", "_pydecimal"]),
    "pickle": Subject(["test.test_pickle"], ["pickle", "copyreg"]),
    "asyncio": Subject(["test.test_asyncio"], ["asyncio"]),
    "unittest": Subject([UNITTEST], ["unittest"]),
    "collections": Subject(["test.test_collections"], ["collections", "_collections_abc"]),
    "contextlib": Subject(["test.test_contextlib", "test.test_contextlib_async"], ["contextlib"]),
    "enum": Subject(["test.test_enum"], ["enum"]),
    "descr": Subject(["test.test_descr"], []),
    "datetime": Subject(["test.test_datetime"], DATETIME),
    "math": Subject(["test.test_math"], ["math"]),
    "random": Subject(["test.test_random"], ["random"]),
    "itertools": Subject(["test.test_itertools"], ["itertools"]),
    "builtin": Subject(["test.test_builtin"], []),
    "str": Subject(["test.test_str" if sys.version_info >= (3, 13) else "test.test_unicode"], []),
    "list": Subject(["test.test_list"], []),
    "dict": Subject(["test.test_dict"], []),
}
# In these the calls of C functions are passed on as well.
THROUGH = {
    "json",
    "re",
    "functools",
    "collections",
    "pickle",
    "datetime",
    "math",
    "random",
    "itertools",
    "builtin",
    "str",
    "list",
    "dict",
}
SHORT = ["json", "functools", "contextlib", "dataclasses", "funcattrs", "super", "generators"]

# Functions that use these names look at the frames above them, and where they expect their caller
# there is the replacement. `warn` does so for the line that a warning is about.
LOOKS_AT_FRAMES = {
    "_allow_reckless_class_checks",  # typing's own
    "_caller",  # typing's own
    "_deprecated",  # of warnings
    "_getframe",
    "_getframemodulename",
    "currentframe",
    "warn",
}


def is_left_out(function: types.FunctionType, mode: str) -> bool:
    """Whether a function cannot stand a replacement that calls the original."""
    return mode == "original" and not LOOKS_AT_FRAMES.isdisjoint(function.__code__.co_names)


SIGNATURE = "it looks at a signature, and that of the replacement is (*args, **kwargs)"
SOURCE = "it looks at the source of a function, and that is the replacement's"
LEVELS = "it wants the line that is so many levels up the stack, and there are more levels"
TRACEBACK = "it looks at a traceback or at the stack, which has an entry more for each call"
DEPTH = "it needs most of the recursion limit, and each call takes two levels of it"
REFERENCES = "it wants an object gone at once, and the frame of the replacement holds the arguments"

# The tests that end otherwise where replacements call originals, and have to.
EXPECTED = {
    "test.test_asyncio.test_graph.TestCallStack*.test_stack_*": TRACEBACK,
    "test.test_asyncio.test_futures2.*.test_task_exc_handler_correct_context": REFERENCES,
    "test.test_asyncio.*_no_cycles": REFERENCES,
    "test.test_asyncio.*_refcycles*": REFERENCES,
    "test.test_asyncio.*_source_traceback": LEVELS,
    "test.test_asyncio.test_events.*_repr_debug": LEVELS,
    "test.test_contextlib*.test_exit_exception_traceback": TRACEBACK,
    "test.test_dataclasses.TestCase.test_dataclass_params_signature": SIGNATURE,
    "test.test_decimal.SignatureTest.test_inspect_*": SIGNATURE,
    "test.test_enum.TestStdLib.test_pydoc": SIGNATURE,
    "test.test_inspect.test_inspect.TestModuleCLI.test_get_cli_details_*": SOURCE,
    "test.test_pickle.*.test_deep_nested_struct_*": DEPTH,
    "test.test_re.ReTests.test_inline_flags": LEVELS,
    "test.test_re.ReTests.test_possible_set_operations": LEVELS,
    "test.test_re.ReTests.test_re_groupref_exists_errors": LEVELS,
    "test.test_re.ReTests.test_symbolic_*_errors": LEVELS,
    "test.test_typing.InternalsTests.test_deprecation_for_no_type_params_*": LEVELS,
    "*.test_async_case.TestAsyncCase.test_deprecation_of_return_val_*": LEVELS,
    "*.test_case.Test_TestCase.test_deprecation_of_return_val_*": LEVELS,
    "*.test_case.Test_TestCase.testAssertRaisesRefcount": REFERENCES,
    "*.test_result.Test_TestResult.test_addFailure_filter_traceback_frames": TRACEBACK,
    "*.test_result.Test_TestResult.test_addFailure_filter_traceback_frames_context": TRACEBACK,
}


# The same where replacements pass on the calls of C functions.
EXPECTED_THROUGH = {
    "test.test_builtin.BuiltinTest.test_eval_builtins_mapping_reduce": "it changes the builtins of "
    "the frame that calls, and that is the one of the replacement",
    "test.test_re.ReTests.test_symbolic_*_errors": LEVELS,
    "test.test_re.TestModule.test_deprecated__version__": LEVELS,
}


# The same where patches are in force elsewhere: in 3.10 these have a generated function in between.
EXPECTED_ELSEWHERE = {
    "test.test_asyncio.test_tasks.*.test_as_completed_concurrent": LEVELS,
    "test.test_contextlib_async.*.test_exit_exception_traceback": TRACEBACK,
}


def why_expected(test: str, mode: str) -> str | None:
    """The reason for which a test ends otherwise than with nothing patched, if there is one."""
    tables = {"original": EXPECTED, "through": EXPECTED_THROUGH, "elsewhere": EXPECTED_ELSEWHERE}
    expected = tables.get(mode, {})
    for pattern, reason in expected.items():
        if fnmatch.fnmatchcase(test, pattern):
            return reason
    return None
