from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.diff import ABSENT, Difference
from reconciler.kinds import kinds
from reconciler.model.address import Address
from reconciler.model.diagnostic import error
from reconciler.model.lifecycle import State
from reconciler.plan.change import Action, Change, Reason
from reconciler.plan.document import Basis, Plan
from reconciler.render.page import Page
from reconciler.render.plan_text import lifecycle_text, render_change, render_plan
from reconciler.render.summary import Counts, count, done, planned

SERVER = kinds()["mcp_server"].lifecycle({})
REGISTRATION = kinds()["client_registration"].lifecycle({})
BASIS = Basis("lineage", 1, "digest", "default", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "reconciler")
GITHUB = Address("mcp_server.github")
ENTRA = GITHUB.child("authorization_server", "entra")

UPDATED = Change(
    GITHUB,
    "mcp_server",
    Action.UPDATE,
    before={"resource_url": "https://x", "display_name": "Git"},
    after={"resource_url": "https://x", "display_name": "GitHub"},
    differences=(Difference(("display_name",), "Git", "GitHub"),),
    status_before=State.INACTIVE,
    status_after=State.ACTIVE,
    path=SERVER.path(State.INACTIVE, State.ACTIVE),
    waits_for=(ENTRA,),
)


def text_of(*changes: Change, **rest: object) -> str:
    return render_plan(Plan(BASIS, changes, (), {}, **rest), Page())  # type: ignore[arg-type]


def test_an_update_shows_only_what_changes_and_the_way_through_the_lifecycle() -> None:
    assert render_change(UPDATED, Page()) == (
        "  # mcp_server.github will be updated in-place\n"
        "  ~ mcp_server.github\n"
        '        display_name: "Git" -> "GitHub"\n'
        "        # (1 unchanged attribute hidden)\n"
        "        lifecycle: INACTIVE -> ACTIVE after mcp_server.github/authorization_server.entra is ACTIVE"
    )


def test_one_updated_resource_is_one_tilde() -> None:
    assert text_of(UPDATED).count("~") == 1


def test_a_creation_shows_every_attribute_with_nested_ones_indented() -> None:
    attributes = {
        "name": "Todo",
        "scopes": {"todo.read": {}, "todo.write": {"consent": "REQUIRED"}},
        "client_secret": {"env": "TODO_SECRET"},
    }
    change = Change(Address("authorization_server.todo"), "authorization_server", Action.CREATE, after=attributes)
    assert render_change(change, Page()) == (
        "  # authorization_server.todo will be created\n"
        "  + authorization_server.todo\n"
        '      + name:          "Todo"\n'
        "      + scopes:\n"
        "          + todo.read\n"
        "          + todo.write:\n"
        '              + consent: "REQUIRED"\n'
        "      + client_secret: (secret env:TODO_SECRET)"
    )


def test_a_replacement_says_what_forces_it_and_walks_out_and_in_again() -> None:
    change = Change(
        GITHUB.child("client_registration", "app"),
        "client_registration",
        Action.REPLACE,
        before={"client_id": "a"},
        after={"client_id": "b"},
        differences=(Difference(("client_id",), "a", "b", replaces=True),),
        path=(*REGISTRATION.path(State.ACTIVE, State.DELETED), *REGISTRATION.path(None, State.ACTIVE)),
        reason=Reason("replace_because_cannot_update", "client_id can't change in place"),
    )
    text = render_change(change, Page())
    assert '        client_id: "a" -> "b" # forces replacement\n' in text
    assert "\n-/+ mcp_server.github/client_registration.app\n" in text
    assert "lifecycle: ACTIVE -> DELETED, then ACTIVE" in text
    assert "  # (client_id can't change in place)\n" in text


def test_long_lists_are_compared_item_by_item() -> None:
    before = [f"https://{name}.example.com/a/long/path" for name in "abc"]
    text = render_change(replace(UPDATED, differences=(Difference(("uris",), before, [*before[:2], "d"]),)), Page())
    assert f'          - "{before[2]}"\n          + "d"\n            # (2 unchanged elements hidden)\n' in text


def test_nested_differences_are_gathered_under_their_attribute() -> None:
    differences = (
        Difference(("scopes", "todo.read", "description"), "old", "new"),
        Difference(("scopes", "todo.write"), {}, ABSENT),
        Difference(("scopes", "todo.admin"), ABSENT, {"consent": "REQUIRED"}),
    )
    text = render_change(replace(UPDATED, differences=differences), Page())
    assert (
        "        scopes:\n"
        "            todo.read:\n"
        '                description: "old" -> "new"\n'
        "          - todo.write\n"
        "          + todo.admin:\n"
        '              + consent: "REQUIRED"\n'
    ) in text


def test_a_secret_is_shown_as_its_reference() -> None:
    rotated = Difference(("client_secret",), {"env": "A"}, {"file": "b"}, secret=True)
    sent_again = Difference(("client_secret",), {"env": "A"}, {"env": "A"}, secret=True)
    assert "client_secret: (secret env:A) -> (secret file:b)" in render_change(
        replace(UPDATED, differences=(rotated,)), Page()
    )
    assert "client_secret: (secret env:A)\n" in render_change(replace(UPDATED, differences=(sent_again,)), Page())


def test_remote_text_is_escaped() -> None:
    evil = replace(UPDATED, differences=(Difference(("display_name",), "\x1b[2J\u202e", "x"),))
    assert "\x1b" not in render_change(evil, Page()) and "\u202e" not in render_change(evil, Page())


def test_the_sentence_without_changes_is_terraforms() -> None:
    assert text_of() == "No changes. Your infrastructure matches the configuration."
    assert text_of(replace(UPDATED, action=Action.NONE)) == text_of()


def test_drift_stands_apart_from_the_changes() -> None:
    text = text_of(UPDATED, drift=(replace(UPDATED, path=()),))
    assert text.index("Objects have changed outside") < text.index("will perform the following actions")
    assert "  # mcp_server.github has changed" in text and "status: INACTIVE -> ACTIVE" in text


def test_what_forbids_the_plan_comes_after_it() -> None:
    text = text_of(UPDATED, diagnostics=(error("guard.protected", "mcp_server.github is protected"),))
    assert text.index("Plan: 0 to add, 1 to change, 0 to destroy.") < text.index(
        "Error: mcp_server.github is protected"
    )


@pytest.mark.parametrize(
    ("actions", "line"),
    [
        ("create", "Plan: 1 to add, 0 to change, 0 to destroy."),
        ("create update delete", "Plan: 1 to add, 1 to change, 1 to destroy."),
        ("replace", "Plan: 1 to add, 0 to change, 1 to destroy."),
        ("adopt forget", "Plan: 1 to import, 0 to add, 0 to change, 0 to destroy, 1 to forget."),
        ("none move", "Plan: 0 to add, 0 to change, 0 to destroy."),
    ],
)
def test_the_summary_line_is_the_one_that_other_tools_read(actions: str, line: str) -> None:
    changes = [Change(GITHUB, "mcp_server", Action(action)) for action in actions.split()]
    assert planned(count(changes)) == line


def test_the_last_line_of_an_apply_is_terraforms() -> None:
    assert done(Counts(1, 2, 3), "apply") == "Apply complete! Resources: 1 added, 2 changed, 3 destroyed."
    assert (
        done(Counts(imported=1), "apply") == "Apply complete! Resources: 1 imported, 0 added, 0 changed, 0 destroyed."
    )
    assert done(Counts(destroy=3), "destroy") == "Destroy complete! Resources: 3 destroyed."


def test_moves_and_forgotten_resources_are_told() -> None:
    moved = Change(Address("mcp_server.b"), "mcp_server", Action.MOVE, moved_from=Address("mcp_server.a"))
    text = text_of(moved, Change(GITHUB, "mcp_server", Action.FORGET))
    assert "  # mcp_server.b has moved from mcp_server.a" in text
    assert "  # mcp_server.github will no longer be managed, but will not be destroyed" in text


def test_the_path_of_a_whole_life() -> None:
    assert lifecycle_text(SERVER.path(None, State.ACTIVE)) == "PENDING -> INACTIVE -> ACTIVE"
    assert lifecycle_text(SERVER.path(State.ACTIVE, State.DELETED)) == "ACTIVE -> INACTIVE -> DELETED"


@pytest.mark.parametrize("width", [1, 20, 80, None])
@pytest.mark.parametrize("colour", [False, True])
def test_any_page_will_do(width: int | None, colour: bool) -> None:
    plan = Plan(BASIS, (UPDATED,), (), {}, drift=(UPDATED,), diagnostics=(error("guard.x", "no", "because"),))
    text = render_plan(plan, Page(width, colour, unicode=False))
    assert text.isascii() and ("\x1b[" in text) == colour
