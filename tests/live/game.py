"""A game: its state lives in this loop, and what it does is in `world`."""

import json
import sys
import time

import hotpatch
import world

FRAME = 1 / 240  # seconds


def play(*, has_safe_points: bool) -> None:
    ship = world.Entity(world.Kind.SHIP)
    entities = [ship, world.Entity(world.Kind.ROCK)]
    frame, total, said = 0, 0, ""
    while world.IS_ON:
        frame += 1
        before = ship.x
        updated = world.update(entities)
        time.sleep(FRAME)  # time enough for a reload in the middle
        drawn = world.draw(entities)
        moved = ship.x - before
        total += moved
        print(json.dumps([frame, updated, moved, drawn, ship.x, total]))
        if has_safe_points:
            try:
                report = hotpatch.reload()
            except hotpatch.ReloadError as error:
                report = error.report
            if str(report) not in ("nothing changed", said):
                said = str(report)
                print(said, file=sys.stderr)
    # They are those of the first frame.
    assert ship.kind is world.Kind.SHIP
    assert isinstance(ship, world.Entity)
    print(json.dumps(world.describe(world.Entity(world.Kind(entities[1].kind.value)))))


if __name__ == "__main__":
    if "--safe" in sys.argv:
        with hotpatch.watch() as watch:
            watch.pause()  # from here on modules change where they are reloaded, and nowhere else
            play(has_safe_points=True)
    else:
        play(has_safe_points=False)
