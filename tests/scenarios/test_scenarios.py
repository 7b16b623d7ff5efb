"""Stories: each directory here is one, its name a sentence. `pytest --accept` rewrites what they should come to.

A story has stages, `1-...`, `2-...`. A stage has a configuration (`*.yaml`), and optionally

    edit.json   changes made behind our back first: [{"find": {field: value}, "set": {...}}], or "delete": true
    plan        arguments for plan, and for apply too
    apply       arguments for apply only; `-` not to apply at all
    sandbox/    the world file and others the configuration names

Expected, over all stages: `plan.txt` what plan prints, `errors.txt` what plan and apply complain of and how they exit,
`calls.txt` the writes that reach the live system, in order, and `state.after.json` what is recorded in the end. Remote
ids are numbered in order of their appearance.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.okta.transport import HttpTransport
from reconciler.ports import Answer, Call, Leave
from reconciler.sandbox.app import create_app
from reconciler.sandbox.options import SandboxOptions

HERE = Path(__file__).parent
STORIES = sorted(path for path in HERE.iterdir() if path.is_dir() and not path.name.startswith("_"))
GOLDEN = ("plan.txt", "errors.txt", "calls.txt", "state.after.json")
_ID = re.compile(r"\b(ems|eas|aus|rsc|rul|00p|scp|op-|00o|0pr)[0-9A-Za-z]{4,}")
_REQUEST = re.compile(r"errorId oae[-_0-9A-Za-z]+, request [0-9a-f]{32}")
_FINGERPRINTS = re.compile(r"(fingerprint|had) [0-9a-f]{16}\b")
_TIMES = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z")


class Names:
    """Remote ids by order of appearance: `ems#1`."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        text = _FINGERPRINTS.sub(r"\1 HMAC", text)
        return _REQUEST.sub("errorId ID, request ID", _TIMES.sub("TIME", _ID.sub(self._name, text)))

    def _name(self, match: re.Match[str]) -> str:
        prefix = match[1]
        count = sum(name.startswith(prefix) for name in self._known.values())
        return self._known.setdefault(match[0], f"{prefix}#{count + 1}")


class Stage:
    """One step of a story, played in `place`."""

    def __init__(self, source: Path, place: Path) -> None:
        self.source, self.place = source, place

    def configure(self) -> None:
        for old in self.place.glob("*.yaml"):
            old.unlink()
        for file in self.source.iterdir():
            if file.suffix == ".yaml":
                shutil.copy(file, self.place)
            elif file.is_dir():
                shutil.copytree(file, self.place / file.name, dirs_exist_ok=True)

    def arguments(self, verb: str) -> list[str]:
        file = self.source / verb
        return shlex.split(file.read_text("utf-8")) if file.exists() else []


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.name)
def test_story(
    story: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("COLUMNS", raising=False)
    found = play(story, tmp_path, monkeypatch, capsys)
    if request.config.getoption("--accept"):
        for name, text in found.items():
            (story / name).write_text(text, "utf-8")
    for name in GOLDEN:
        assert found[name] == (story / name).read_text("utf-8"), f"{story.name}/{name} differs; is it --accept-able?"


def play(
    story: Path, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, str]:
    names = Names()
    pages: dict[str, list[str]] = {name: [] for name in GOLDEN}
    with recorded_calls(monkeypatch) as calls:
        for source in sorted(path for path in story.iterdir() if path.is_dir()):
            stage = Stage(source, place)
            stage.configure()
            meddle(source, place)
            calls.clear()
            options = stage.arguments("plan")
            code = main(["plan", "-detailed-exitcode", *options])
            shown = capsys.readouterr()
            pages["plan.txt"] += [f"== {source.name} (exit {code})", shown.out]
            pages["errors.txt"] += [f"== {source.name}", shown.err]
            only_apply = stage.arguments("apply")
            if only_apply != ["-"]:
                code = main(["apply", "-auto-approve", "-parallelism=1", *options, *only_apply])
                applied = capsys.readouterr()
                pages["errors.txt"] += [f"-- apply (exit {code})", applied.err, ending(applied.out)]
            pages["calls.txt"] += [f"== {source.name}", *calls]
    main(["state", "pull"])
    pages["state.after.json"].append(state_text(capsys.readouterr().out))
    return {name: names("\n".join(page).rstrip() + "\n") for name, page in pages.items()}


@contextmanager
def recorded_calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every write that reaches the live system, a line each."""
    calls: list[str] = []
    exchange = HttpTransport.exchange

    async def watched(self: HttpTransport, call: Call, leave: Leave | None = None) -> Answer:
        answer = await exchange(self, call, leave)
        if call.method != "GET" and not call.path.startswith("/sandbox/"):
            body = "" if call.body is None else " " + json.dumps(call.body)
            calls.append(f"{call.method} {call.path}{body} -> {answer.lost or answer.status}")
        return answer

    monkeypatch.setattr(HttpTransport, "exchange", watched)
    yield calls


def meddle(source: Path, place: Path) -> None:
    """Change objects as somebody else would: `{"find": {field: value}, "set": {...}}` or `"delete": true`."""
    file = source / "edit.json"
    if not file.exists():
        return

    async def edit() -> None:
        transport = HttpTransport.to_app(create_app(SandboxOptions(db=str(place / "state" / "default.sandbox.db"))))
        objects = (await transport.exchange(Call("GET", "/sandbox/objects"))).body["objects"]
        for wanted in json.loads(file.read_text("utf-8")):
            fields = wanted.pop("find").items()
            [target] = [o for kind in objects.values() for o in kind if all(o.get(k) == v for k, v in fields)]
            parent = {"parent": target["parent"]} if "parent" in target else {}
            answer = await transport.exchange(
                Call("POST", "/sandbox/edit", body={"id": target["id"], **parent, **wanted})
            )
            assert answer.ok, answer
        await transport.close()

    asyncio.run(edit())


def ending(output: str) -> str:
    """The last paragraph of what apply printed; the lines before it tell of times."""
    return output.rstrip().rpartition("\n\n")[2]


def state_text(pulled: str) -> str:
    """The state document without what differs with every write."""
    if not pulled:
        return "(none)"
    document = json.loads(pulled)
    kept = {name: value for name, value in document.items() if name in ("version", "serial", "resources")}
    for resource in kept["resources"]:
        resource.pop("fingerprint", None)
        if "secrets" in resource:
            resource["secrets"] = sorted(resource["secrets"])
    return json.dumps(kept, indent=1, ensure_ascii=False)
