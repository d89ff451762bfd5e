"""If a class does not let its attributes be changed, nothing has changed."""

import hotpatch


def check(subject):
    error = yield
    assert isinstance(error, hotpatch.ReloadError)
    assert "LIMIT stays as it is" in str(error)
    assert (subject.NUMBER, subject.Settings.LIMIT) == (1, 1)
