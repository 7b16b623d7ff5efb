from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.address import Address
from reconciler.model.diagnostic import Cause, Diagnostic, Span, error, warning
from reconciler.render.diagnostic_text import folded, one_line, render_diagnostic, render_diagnostics
from reconciler.render.page import Page

UNKNOWN = error(
    "config.unknown-key",
    'Unknown key "resource_ulr"',
    "Did you mean resource_url?",
    span=Span("servers.yaml", 12, 5, 12, 17),
    address=Address("mcp_server.github"),
    snippet="    resource_ulr: https://api.example.com/mcp\n",
)


def test_the_source_line_is_underlined_where_the_span_is() -> None:
    assert render_diagnostic(UNKNOWN, Page()) == (
        "╷\n"
        '│ Error: Unknown key "resource_ulr"\n'
        "│\n"
        "│   on servers.yaml:12:5, in mcp_server.github:\n"
        "│   12:     resource_ulr: https://api.example.com/mcp\n"
        "│           ^^^^^^^^^^^^\n"
        "│\n"
        "│ Did you mean resource_url?\n"
        "╵"
    )


def test_plain_ascii_where_the_terminal_has_nothing_else() -> None:
    assert render_diagnostic(UNKNOWN, Page(unicode=False)).isascii()


@given(st.integers(1, 300), st.integers(1, 80), st.integers(1, 120))
def test_a_location_is_never_broken_and_the_caret_line_fits_below(column: int, length: int, width: int) -> None:
    span = Span("a-rather-long-file-name.yaml", 7, column, 7, column + length)
    text = render_diagnostic(error("config.x", "Wrong", span=span, snippet="x" * 200), Page(width))
    lines = text.splitlines()
    assert any(str(span) in line for line in lines)
    source, carets = lines[-3:-1]
    assert set(carets[2:].strip()) == {"^"}
    assert len(carets) <= len(source) + 1


def test_remote_text_can_not_act_on_the_terminal() -> None:
    text = render_diagnostic(error("okta.x", "evil \x1b]0;title\x07", "line\r\nover\u202e", snippet="\x1b"), Page())
    assert "\x1b" not in text and "\u202e" not in text and "\r" not in text


def test_a_tab_in_the_source_does_not_shift_the_caret() -> None:
    source, carets = render_diagnostic(
        error("config.tab", "Tab", span=Span("f", 1, 3, 1, 4), snippet="\ta: b"), Page()
    ).splitlines()[-3:-1]
    assert source.index(":", 8) - 1 >= 0
    assert source[carets.index("^")] == ":"


def test_errors_come_last_and_warnings_may_be_compact() -> None:
    found = [UNKNOWN, warning("config.unused", "Nobody uses it", span=Span("f.yaml", 1, 1, 1, 2))]
    full = render_diagnostics(found, Page())
    assert full.index("Warning: Nobody") < full.index("Error: Unknown")
    assert "- Nobody uses it (f.yaml:1:1)" in render_diagnostics(found, Page(), compact_warnings=True)
    assert render_diagnostics([], Page()) == ""


def test_one_line_names_the_first_and_counts_the_rest() -> None:
    assert one_line([error("a.b", name) for name in ("x", "y", "z")]) == "x, y and 1 more"


def test_one_cause_is_told_once_where_its_first_stood_and_a_long_list_is_cut() -> None:
    def hindered(number: int, told: str) -> Diagnostic:
        cause = Cause(told, f"activate mcp_server.s{number}", "Try again.")
        return replace(error("gate.unknown", f"mcp_server.s{number}: {told}", "More."), cause=cause)

    lone = hindered(99, "another is down")
    given = [error("a.b", "First"), *(hindered(n, "it is down") for n in range(23)), lone, error("a.b", "First")]
    first, box, *rest = folded(given)
    assert (first, rest) == (given[0], [lone, given[-1]])
    assert (box.code, box.summary) == ("gate.unknown", "it is down")
    lines = box.detail.splitlines()
    assert lines[1] == "  activate mcp_server.s0"
    assert lines[20:] == ["  activate mcp_server.s19", "  and 3 more", "Try again."]
    assert render_diagnostics(given, Page()).count("Error: ") == 4
