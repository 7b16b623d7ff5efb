"""Every store against the laws of stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.stores.file import FileStore
from tests.conformance.store_laws import Open, StoreLaws


class TestFileStore(StoreLaws):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Open:
        return lambda: FileStore(tmp_path / "state", "default")
