"""The state document: a snapshot as it is written to disk, versioned and with a checksum.

`version` 1000 makes a Terraform that meets it refuse it without damage; `serial` and `lineage` stand where Terraform's
protocols look for them. `format` is the layout of the rest, `min_reader` the oldest layout a program must know to read
it. One resource is one line, so that a change of state is a readable difference.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reconciler import __version__
from reconciler.apply.record import decode_record, encode_record
from reconciler.model.diagnostic import Refused, error
from reconciler.model.lifecycle import State
from reconciler.model.resource import NeedSort
from reconciler.model.snapshot import Snapshot, Version
from reconciler.stores.forwarding import require_here

VERSION = 1000
FORMAT = 1
_TOOL = f"reconciler {__version__}"
_WHOLE = ("state.newer", "state.unreadable", "state.unwritable", "state.symlink", "state.key")


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NeedDocument(_Document):
    """A dependency: what is needed, and for existing or for being ready."""

    target: str
    sort: NeedSort


class ResourceDocument(_Document):
    """One recorded resource. Attributes hold references to secrets, never secrets."""

    address: str
    kind: str
    id: Annotated[str, Field(description="The id the live system knows it by.")]
    status: State
    attributes: dict[str, Any]
    handle: Annotated[str | None, Field(description="The name other objects refer to it by, if not its id.")] = None
    needs: list[NeedDocument] = []
    refs: Annotated[dict[str, str], Field(description="Role -> address of the resource referred to.")] = {}
    protect: bool = False
    discovered: bool = False
    fingerprint: str | None = None
    secrets: Annotated[
        dict[str, str], Field(description="Attribute -> keyed fingerprint of the secret that was last sent for it.")
    ] = {}


class StateDocument(_Document):
    """Everything reconciler remembers having made in one workspace."""

    version: Literal[1000]
    format: Annotated[int, Field(ge=1)]
    min_reader: Annotated[int, Field(ge=1)]
    lineage: Annotated[str, Field(description="Names the world this state is of; fixed at birth.")]
    serial: Annotated[int, Field(ge=0, description="One more with every write.")]
    write_id: Annotated[str, Field(description="Differs with every write, even of the same content.")] = ""
    fence: Annotated[int, Field(ge=0, description="The number of the lease under which it was written.")] = 0
    previous: Annotated[str, Field(description="SHA-256 of the bytes of the version before this one.")] = ""
    at: Annotated[str, Field(description="When it was written, in UTC.")] = ""
    who: Annotated[str, Field(description="Who wrote it.")] = ""
    operation: Annotated[str, Field(description="What for: apply, destroy, state...")] = ""
    plan: Annotated[str, Field(description="The fingerprint of the plan that led to it.")] = ""
    partial: Annotated[bool, Field(description="That plan was not carried out whole.")] = False
    secret_key: Annotated[
        str,
        Field(
            pattern="^([0-9a-f]{64})?$",
            description="The key of the HMAC-SHA256 by which secrets are told apart.",
        ),
    ] = ""
    tool: Annotated[str, Field(description="What wrote it.")] = ""
    sha256: Annotated[
        str,
        Field(
            pattern="^[0-9a-f]{64}$",
            description="Of everything else, as JSON with sorted keys, no spaces, and in UTF-8.",
        ),
    ]
    resources: list[ResourceDocument]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a version of the state comes from; each field under its name in the document."""

    write_id: str = ""
    fence: int = 0
    previous: str = ""
    at: str = ""
    who: str = ""
    operation: str = ""
    plan: str = ""
    partial: bool = False


def state_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the state document."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **StateDocument.model_json_schema()}


def encode(snapshot: Snapshot, origin: Origin | None = None) -> bytes:
    """The document of `snapshot`. A value that isn't JSON (a secret among them) raises TypeError."""
    head: dict[str, Any] = {
        "version": VERSION,
        "format": FORMAT,
        "min_reader": 1,
        "lineage": snapshot.lineage,
        "serial": snapshot.serial,
        **{name: value for name, value in asdict(origin or Origin()).items() if value},
        **({"secret_key": snapshot.secret_key} if snapshot.secret_key else {}),
        "tool": _TOOL,
    }
    resources = [_canonical(encode_record(snapshot.records[address])) for address in sorted(snapshot.records)]
    return _laid_out(head, resources)


def _laid_out(head: dict[str, Any], resources: list[str]) -> bytes:
    lines = [f'  "{key}": {json.dumps(value)},' for key, value in head.items()]
    lines.append(f'  "sha256": "{_checksum(head, resources)}",')
    body = ",\n".join(f"    {resource}" for resource in resources)
    lines.append(f'  "resources": [\n{body}\n  ]' if resources else '  "resources": []')
    return "\n".join(["{", *lines, "}", ""]).encode()


def decode(data: bytes, name: str) -> Snapshot:
    """The snapshot in `data`, which is the content of the file `name`.

    Raises Refused: `state.empty`, `state.damaged` (cut off, not JSON, not a state), `state.checksum`, `state.newer`,
    `state.foreign` (another program's).
    """
    if not data.strip(b" \t\r\n\0"):
        raise _refused("state.empty", f"The state {name} is empty", name)
    try:
        raw = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise _refused("state.damaged", f"The state {name} is cut off or damaged: it is not JSON", name) from None
    _require_readable(raw, name)
    require_plain(data, name)
    require_here(raw, name)
    head = {key: value for key, value in raw.items() if key not in ("sha256", "resources")}
    if raw.get("sha256") not in (_checksum(head, texts) for texts in _spellings(data, raw)):
        raise _refused(
            "state.checksum", f"The state {name} was changed after it was written: its checksum is off", name
        )
    try:
        StateDocument.model_validate_json(data)
    except ValidationError as invalid:
        place = ".".join(str(part) for part in invalid.errors()[0]["loc"])
        raise _refused("state.damaged", f"The state {name} is not one: {place} is wrong", name) from None
    records = [decode_record(resource) for resource in raw["resources"]]
    held = {record.address: record for record in records}
    snapshot = Snapshot(raw["lineage"], raw["serial"], held, raw.get("secret_key", ""))
    if len(snapshot.records) < len(records):
        raise _refused("state.damaged", f"The state {name} has two resources of one address", name)
    return snapshot


def read_version(data: bytes) -> Version | None:
    """What the document says of its origin; None unless every byte of it is as it was written."""
    try:
        raw = json.loads(data)
        head = {key: value for key, value in raw.items() if key not in ("sha256", "resources")}
        is_ours = _laid_out(head, [_canonical(resource) for resource in raw["resources"]]) == data
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        return None
    if not is_ours:
        return None
    said = {name: raw.get(name, "") for name in ("previous", "at", "who", "operation", "plan")}
    partial = raw.get("partial", False)
    return Version(raw["serial"], digest_of(data), **said, partial=partial, resources=len(raw["resources"]))


def digest_of(data: bytes) -> str:
    """The SHA-256 by which the next version names this one."""
    return hashlib.sha256(data).hexdigest()


def is_damage(refused: Refused) -> bool:
    """Whether it says something against what is kept; if not, that is as it was, with another tool, key or right."""
    return not any(diagnostic.code in _WHOLE for diagnostic in refused.diagnostics)


def require_plain(data: bytes, name: str) -> None:
    """Refused (`state.key`) if that is encrypted: a document, or the lines of a journal."""
    with suppress(ValueError, RecursionError):
        raw = json.loads(data.split(b"\n", 1)[0] if b'"sealed"' in data else b"{}")
        if isinstance(raw, dict) and "sealed" in raw:
            told = f"The state {name} is encrypted, and the configuration names no key"
            raise Refused([error("state.key", told, "Name its key under state.encryption.key. Nothing was changed.")])


def _require_readable(raw: Any, name: str) -> None:
    if not isinstance(raw, dict) or raw.get("version") != VERSION:
        raise Refused(
            [
                error(
                    "state.foreign",
                    f"{name} is not a state of reconciler",
                    "It may be Terraform's or another program's. Name another directory under state.file.path.",
                )
            ]
        )
    needed = raw.get("min_reader")
    if isinstance(needed, int) and needed > FORMAT:
        raise Refused(
            [
                error(
                    "state.newer",
                    f"The state {name} was written by {raw.get('tool') or 'a newer version'}, in format {needed}; this "
                    f"is {_TOOL}, which knows formats up to {FORMAT}",
                    "Use that version, or a newer one. Nothing was changed.",
                )
            ]
        )


def _canonical(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # Half a surrogate pair, which JSON can spell and UTF-8 can't, must not make a state that can't be read.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _spellings(data: bytes, raw: dict[str, Any]) -> Iterator[list[str]]:
    """The resources' texts: as they stand in the file, one a line, which saves a quarter of the time; then, for a file
    that something else laid out anew, spelled again."""
    lines = data.decode("utf-8", "replace").split("\n")
    yield [line.strip().removesuffix(",") for line in lines if line.startswith("    {")]
    found = raw.get("resources")
    yield [_canonical(resource) for resource in found] if isinstance(found, list) else []


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _checksum(head: dict[str, Any], resources: list[str]) -> str:
    """Over the resources' canonical texts, so that reading and writing spell each of them only once."""
    whole = _canonical(head | {"resources": []})
    text = whole.replace('"resources":[]', f'"resources":[{",".join(resources)}]', 1)
    return hashlib.sha256(text.encode()).hexdigest()


def _refused(code: str, summary: str, name: str) -> Refused:
    return Refused(
        [
            error(
                code,
                summary,
                "Nothing was changed. `reconciler state repair` finds the newest version that is sound. What was made "
                "since then shows in the next plan as already existing.",
            )
        ]
    )
