"""What opens the way to foreign hosts, and what keeps it from being opened."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from reconciler.config.settings import ReadinessSettings
from reconciler.model.diagnostic import Refused
from reconciler.outlook import Outlook
from reconciler.secrets.reader import SecretReader

ORG = "https://acme.okta.com"


def open_with(directory: Path, **settings: Any) -> None:
    async def opened() -> None:
        outlook = Outlook(ORG, ReadinessSettings(**settings), directory, SecretReader(directory))
        door, _ = await outlook.open(None)  # type: ignore[arg-type]
        await door.close()

    asyncio.run(opened())


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none.pem", "No such file or directory"),
        ("text.pem", "it holds none that can be read"),
        (".", "Is a directory"),
    ],
)
def test_certificates_that_cannot_be_used_are_named(name: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("no certificate", "utf-8")
    with pytest.raises(Refused) as caught:
        open_with(tmp_path, ca_file=name)
    (told,) = caught.value.diagnostics
    assert told.code == "config.ca-file"
    assert told.summary == f"The file {name} of readiness.ca_file can't be used: {why}"
    assert told.detail
    open_with(tmp_path)
