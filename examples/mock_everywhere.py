"""Mock a function under every name that it was imported by, in any module."""

import unittest
from tempfile import gettempdir  # where code under test looks it up does not matter
from unittest.mock import Mock

from hotpatch import hotpatch

DIRECTORIES = {"scratch": gettempdir}  # nor that a table holds it


def log_file(name: str) -> str:
    return f"{gettempdir()}/{name}.log"


class LogFileTest(unittest.TestCase):
    def setUp(self) -> None:
        self.gettempdir = Mock(return_value="/fast")
        self.addCleanup(hotpatch(self.gettempdir, gettempdir).undo)

    def test_is_in_the_temporary_directory(self) -> None:
        assert log_file("build") == "/fast/build.log"
        self.gettempdir.assert_called_once_with()

    def test_the_table_sees_the_mock_too(self) -> None:
        assert DIRECTORIES["scratch"]() == "/fast"


if __name__ == "__main__":
    unittest.main(verbosity=2)
