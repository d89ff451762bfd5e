"""Promise 9, for one thread: audit hooks, and the end of the interpreter.

Audit hooks cannot be removed, so each test runs a script in a process of its own.
"""

from script import run


def test_audit_hooks_of_everything_never_see_half_a_patch() -> None:
    """CPython raises events of its own when attributes of functions are read or written."""
    output = run("""
        import sys
        from hotpatch import hotpatch, patches

        def make(mark, size):
            cells = [mark] * size
            def f(a=cells, *, k=cells, g=mark):
                return [mark, len(cells), len(a), len(k), g]
            return f

        def make_small(mark):
            def f():
                return [mark]
            return f

        target, large, small = make("base", 1), make("large", 9), make_small("small")
        allowed = [target(), large(), small()]
        events, depth = set(), 0

        def hook(event, arguments):
            global depth
            if depth:
                return
            depth += 1
            events.add(event)
            assert target() in allowed
            if len(events) % 2:
                hotpatch(small, target).undo()
            assert target() in allowed
            depth -= 1

        with hotpatch(small, target):
            pass
        sys.addaudithook(hook)
        for _ in range(50):
            for replacement in (large, small, lambda: ["small"], list):
                with hotpatch(replacement, target):
                    allowed.append(target())
        depth = 1
        assert patches() == []
        assert target() == allowed[0]
        print({"hotpatch.apply", "hotpatch.undo"} <= events)
        """)
    assert output == "True\n"


def test_an_audit_hook_may_patch_in_the_middle_of_the_first_patch_of_all() -> None:
    """What hotpatch prepares once in a process, it may have to prepare within itself."""
    output = run("""
        import sys
        from hotpatch import hotpatch, patches

        def target():
            return "base"

        def other():
            return "base"

        def hook(event, arguments):
            if not busy:
                busy.append(event)
                with hotpatch(lambda: "hook", other):
                    seen.append(other())
                busy.clear()

        busy, seen = [], []
        sys.addaudithook(hook)
        patch = hotpatch(list, target)
        print(target(), other(), set(seen))
        """)
    assert output == "[] base {'hook'}\n"


def test_a_collection_may_patch_in_the_middle_of_the_first_patch_of_all() -> None:
    """Until 3.11 any allocation can start a collection, and with it a finalizer."""
    output = run("""
        import gc
        import os
        import sys
        from hotpatch import hotpatch

        def target():
            return "base"

        def other():
            return "base"

        class Cycle:
            def __del__(self):
                with hotpatch(lambda: "finalizer", other):
                    seen.append(other())

        def hook(event, arguments):
            if event == "hotpatch.apply" and not seen:
                gc.set_threshold(gc.get_count()[0] + steps)

        seen = []
        gc.set_threshold(0)
        cycle = Cycle()
        cycle.itself = cycle
        del cycle
        sys.addaudithook(hook)
        for steps in range(40):
            child = os.fork()
            if not child:
                hotpatch(lambda: "new", target)
                gc.collect()
                is_right = target() == "new" and other() == "base" and seen == ["finalizer"]
                os._exit(0 if is_right else 1)
            if os.waitpid(child, 0)[1]:
                print("wrong after", steps)
        """)
    assert output == ""


def test_many_threads_may_make_the_first_patch_of_all_at_once() -> None:
    output = run("""
        import sys
        import threading
        from hotpatch import hotpatch, patches

        def target():
            return ["base"]

        def make():
            start.wait()
            made.append(hotpatch(list, target))
            function = lambda: "base"
            with hotpatch(lambda: "own", function):
                seen.append(function())

        made, seen, start = [], [], threading.Barrier(8)
        threads = [threading.Thread(target=make) for _ in range(8)]
        sys.setswitchinterval(1e-6)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(target(), set(seen), len(patches()))
        for patch in made:
            patch.undo()
        print(target(), patches())
        """)
    assert output == "[] {'own'} 8\n['base'] []\n"


def test_an_audit_hook_may_patch_the_target_of_the_event() -> None:
    output = run("""
        import sys
        from hotpatch import hotpatch, patches

        def target():
            return "base"

        def hook(event, arguments):
            if event.startswith("hotpatch.") and arguments[2] != "hook":
                made.append(hotpatch(lambda: f"hook {len(made)}", target, by="hook"))

        made = []
        sys.addaudithook(hook)
        patch = hotpatch(lambda: "new", target)
        print(target(), [each.by for each in patches(target)])
        patch.undo()
        print(target(), [each.by for each in patches(target)])
        for each in made:
            each.undo()
        print(target(), patches())
        """)
    assert output == "new ['hook', '__main__']\nhook 2 ['hook', 'hook']\nbase []\n"


def test_the_interpreter_can_end_with_patches_applied() -> None:
    """The list of patches is never emptied; destructors at the end may still call the target."""
    output = run("""
        from hotpatch import hotpatch

        def target():
            return "base"

        class Last:
            def __del__(self, target=target, print=print):
                print("last", target())

        def make(kept):
            return lambda default=kept: "new"

        target.kept = Last()
        patch = hotpatch(make(Last()), target)
        print(target())
        """)
    assert output.splitlines() == ["new", "last new", "last new"]
