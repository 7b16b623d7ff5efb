"""What a directory of YAML comes to."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from reconciler.config.configuration import Configuration
from reconciler.config.files import SourceFile
from reconciler.config.loader import load
from reconciler.config.variables import Inputs
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused, Severity, exit_code
from reconciler.model.lifecycle import State
from tests.unit.config.stage import OKTA, SOUND, problems, read


def attributes(configuration: Configuration, address: str) -> Any:
    return configuration.resources[Address(address)].attributes


class TestResources:
    def test_come_in_address_order(self) -> None:
        assert list(read(SOUND).resources) == [
            "authorization_server.todo",
            "mcp_server.gh",
            "mcp_server.gh/authorization_server.gh",
            "mcp_server.gh/client_registration.app",
            "mcp_server.todo",
            "mcp_server.todo/authorization_server.todo",
        ]

    def test_know_where_they_are_written(self) -> None:
        found = read(SOUND)
        span = found.resources[Address("mcp_server.todo")].span
        assert span is not None
        assert (str(span), found.snippet(span)) == ("0.yaml:18:3", "  todo:")
        assert str(found.resources[Address("mcp_server.todo/authorization_server.todo")].span) == "0.yaml:21:29"

    def test_do_not_manage_what_is_omitted_or_null(self) -> None:
        found = read(SOUND.replace("display_name: Todo", "display_name:"))
        assert "display_name" not in attributes(found, "mcp_server.todo")
        assert found.digest == read(SOUND.replace("    display_name: Todo\n", "")).digest

    def test_may_be_none_at_all(self) -> None:
        found = read("version: 1\nmcp_servers:\n")
        assert (found.resources, found.warnings) == ({}, ())
        assert found.settings.provider.sandbox is not None

    def test_may_stand_in_several_files(self) -> None:
        head, tail = SOUND.split("mcp_servers:\n")
        assert read(head, f"mcp_servers:\n{tail}").digest == read(SOUND).digest

    def test_a_definition_that_nothing_uses_is_a_warning(self) -> None:
        text = SOUND.replace("authorization_servers: [gh]", "authorization_servers: [todo]")
        (found,) = read(text).warnings
        assert (found.severity, found.code, str(found.span)) == (Severity.WARNING, "config.unused", "0.yaml:7:3")
        assert found.snippet == "  gh:"

    def test_ten_times_as_many_take_ten_times_the_work(self) -> None:
        def calls(count: int) -> int:
            """How many functions are called to read that many of each kind: the same on any machine, however busy."""
            parts: dict[str, list[str]] = {"authorization_servers": [], "client_registrations": [], "mcp_servers": []}
            for i in range(count):
                url = f"https://s{i}.example.com"
                parts["authorization_servers"].append(
                    f"  a{i}: {{type: external, issuer: '{url}', authorization_endpoint: '{url}', "
                    f"token_endpoint: '{url}'}}"
                )
                parts["client_registrations"].append(
                    f"  r{i}: {{authorization_server: a{i}, client_id: x, client_secret: {{env: S}}}}"
                )
                parts["mcp_servers"].append(f"  s{i}: {{resource_url: '{url}', authorization_servers: [a{i}]}}")
            text = "version: 1\n" + "".join(f"{key}:\n" + "\n".join(lines) + "\n" for key, lines in parts.items())
            made = 0

            def tally(frame: object, event: str, argument: object) -> None:
                nonlocal made
                made += event in ("call", "c_call")

            before = sys.getprofile()
            sys.setprofile(tally)
            try:
                resources = read(text).resources
            finally:
                sys.setprofile(before)
            assert len(resources) == 3 * count
            return made

        calls(5)
        assert calls(400) < 12 * calls(40)


class TestVariables:
    TEXT = f"""\
version: 1
variables:
  name: {{default: from-default}}
  n: {{type: number, default: 1}}
  flag: {{type: boolean, default: false}}
  list: {{type: list, default: []}}
  map: {{type: map, default: {{}}}}
{OKTA}"""

    @pytest.mark.parametrize(
        ("inputs", "name"),
        [
            (Inputs(), "from-default"),
            (Inputs(environment={"name": "from-environment", "other": "ignored"}), "from-environment"),
            (Inputs(environment={"name": "e"}, files=(SourceFile("f", b"name: from-file"),)), "from-file"),
            (Inputs(files=(SourceFile("f", b"name: first"), SourceFile("g", b"name: second"))), "second"),
            (Inputs(variables={"name": "from-flag"}, files=(SourceFile("f", b"name: x"),)), "from-flag"),
        ],
    )
    def test_the_nearest_value_wins(self, inputs: Inputs, name: str) -> None:
        assert read(self.TEXT, inputs=inputs).variables["name"] == name

    def test_text_from_outside_is_read_by_the_declared_type(self) -> None:
        given = {"name": "012", "n": "12", "flag": "true", "list": "[a, {b: c}]", "map": "{a: [1]}"}
        assert read(self.TEXT, inputs=Inputs(variables=given)).variables == {
            "name": "012",
            "n": 12,
            "flag": True,
            "list": ["a", {"b": "c"}],
            "map": {"a": [1]},
        }

    def test_the_type_is_that_of_the_default_if_not_said(self) -> None:
        found = read("version: 1\nvariables: {n: {default: 1}, t: }\n", inputs=Inputs(variables={"n": "2", "t": "2"}))
        assert found.variables == {"n": 2, "t": "2"}

    def test_a_value_for_what_is_not_declared_is_a_warning_in_a_file(self) -> None:
        found = read(self.TEXT, inputs=Inputs(files=(SourceFile("prod.vars", b"nmae: x"),)))
        assert [(str(w.span), w.detail) for w in found.warnings] == [("prod.vars:1:1", "Did you mean name?")]

    def test_stand_in_settings_and_instructions_too(self) -> None:
        text = f"""\
version: 1
variables: {{where: {{default: elsewhere}}, old: {{default: gone}}, deletes: {{default: 7}}}}
state: {{file: {{path: "${{var.where}}/state"}}}}
guards: {{max_deletes: "${{var.deletes}}"}}
removed: [{{from: "authorization_server.${{var.old}}"}}]
{OKTA}"""
        found = read(text)
        assert found.settings.state.file.path == "elsewhere/state"
        assert found.settings.guards.max_deletes == 7
        assert [removed.source for removed in found.removed] == ["authorization_server.gone"]

    def test_a_value_that_is_null_leaves_the_key_out(self) -> None:
        text = f"""\
version: 1
variables: {{note: {{default: null}}}}
{OKTA}
mcp_servers:
  a: {{resource_url: "https://a.example.com", description: "${{var.note}}", authorization_servers: [todo]}}
"""
        assert "description" not in attributes(read(text), "mcp_server.a")
        noted = read(text, inputs=Inputs(variables={"note": "hello"}))
        assert attributes(noted, "mcp_server.a")["description"] == "hello"


class TestForEach:
    def test_makes_an_instance_for_each_entry(self) -> None:
        text = f"""\
version: 1
variables: {{regions: {{default: {{eu: {{host: e.example.com, note: null}}, us: {{host: u.example.com, note: Two}}}}}}}}
{OKTA}
mcp_servers:
  todo:
    for_each: ${{var.regions}}
    resource_url: https://${{each.value.host}}/mcp
    display_name: ${{each.value.note}}
    description: In ${{each.key}}
    authorization_servers: [todo]
"""
        found = read(text)
        assert [a for a in found.resources if a.parent is None and a.kind == "mcp_server"] == [
            'mcp_server.todo["eu"]',
            'mcp_server.todo["us"]',
        ]
        assert attributes(found, 'mcp_server.todo["eu"]') == {
            "resource_url": "https://e.example.com/mcp",
            "registration": "manual",
            "description": "In eu",
        }
        assert attributes(found, 'mcp_server.todo["us"]')["display_name"] == "Two"

    def test_takes_a_list_of_texts_and_references_to_instances(self) -> None:
        text = """\
version: 1
authorization_servers:
  todo: {for_each: [eu, us], type: okta, name: "Todo ${each.key}", audiences: ["${each.value}"]}
mcp_servers:
  todo:
    for_each: [eu, us]
    resource_url: https://${each.value}.example.com
    authorization_servers: ['todo["${each.key}"]']
"""
        found = read(text)
        association = found.resources[Address('mcp_server.todo["eu"]/authorization_server.todo["eu"]')]
        assert association.refs == {
            "mcp_server": 'mcp_server.todo["eu"]',
            "authorization_server": 'authorization_server.todo["eu"]',
        }

    def test_over_nothing_makes_nothing(self) -> None:
        found = read("version: 1\nmcp_servers: {a: {for_each: [], resource_url: 'https://${each.key}.example.com'}}\n")
        assert found.resources == {}

    def test_says_what_each_instance_would_say_alone(self) -> None:
        each = "version: 1\nauthorization_servers: {a: {for_each: {x: [s]}, type: okta, name: N, "
        alone = "version: 1\nauthorization_servers: {a: {type: okta, name: N, "
        one = attributes(
            read(each + "audiences: ['${each.key}'], scopes: '${each.value}'}}"), 'authorization_server.a["x"]'
        )
        assert one == attributes(read(alone + "audiences: [x], scopes: [s]}}"), "authorization_server.a")


class TestDefaults:
    TEXT = f"""\
version: 1
{OKTA}
defaults: {{mcp_servers: {{status: inactive, description: D, authorization_servers: [todo]}}}}
"""

    def test_fill_in_what_a_block_omits(self) -> None:
        found = read(self.TEXT + "mcp_servers: {a: {resource_url: 'https://a.example.com', status: active}}")
        assert found.resources[Address("mcp_server.a")].status is State.ACTIVE
        assert attributes(found, "mcp_server.a")["description"] == "D"
        assert "mcp_server.a/authorization_server.todo" in found.resources

    def test_are_taken_back_by_null(self) -> None:
        found = read(self.TEXT + "mcp_servers: {a: {resource_url: 'https://a.example.com', description: }}")
        assert "description" not in attributes(found, "mcp_server.a")

    def test_reach_only_blocks_that_have_the_key(self) -> None:
        text = SOUND + "defaults: {authorization_servers: {description: D, access_policy: {clients: [c]}}}\n"
        found = attributes(read(text), "authorization_server.todo")
        assert (found["description"], found["access_policy"]["clients"]) == ("D", ["c"])

    def test_may_give_what_is_required(self) -> None:
        found = read(
            "version: 1\n"
            "defaults: {authorization_servers: {type: okta, audiences: [x]}}\n"
            "authorization_servers: {a: }\n"
        )
        assert list(found.resources) == ["authorization_server.a"]


class TestInstructions:
    @pytest.mark.parametrize(
        ("source", "target"),
        [
            ("authorization_server.github", "authorization_server.gh"),
            ("client_registration.old", "client_registration.app"),
            ("mcp_server.old", "mcp_server.gh"),
            ("mcp_server.gh/authorization_server.old", "mcp_server.gh/authorization_server.gh"),
        ],
    )
    def test_a_resource_or_a_definition_is_moved(self, source: str, target: str) -> None:
        found = read(f"{SOUND}moved: [{{from: {source}, to: {target}}}]")
        assert [(move.source, move.target) for move in found.moved] == [(source, target)]

    def test_a_resource_is_moved_into_or_out_of_a_for_each(self) -> None:
        text = """\
version: 1
authorization_servers: {a: {for_each: [x], type: okta, audiences: [x]}, b: {type: okta, audiences: [x]}}
moved: [{from: authorization_server.a, to: 'authorization_server.a["x"]'},
  {from: 'authorization_server.c["x"]', to: authorization_server.b}]
"""
        assert len(read(text).moved) == 2

    def test_all_instances_are_moved_by_their_name_without_a_key(self) -> None:
        text = "version: 1\nauthorization_servers: {a: {for_each: [x], type: okta, audiences: [x]}}\n"
        found = read(text + "moved: [{from: authorization_server.old, to: authorization_server.a}]")
        assert [move.target for move in found.moved] == ["authorization_server.a"]

    def test_moves_may_follow_each_other(self) -> None:
        text = "moved: [{from: mcp_server.a, to: mcp_server.b}, {from: mcp_server.b, to: mcp_server.todo}]"
        assert len(read(SOUND + text).moved) == 2

    def test_imports_and_removals_are_kept(self) -> None:
        text = "import: [{to: mcp_server.todo, id: ems1}]\n"
        text += "removed: [{from: mcp_server.x}, {from: mcp_server.y, destroy: true}]"
        found = read(SOUND + text)
        assert [(i.target, i.id) for i in found.imports] == [("mcp_server.todo", "ems1")]
        assert [(r.source, r.destroy) for r in found.removed] == [("mcp_server.x", False), ("mcp_server.y", True)]


class TestSettings:
    @pytest.mark.parametrize(
        "text", ["", "provider:", "provider: {sandbox: }", "provider: {sandbox: {}}", "state: {file: }"]
    )
    def test_are_the_embedded_sandbox_and_files_if_nothing_else_is_said(self, text: str) -> None:
        found = read(f"version: 1\n{text}").settings
        assert found.provider.sandbox is not None
        assert (found.provider.okta, found.state.file.path) == (None, "state")

    def test_name_a_real_org(self) -> None:
        okta = read(
            "version: 1\nprovider: {okta: {org_url: 'https://a.okta.com', auth: {token: {env: T}}}}"
        ).settings.provider.okta
        assert okta is not None
        assert (okta.org_url, okta.auth.token) == ("https://a.okta.com", {"env": "T"})


class TestDigest:
    @pytest.mark.parametrize(
        "same",
        [
            SOUND.replace("version: 1", "# hello\nversion: 1   # there"),
            SOUND.replace("    display_name: Todo\n", "").replace(
                "todo.example.com/mcp\n    auth", "todo.example.com/mcp\n    display_name: 'Todo'\n    auth"
            ),
            "\n".join(["mcp_servers:" + SOUND.split("mcp_servers:")[1], SOUND.split("mcp_servers:")[0]]),
            SOUND.replace("[todo.read]", "\n    - todo.read"),
            SOUND.replace("resource_url: https://todo.example.com/mcp", "resource_url: https://${var.host}/mcp")
            + "variables: {host: {default: todo.example.com}}",
            SOUND + "guards: {max_deletes: 3}\nstate: {file: {}}\n",
        ],
        ids=["comments", "order of keys", "order of sections", "style", "variables", "what is so anyway"],
    )
    def test_is_of_what_is_meant(self, same: str) -> None:
        assert read(same).digest == read(SOUND).digest

    @pytest.mark.parametrize(
        "other",
        [
            SOUND.replace("display_name: Todo", "display_name: todo"),
            SOUND.replace("[todo.read]", "[todo.read, todo.write]"),
            SOUND.replace("GH_SECRET", "GH_SECRET_2"),
            SOUND.replace("display_name: Todo", "status: inactive"),
            SOUND.replace("display_name: Todo", "protect: true"),
            SOUND + "removed: [{from: mcp_server.x}]",
            SOUND + "import: [{to: mcp_server.todo, id: ems1}]",
            SOUND + "moved: [{from: mcp_server.x, to: mcp_server.todo}]",
            SOUND + "guards: {max_deletes: 4}",
            SOUND + "provider: {okta: {org_url: 'https://a.okta.com', auth: {token: {env: T}}}}",
        ],
    )
    def test_differs_where_the_meaning_does(self, other: str) -> None:
        assert read(other).digest != read(SOUND).digest


class TestRefusals:
    def test_exit_10(self) -> None:
        assert exit_code(problems("version: 2")) == 10

    def test_never_show_a_secret_written_out(self) -> None:
        told = repr(problems(SOUND.replace("{env: GH_SECRET}", "hunter2")))
        assert "client_secret must be a reference" in told
        assert "hunter2" not in told

    @hypothesis(max_examples=200, deadline=None)
    @given(st.data())
    def test_are_all_that_comes_of_a_damaged_configuration(self, data: st.DataObject) -> None:
        """Cut, doubled and exchanged lines and characters: read or refused, and nothing else."""
        lines = SOUND.splitlines(keepends=True)
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(lines) - 1))
            other = data.draw(st.sampled_from(lines))
            junk = data.draw(
                st.sampled_from(["[", "}", "*a", "&a ", "~", "for_each: [a]\n", "${var.x}", "${each.key}", "1", ": "])
            )
            column = data.draw(st.integers(0, len(lines[at])))
            line = lines[at]
            lines[at] = data.draw(
                st.sampled_from(["", line * 2, other, line[:column] + junk + line[column:], line[2:]])
            )
        try:
            found = load([SourceFile("a.yaml", "".join(lines).encode())])
        except Refused as refused:
            assert exit_code(refused.diagnostics) == 10
            assert all(d.span is None or d.span.file == "a.yaml" for d in refused.diagnostics)
        else:
            assert all(resource.address == address for address, resource in found.resources.items())
