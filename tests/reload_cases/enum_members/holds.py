import copy
import enum
import gc
import pickle

import hotpatch


def check(m):
    color, red, green, blue, size, small = (
        *(m.Color, m.Color.RED, m.Color.GREEN, m.Color.BLUE),
        *(m.Size, m.Size.S),
    )
    word, letter = m.Word, m.Word.A
    known = {red: 1, green: 2}
    report = yield
    assert (report.not_applied, report.stale) == ([], [])
    assert (m.Color, m.Size, m.Word) == (color, size, word)
    assert [it.name for it in color] == ["RED", "PINK", "GREEN"]
    assert color.RED is red is color["RED"] is color(1)
    assert color.GREEN is green is color(3)
    assert (color.PINK is color.ROSE is color(2), color.PINK.value) == (True, 2)
    assert isinstance(color.PINK, color)
    assert type(color.PINK) is color
    assert known[green] == 2
    assert (green.value, green.name, green.low) == (3, "GREEN", "green!")
    assert red.hex() == (2, True)
    assert not hasattr(color, "BLUE")
    assert "BLUE" not in color.__members__
    assert (repr(blue), blue.low) == ("<Color.BLUE: 3>", "blue!")
    for it in (red, green, color.PINK, size.L, small, letter):
        assert pickle.loads(pickle.dumps(it)) is copy.copy(it) is copy.deepcopy(it) is it
    assert [*size] == [0, 1, 2, 3]
    assert [it.name for it in size] == ["XS", "S", "M", "L"]
    assert size.S is small is size(1)
    assert (small < size.L, isinstance(size.L, int)) == (True, True)
    assert [it.name for it in word] == ["ALSO", "A"]
    assert word.A is letter is word("a")
    for base, cls in ((enum.Enum, color), (enum.IntEnum, size)):
        assert [it for it in base.__subclasses__() if it.__name__ == cls.__name__] == [cls]
    assert [
        it for it in gc.get_objects() if type(it) is type(color) and it.__name__ == "Color"
    ] == [color]
    error = yield
    # It has failed, since one name is not unique.
    assert isinstance(error, hotpatch.ReloadError)
    assert [it.name for it in color] == ["RED", "PINK", "GREEN"]
    assert [it.name for it in size] == ["XS", "S", "M", "L"]
    assert size(3) is size.L
    assert red.hex() == (2, True)
