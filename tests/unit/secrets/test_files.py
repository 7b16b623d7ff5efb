"""Files that secrets are kept in: for this user only, whole or not at all; and single fields read from them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.diagnostic import Refused
from reconciler.model.secret import Secret
from reconciler.secrets.files import SecretFiles
from reconciler.secrets.reader import SecretReader

PLACE = {"file": "kept/hub.json"}


def test_a_secret_is_kept_for_this_user_only_and_replaced(tmp_path: Path) -> None:
    files = SecretFiles(tmp_path)
    assert files.recall(PLACE) is None
    for value in ("one", "two"):
        files.keep(PLACE, Secret(value))
        assert files.recall(PLACE) == Secret(value)
        assert (tmp_path / "kept/hub.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["hub.json"]
    files.keep(PLACE, None)
    files.keep(PLACE, None)
    assert files.recall(PLACE) is None


def test_a_secret_is_on_the_disk_with_its_name_before_anything_relies_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    for name in ("fsync", "rename", "replace"):
        original = getattr(os, name)

        def call(*arguments: Any, real: Any = original, name: str = name) -> Any:
            order.append("fsync" if name == "fsync" else "rename")
            return real(*arguments)

        monkeypatch.setattr(os, name, call)
    SecretFiles(tmp_path).keep(PLACE, Secret("one"))
    assert order == ["fsync", "fsync", "rename", "fsync"], "the new directory; the file and its name"


def test_a_secret_is_kept_whole_where_the_system_takes_a_little_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:2]))
    SecretFiles(tmp_path).keep(PLACE, Secret("a long one"))
    assert SecretFiles(tmp_path).recall(PLACE) == Secret("a long one")


def test_what_can_not_be_kept_is_refused_by_its_reference(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file", "utf-8")
    with pytest.raises(Refused) as refused:
        SecretFiles(tmp_path).keep(PLACE, Secret("s3cr3t"))
    assert "file:kept/hub.json" in refused.value.diagnostics[0].summary
    assert "s3cr3t" not in str(refused.value)
    with pytest.raises(Refused, match="can't be kept"):
        SecretFiles(tmp_path).keep({"env": "NAME"}, Secret("s3cr3t"))


def test_a_field_of_a_json_file_is_a_secret_too(tmp_path: Path) -> None:
    read = SecretReader(tmp_path)
    (tmp_path / "hub.json").write_text('{"client_secret": "s-1", "number": 1}', "utf-8")
    assert read({"file": "hub.json#client_secret"}) == Secret("s-1")
    for field in ("number", "missing"):
        with pytest.raises(Refused, match="no text under"):
            read({"file": f"hub.json#{field}"})
    (tmp_path / "marked.json").write_text('{"client_secret": "s-1"}', "utf-8-sig")
    assert read({"file": "marked.json#client_secret"}) == Secret("s-1")
    (tmp_path / "odd#name").write_text("as it is", "utf-8")
    assert read({"file": "odd#name"}) == Secret("as it is")
