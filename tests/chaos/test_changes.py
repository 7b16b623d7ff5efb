"""A few rounds of the changes that are cut off, and that what looks at them afterwards would notice.

`python -m tests.chaos.changes` plays many.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.chaos.changes import Story, ask, story
from tests.chaos.expected import complaints, found
from tests.chaos.forked import forks
from tests.chaos.places import store
from tests.chaos.stage import memory

ROUNDS, MOST, SEED = 4, 16, 7
CUT = 2
"""At least so many runs are to be cut off; by when is up to the machine."""


@pytest.fixture(scope="module")
def played() -> Iterator[Story]:
    with ExitStack() as stack:
        place = Path(stack.enter_context(TemporaryDirectory(dir=memory())))
        chosen, runs = stack.enter_context(store("file")), stack.enter_context(forks(place))
        play = stack.enter_context(story(place, runs, chosen, SEED))
        while not play.trouble and (play.counts["rounds"] < ROUNDS or cut_off(play) < CUT):
            assert play.counts["rounds"] < MOST, "hardly any run is cut off"
            play.play()
        yield play


def cut_off(play: Story) -> int:
    return play.counts["killed"] + play.counts["stopped"]


def test_whatever_is_cut_off_is_brought_to_its_end(played: Story) -> None:
    assert not played.trouble, "\n".join([*played.trouble, *played.log])
    assert cut_off(played) >= CUT


def test_what_would_be_wrong_is_noticed(played: Story) -> None:
    def wrong() -> set[str]:
        return {what for what, _ in complaints(played.desired, played.outside.items(), played.left_alone)}

    def edit(**wanted: object) -> None:
        ask(f"{played.outside.url}/sandbox/edit", "POST", wanted)

    assert wrong() == set()
    servers = [(thing, item) for thing, item in found(played.outside.items()) if thing.kind == "mcp_server"]
    (_, one), (_, other) = servers[0], servers[-1]
    assert one["id"] != other["id"]
    edit(id=one["id"], set={"status": "INVALID"})
    assert wrong() == {"wrong"}
    edit(id=one["id"], set={"status": one["status"]})
    edit(id=one["id"], set={"resourceUrl": "https://elsewhere.example.com/mcp"})
    assert wrong() == {"lost", "duplicated"}
    edit(id=one["id"], set={"resourceUrl": one["resourceUrl"]})
    assert wrong() == set()
    edit(id=other["id"], delete=True)
    assert "lost" in wrong()
