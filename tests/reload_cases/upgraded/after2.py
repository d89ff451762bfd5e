CALLS = []


def __hotpatch_dispose__():
    CALLS.append(("dispose", VALUE))


def __hotpatch_reloaded__(report):
    1 / 0


VALUE = 3


class A:
    def __init__(self):
        self.seen = []

    def __hotpatch_upgrade__(self, report):
        self.seen.append([it.qualname for it in report.changes])

    def f(self):
        return 3


class B(A):
    pass


class C:
    def __hotpatch_upgrade__(self, report):
        raise AssertionError
