def check(m):
    on, key, value, many, two, earth = (
        *(m.Mode.ON, m.Mode.KEY, m.Mode.KEY.value, m.Mode.LIST),
        *(m.Number.TWO, m.Planet.EARTH),
    )
    report = yield
    assert m.Mode.ON is on is m.Mode("ON")
    assert (on.value, on.label, m.Mode.OFF.value) == ("ON", "ON", "off")
    try:
        m.Mode("on")
    except ValueError:
        pass
    else:
        raise AssertionError("there is no such value")
    assert m.Mode.LIST is many is m.Mode([2])
    # Its statement was not changed.
    assert m.Mode.KEY is key is m.Mode(value)
    assert key.value is value
    # There a number cannot become another.
    assert (two, m.Number.TWO, m.Number(22) is m.Number.TWO) == (2, 22, True)
    assert isinstance(two, m.Number)
    assert [(it.kind, it.qualname) for it in report.stale] == [("stale", "Number.TWO")]
    assert report.stale[0].why == (
        "no int can change; there is a new member, and the old one is left as it was"
    )
    assert m.Planet.EARTH is earth is m.Planet((3, 4))
    assert (earth.a, m.Planet.MARS.a, m.Planet(0)) == (3, 5, m.Planet.MARS)
    yield
    # It has failed.
    assert (m.Mode.ON, m.Mode("ON"), on.value, on.label) == (on, on, "ON", "ON")
    assert m.Mode.LIST is many
