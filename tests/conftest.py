"""What tests of several files need."""

import gc
from collections.abc import Iterator

import pytest
from hotpatch import patches

pytest_plugins = ["modules", "reload_folder", "running"]


@pytest.fixture
def all_are_undone() -> Iterator[None]:
    """Nothing stays patched, but what earlier tests left to be collected."""
    before = patches()
    yield
    if any(patch not in before for patch in patches()):
        gc.collect()
    assert [patch for patch in patches() if patch not in before] == []
