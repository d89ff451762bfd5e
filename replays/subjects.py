"""What is replayed, and which differences are known."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Subject:
    """A package, and consecutive versions of it."""

    package: str
    versions: tuple[str, ...]
    distribution: str = ""
    not_imported: tuple[str, ...] = ()
    """Modules that are for another platform, or need what is not installed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "distribution", self.distribution or self.package)


SUBJECTS = {
    subject.package: subject
    for subject in [
        Subject(
            "more_itertools",
            (
                *("9.0.0", "9.1.0", "10.0.0", "10.1.0", "10.2.0", "10.3.0", "10.4.0", "10.5.0"),
                *("10.6.0", "10.7.0", "10.8.0", "11.0.0", "11.0.1", "11.0.2", "11.1.0", "11.2.0"),
                "11.2.1",
            ),
            distribution="more-itertools",
        ),
        Subject(
            "packaging",
            (
                *("23.1", "23.2", "24.0", "24.1", "24.2", "25.0"),
                *("26.0", "26.1", "26.2", "26.3", "26.4"),
            ),
        ),
        Subject(
            "sqlparse",
            (
                *("0.4.0", "0.4.1", "0.4.2", "0.4.3", "0.4.4", "0.5.0", "0.5.1", "0.5.2"),
                *("0.5.3", "0.5.4", "0.5.5", "0.6.0", "0.6.1"),
            ),
        ),
        Subject(
            "click",
            (
                *("8.1.0", "8.1.1", "8.1.2", "8.1.3", "8.1.4", "8.1.5", "8.1.6", "8.1.7"),
                *("8.1.8", "8.2.0", "8.2.1", "8.3.0", "8.3.1", "8.3.2", "8.3.3", "8.4.0"),
                *("8.4.1", "8.4.2", "8.5.0", "8.5.1"),
            ),
            not_imported=("click._winconsole",),
        ),
        Subject(
            "jinja2",
            (
                *("3.0.0", "3.0.1", "3.0.2", "3.0.3", "3.1.0", "3.1.1", "3.1.2", "3.1.3"),
                *("3.1.4", "3.1.5", "3.1.6"),
            ),
        ),
        Subject(
            "attr",
            (
                *("21.3.0", "21.4.0", "22.1.0", "22.2.0", "23.1.0", "23.2.0", "24.1.0", "24.2.0"),
                *("24.3.0", "25.1.0", "25.2.0", "25.3.0", "25.4.0", "26.1.0"),
            ),
            distribution="attrs",
        ),
    ]
}

# Values that differ from process to process.
NOT_COMPARED = {
    "numeric_range._EMPTY_HASH",  # made of the hash of None, which is an address before 3.12
}
# Differences that are known: what is in the place or the result, and why.
EXPECTED = {
    "KeyError: 'license_expression'": "a descriptor that is new looks itself up in a dictionary "
    "that was computed of another one, which has it: values that can change stay",
    "isinstance(Sub(1), New)": "attrs bound a name to what a call returned, and the function that "
    "was called is another now: a statement that did not change does not run again",
}
