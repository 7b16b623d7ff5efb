"""What all tests share: the switch that rewrites goldens, and signals that reach the programs they start."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--accept", action="store_true", help="Rewrite the goldens with what came out; the difference is the review."
    )


@pytest.fixture(scope="session", autouse=True)
def signals_arrive() -> Iterator[None]:
    """What nohup or a shell's background made the tests ignore, the programs they start would ignore as well."""
    wanted = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
