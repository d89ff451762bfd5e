import dataclasses


def check(m):
    @dataclasses.dataclass
    class Here(m.Sub):
        """It is nowhere in the file."""

        last: int = 9

    sub, cold = m.Sub(), m.Colder(1)
    yield
    assert repr(m.Base()) == "Base(x=1, w=10)"
    assert repr(m.Sub()) == "Sub(x=1, w=10, y=2, tags=[], z=3)"
    assert m.Sub(1, 2, 3) != m.Sub(1, 2, 4)
    assert m.Sub(tags=[1]) == m.Sub(tags=[2])
    assert repr(Here()).endswith("Here(x=1, w=10, y=2, tags=[], z=3, last=9)")
    assert Here.__doc__ == "It is nowhere in the file."
    assert (sub.y, isinstance(sub, m.Base)) == (2, True)
    assert repr(m.Colder(1)) == "Colder(a=1, c=1, b=2)"
    assert m.Colder(1) < m.Colder(1, 2)
    assert len({m.Colder(1), m.Colder(1), m.Colder(2)}) == 2
    for hot in (m.Cold(1), m.Colder(1), cold):
        try:
            hot.a = 2
        except dataclasses.FrozenInstanceError:
            continue
        raise AssertionError(hot)
    yield
    assert repr(m.Sub(5, [])) == "Sub(x=5, tags=[], z=3)"
    assert repr(Here(1, z=4)).endswith("Here(x=1, tags=[], z=4, last=9)")
    assert repr(m.Colder()) == "Colder(c=1, b=2)"
