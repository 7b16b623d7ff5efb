from __future__ import annotations

import json

import jsonschema
import pytest

from reconciler.apply.event import Event, Failed, Finished, Outcome, Progressed, Skipped, Started
from reconciler.kinds import kinds
from reconciler.model.address import Address
from reconciler.model.diagnostic import Span, error, warning
from reconciler.model.lifecycle import State
from reconciler.model.resource import Need, NeedSort, Resource
from reconciler.plan.change import Action, Change, Reason
from reconciler.plan.step import Op, Step
from reconciler.render import json as lines
from reconciler.render.event_text import render_event, render_unfinished
from reconciler.render.graph_text import FORMATS, picture_resources, render_graph
from reconciler.render.page import Page
from reconciler.render.summary import Counts

NOW = "2026-01-01T00:00:00Z"
VALID = jsonschema.Draft202012Validator(lines.event_schema())
TODO = Address('mcp_server.todo["eu"]')
CREATE = Step("create a", Op.CREATE, TODO, "mcp_server")
ACTIVATE = Step("activate a", Op.TRANSITION, TODO, "mcp_server", event="activate", target=State.ACTIVE)
AWAIT = Step("register a", Op.AWAIT, TODO, "mcp_server", target=State.INACTIVE)
BROKEN = error("okta.E0000001", "The live system says no", span=Span("a.yaml", 1, 2, 1, 3), snippet="abc")

EVENTS: list[Event] = [
    Started(CREATE),
    Progressed(CREATE, 10.0, State.PENDING, "for the operation"),
    Finished(CREATE, 65.2, "ems1", "adopted"),
    Failed(ACTIVATE, 1.0, (BROKEN,)),
    Started(AWAIT),
    Progressed(AWAIT, 5.0, None),
    Finished(AWAIT, 0.1),
    Skipped(ACTIVATE, Address("mcp_server.other")),
    Skipped(ACTIVATE, None),
]


def test_each_event_is_a_line_about_its_resource() -> None:
    assert [render_event(event, Page()) for event in EVENTS] == [
        'mcp_server.todo["eu"]: Creating...',
        'mcp_server.todo["eu"]: Still creating, for the operation... [PENDING] [10s]',
        'mcp_server.todo["eu"]: Creation complete after 1m05s [id=ems1] (adopted)',
        'mcp_server.todo["eu"]: Activating failed after 1s: The live system says no',
        'mcp_server.todo["eu"]: Waiting to become INACTIVE...',
        'mcp_server.todo["eu"]: Still waiting to become INACTIVE... [5s]',
        'mcp_server.todo["eu"]: INACTIVE after 0s',
        'mcp_server.todo["eu"]: Activating skipped, because mcp_server.other failed',
        'mcp_server.todo["eu"]: Activating skipped, because the apply was interrupted',
    ]


@pytest.mark.parametrize("op", list(Op))
def test_every_operation_has_words_and_lines(op: Op) -> None:
    step = Step("s", op, TODO, "mcp_server", event="activate", target=State.ACTIVE)
    for event in (Started(step), Progressed(step, 9.0), Finished(step, 2.0), Failed(step, 1.0, (BROKEN,))):
        line = render_event(event, Page())
        assert line is None or line.startswith(f"{TODO}: ")
        VALID.validate(lines.event_line(event, NOW))


def test_the_account_of_a_partial_apply_names_who_is_to_blame() -> None:
    other = Step("create b", Op.CREATE, Address("mcp_server.b"), "mcp_server")
    outcomes = {"create a": Outcome.DONE, "activate a": Outcome.SKIPPED, "create b": Outcome.FAILED}
    text = render_unfinished([CREATE, ACTIVATE, other], outcomes, {"activate a": "mcp_server.b"})
    assert text == (
        "0 done, 1 failed, 1 skipped:\n"
        "\n"
        "  failed   mcp_server.b\n"
        '  skipped  mcp_server.todo["eu"] (done: create; because of mcp_server.b)'
    )


def all_lines() -> list[lines.Line]:
    path = kinds()["mcp_server"].lifecycle({}).path(State.INACTIVE, State.ACTIVE)
    changes = [
        Change(TODO, "mcp_server", action, reason=Reason("x", "y"), path=path, waits_for=(TODO,), moved_from=TODO)
        for action in Action
    ]
    return [
        lines.version_line("0.1.0", NOW),
        lines.diagnostic_line(BROKEN, NOW),
        lines.diagnostic_line(warning("a.b", "c", address=TODO), NOW),
        *(lines.change_line(change, NOW) for change in changes),
        lines.change_line(Change(TODO, "mcp_server", Action.ADOPT, importing="ems1"), NOW, drift=True),
        lines.summary_line(Counts(1, 2, 3, 4, 5), "plan", NOW),
        lines.summary_line(Counts(1, 2, 3, 4, 5), "destroy", NOW, applied=True),
        *(lines.event_line(event, NOW) for event in EVENTS),
    ]


def test_every_line_is_valid_by_the_published_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(lines.event_schema())
    for line in all_lines():
        VALID.validate(json.loads(json.dumps(line)))


def test_the_schema_has_no_type_that_is_never_sent() -> None:
    assert {line["type"] for line in all_lines()} == set(lines.event_schema()["properties"]["type"]["enum"])


@pytest.mark.parametrize(
    "broken", [{"type": "apply_start"}, {"type": "planned_change", "change": {}}, {"type": "made-up"}]
)
def test_the_schema_refuses_other_lines(broken: dict[str, object]) -> None:
    line = lines.version_line("0.1.0", NOW) | broken
    with pytest.raises(jsonschema.ValidationError):
        VALID.validate(line)


def test_own_types_are_marked_as_such() -> None:
    terraforms = {
        *("version", "diagnostic", "planned_change", "resource_drift", "change_summary"),
        *("apply_start", "apply_progress", "apply_complete", "apply_errored"),
    }
    assert all(line["type"] in terraforms or line["type"].startswith("x_") for line in all_lines())


def test_a_graph_in_every_format() -> None:
    odd = Address('mcp_server.a["say \\"hi\\""]')
    resources = {
        a: Resource(a, "mcp_server", {}, needs=needs) for a, needs in ((odd, (Need(TODO, NeedSort.READY),)), (TODO, ()))
    }
    picture = picture_resources(resources)
    dot, mermaid, value = (render_graph(picture, form) for form in FORMATS)
    assert '"mcp_server.a[\\"say \\\\\\"hi\\\\\\"\\"]" -> "mcp_server.todo[\\"eu\\"]" [style = "dashed"' in dot
    assert "n0 -. ready .-> n1" in mermaid
    assert json.loads(value)["edges"] == [{"source": odd, "target": TODO, "sort": "ready"}]
