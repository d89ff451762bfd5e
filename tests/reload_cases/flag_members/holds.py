import pickle


def check(m):
    perm, r, w, rw, ab = m.Perm, m.Perm.R, m.Perm.W, m.Perm.R | m.Perm.W, m.Bits.A | m.Bits.B
    assert ~r == w
    ac = m.Bits.A | m.Bits.C
    report = yield
    assert (report.not_applied, report.stale) == ([], [])
    assert perm is m.Perm
    assert (r, w) == (perm.R, perm.W)
    assert perm.RW is rw is perm.R | perm.W is perm(3)
    assert ~r == perm.W | perm.X
    assert perm.X.value == 4
    assert perm.X in perm.X | r
    assert (perm.X | r) & r is r
    assert r.can() == (perm.X | r).can() == 2
    assert pickle.loads(pickle.dumps(perm.X | w)) is perm.X | w
    assert (m.Bits.A | m.Bits.C) is ac
    assert (ab, ac, m.Bits.D | 1) == (3, 5, 9)
    assert [it.name for it in m.Bits] == ["A", "D", "C"]
    assert not hasattr(m.Bits, "B")
    assert type(m.Bits.D) is m.Bits
    yield
    assert (perm.W, w.value, [*perm], perm(1)) == (w, 1, [w, perm.X], w)
    assert not hasattr(perm, "R")
    assert ~w is perm.X
