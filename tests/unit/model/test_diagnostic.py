"""Diagnostics: their exit codes, and that a refusal carries all of them."""

from __future__ import annotations

import pytest

from reconciler.model.diagnostic import EXIT_CODES, Refused, Span, error, exit_code, warning


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([], 0),
        (["config.unknown-key"], 10),
        (["auth.refused"], 11),
        (["guard.protected"], 12),
        (["policy.denied"], 12),
        (["lock.held"], 13),
        (["stale.serial"], 14),
        (["apply.partial"], 15),
        (["gate.closed"], 16),
        (["verify.no-token"], 17),
        (["okta.E0000001"], 1),
        (["okta.E0000001", "guard.protected"], 12),
        (["stale.serial", "config.unknown-key"], 14),
    ],
)
def test_the_family_of_the_first_error_that_has_a_code_decides(codes: list[str], expected: int) -> None:
    assert exit_code(error(code, "no") for code in codes) == expected


def test_a_warning_fails_nothing() -> None:
    assert exit_code([warning("config.unused", "unused")]) == 0
    assert exit_code([warning("config.unused", "unused"), error("lock.held", "held")]) == 13


def test_exit_codes_are_stable_and_clear_of_the_shells() -> None:
    assert set(EXIT_CODES.values()) == set(range(10, 18))


def test_a_refusal_carries_every_reason() -> None:
    refused = Refused(error("config.x", text) for text in ("one is wrong", "two is wrong"))
    assert [diagnostic.summary for diagnostic in refused.diagnostics] == ["one is wrong", "two is wrong"]
    assert str(refused) == "one is wrong; two is wrong"


def test_a_span_reads_as_editors_write_it_and_sorts_by_place() -> None:
    early, late = Span("a.yaml", 2, 9, 2, 12), Span("a.yaml", 10, 1, 10, 2)
    assert str(early) == "a.yaml:2:9"
    assert sorted([late, early]) == [early, late]
