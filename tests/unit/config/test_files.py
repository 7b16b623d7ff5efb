"""Which files a directory's configuration is made of, and how much of them is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.config import files
from reconciler.config.files import read_directory, read_file
from reconciler.model.diagnostic import Refused


def test_every_yaml_file_directly_in_the_directory_is_read_by_name(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "c.txt", ".hidden.yaml", "d.yaml.bak"):
        (tmp_path / name).write_text(name)
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "world.yaml").write_text("hosts: {}")
    (tmp_path / "folder.yaml").mkdir()
    assert [(file.name, file.data) for file in read_directory(tmp_path)] == [("a.yml", b"a.yml"), ("b.yaml", b"b.yaml")]


def test_a_linked_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("version: 1")
    (tmp_path / "main.yaml").symlink_to(tmp_path / "shared")
    assert [file.data for file in read_directory(tmp_path)] == [b"version: 1"]


def test_a_dangling_link_is_told_and_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "main.yaml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(Refused) as refused:
        read_directory(tmp_path)
    assert [d.code for d in refused.value.diagnostics] == ["config.unreadable"]


def test_a_directory_without_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no configuration in") as refused:
        read_directory(tmp_path)
    assert [d.code for d in refused.value.diagnostics] == ["config.none-found"]


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no such file or directory"):
        read_directory(tmp_path / "gone")


def test_a_file_is_called_what_it_is_shown_as(tmp_path: Path) -> None:
    (tmp_path / "prod.vars").write_text("a: 1")
    assert read_file(tmp_path / "prod.vars", "../prod.vars") == ("../prod.vars", b"a: 1")
    with pytest.raises(Refused, match=r"gone\.vars can't be read"):
        read_file(tmp_path / "gone", "gone.vars")


def test_no_more_than_the_bound_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 10)
    (tmp_path / "big").write_bytes(b"x" * 1000)
    assert len(read_file(tmp_path / "big", "big").data) == 11
