"""Programs that do real work are edited while they run: nothing is lost, and nothing is mixed."""

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from live_program import Live, text_of, version

EDITS = 30
IS_OFF = ("IS_ON = True", "IS_ON = False")


def rows(program: Live) -> list[Any]:
    return [json.loads(line) for line in program.said()]


def shows(program: Live, index: int | slice, value: object) -> bool:
    """Return whether something is in the last row."""
    return bool(program.last()[0][index] == value)


def has_reported(program: Live, text: str, count: int = 1) -> bool:
    return program.reported().count(text) >= count


def ascends(values: list[int]) -> bool:
    return all(one <= other for one, other in itertools.pairwise(values))


@pytest.mark.parametrize("has_safe_points", [False, True], ids=["run", "safe points"])
def test_a_game_loses_no_frame(has_safe_points: bool, tmp_path: Path) -> None:
    world = text_of("world.py")
    files = {"game.py": text_of("game.py"), "world.py": world}
    arguments = ["game.py", "--safe"] if has_safe_points else ["game.py"]
    with Live(tmp_path, arguments, files, is_run=not has_safe_points) as program:
        program.wait_for(lambda: len(program.said()) > 10)
        for number in range(2, EDITS + 2):
            world = version(text_of("world.py"), number)
            if number % 3 == 0:
                program.save("world.py", world + "SPEED = None +\n")
                program.wait_for(has_reported, program, "SyntaxError", number // 3)
            program.save("world.py", world)
            program.wait_for(shows, program, slice(1, 4), [number] * 3)
        # A member of an enumeration, and a field.
        world = world.replace('SHIP = "ship"\n', 'SHIP = "ship"\n    STAR = "star"\n')
        world = world.replace("    x: int = 0\n", "    x: int = 0\n    lives: int = 3\n")
        program.save("world.py", world)
        program.wait_for(has_reported, program, "Entity")
        program.save("world.py", world.replace(*IS_OFF))
        program.ends()
        *frames, text = rows(program)
    assert text == "{'kind': <Kind.ROCK: 'rock'>, 'x': 0, 'lives': 3}"
    assert [frame for frame, *_ in frames] == [*range(1, len(frames) + 1)]
    for _, _, _, _, x, total in frames:
        assert x == total
    # A frame that was saved in the middle is drawn by the new code, but never the other way round.
    marks = [mark for _, updated, _, drawn, *_ in frames for mark in (updated, drawn)]
    assert ascends(marks)
    assert ascends([moved for _, _, moved, *_ in frames])
    assert {*marks} == {*range(1, EDITS + 2)}
    if has_safe_points:
        assert all(updated == moved == drawn for _, updated, moved, drawn, *_ in frames)


CONNECTIONS = 200


def test_a_server_loses_no_request(tmp_path: Path) -> None:
    text = text_of("server.py")
    with Live(tmp_path, ["server.py"], {"server.py": text}) as program:
        program.wait_for(program.said)
        port = int(program.said()[0])
        marks, counts = asyncio.run(load(program, port, text))
        program.ends()
        assert rows(program)[-1] == counts
    # Each connection saw them in order, and each request was answered by the code it began with.
    for seen in marks:
        assert ascends([start for start, _ in seen])
        assert all(start == end for start, end in seen)
    assert {start for seen in marks for start, _ in seen} == {*range(1, EDITS + 2)}
    assert "failed" not in program.reported()
    assert "Traceback" not in program.reported()


async def load(
    program: Live, port: int, text: str
) -> tuple[list[list[tuple[int, int]]], dict[str, int]]:
    """Ask all the time, over many connections, and edit the program meanwhile."""
    newest, is_done = 1, False
    marks: list[list[tuple[int, int]]] = [[] for _ in range(CONNECTIONS)]
    counts = dict.fromkeys(map(str, range(CONNECTIONS)), 0)

    async def ask(session: int) -> None:
        nonlocal newest
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not is_done:
            counts[str(session)] += 1
            number = counts[str(session)]
            writer.write(json.dumps([str(session), number]).encode() + b"\n")
            answered, start, end, count = json.loads(await reader.readline())
            assert [answered, count] == [number, number]
            marks[session].append((start, end))
            newest = max(newest, start)
        writer.close()
        await writer.wait_closed()

    async def edit() -> None:
        nonlocal is_done
        while not all(marks):
            await asyncio.sleep(0.005)
        for number in range(2, EDITS + 2):
            program.save("server.py", version(text, number))
            while newest < number:
                assert program.process.poll() is None, program.reported()
                await asyncio.sleep(0.005)
        is_done = True

    await asyncio.gather(edit(), *map(ask, range(CONNECTIONS)))
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b'"end"\n')
    await writer.drain()
    writer.close()
    return marks, counts


def is_all_by(program: Live, number: int) -> bool:
    """Return whether all of the last tasks were done by the code of one save."""
    return all(
        result == (task + 1) * number and by == number for _, task, result, by in program.last(30)
    )


def test_threads_that_work_lose_no_task(tmp_path: Path) -> None:
    text = text_of("pool.py")
    with Live(tmp_path, ["pool.py"], {"pool.py": text}) as program:
        program.wait_for(lambda: len(program.said()) > 30)
        for number in range(2, EDITS + 2):
            text = version(text_of("pool.py"), number)
            program.save("pool.py", text)
            program.wait_for(is_all_by, program, number)
        program.save("pool.py", text.replace(*IS_OFF))
        program.ends()
        *tasks, (count, totals) = rows(program)
    assert len({number for _, number, _, _ in tasks}) == len(tasks) == count > 1000
    for kind in ("work", "scale", "queue"):
        its = [task for task in tasks if task[0] == kind]
        assert sum(result for _, _, result, _ in its) == totals[kind]
        # Half an old function and half a new one would not come out even.
        marks = [divmod(result, number + 1) for _, number, result, _ in its]
        assert {rest for _, rest in marks} == {0}
        assert {mark for mark, _ in marks} == {*range(1, EDITS + 2)}
        assert {by for *_, by in its} == {*range(1, EDITS + 2)}


def test_a_training_goes_on_where_it_was(tmp_path: Path) -> None:
    text = text_of("training.py")
    with Live(tmp_path, ["training.py"], {"training.py": text}) as program:
        program.wait_for(program.said)
        for number in range(2, EDITS + 2):
            text = version(text_of("training.py"), number)
            program.save("training.py", text + ("1 / 0\n" if number == EDITS else ""))
            if number != EDITS:
                program.wait_for(shows, program, 3, number)
            else:
                program.wait_for(has_reported, program, "ZeroDivisionError")
        program.wait_for(shows, program, 2, EDITS + 1)
        program.save("training.py", text.replace(*IS_OFF))
        program.ends()
        steps = rows(program)
    assert [step for step, *_ in steps] == [*range(1, len(steps) + 1)]
    epochs = [[*its] for _, its in itertools.groupby(steps, key=lambda step: step[1])]
    assert {len(its) for its in epochs} == {20}
    # The generator that runs has the old code until it ends, and the next one has the new code.
    assert {len({origin for _, _, origin, _ in its}) for its in epochs} == {1}
    # What a save brings that fails can be seen before it is taken back.
    seen = [(origin, by) for _, _, origin, by in steps if EDITS not in (origin, by)]
    assert all(origin <= by for origin, by in seen)
    assert ascends([by for _, by in seen])
    assert {by for _, by in seen} == {*range(1, EDITS), EDITS + 1}


def test_a_program_that_is_saved_all_the_time_needs_no_more_memory(tmp_path: Path) -> None:
    saves, sizes = 120, []
    text = text_of("soak.py")
    with Live(tmp_path, ["soak.py"], {"soak.py": text}) as program:
        program.wait_for(program.said)
        for number in range(2, saves + 2):
            text = version(text_of("soak.py"), number)
            program.save("soak.py", text)
            program.wait_for(shows, program, slice(0, 3), [3 * number, number, number**2])
            sizes.append(program.last()[0][3])
        program.save("soak.py", text.replace(*IS_OFF))
        program.ends()
    print("KiB after each 50 saves:", sizes[::50], sizes[-1])
    assert max(sizes[50:]) - sizes[50] < 1000
