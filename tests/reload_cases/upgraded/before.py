CALLS = []


def __hotpatch_dispose__():
    CALLS.append(("dispose", VALUE))


def __hotpatch_reloaded__(report):
    CALLS.append(("reloaded", VALUE, [it.qualname for it in report.changes]))


VALUE = 1


class A:
    def __init__(self):
        self.seen = []

    def __hotpatch_upgrade__(self, report):
        self.seen.append([it.qualname for it in report.changes])

    def f(self):
        return 1


class B(A):
    pass


class C:
    def __hotpatch_upgrade__(self, report):
        raise AssertionError
