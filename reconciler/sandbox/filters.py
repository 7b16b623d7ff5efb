"""The subset of SCIM filters (RFC 7644 section 3.4.2.2) that list endpoints understand, each for its own fields."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.sandbox.errors import Cause, OktaError, invalid

Predicate = Callable[[Any], bool]
Allowed = Mapping[str, frozenset[str]]
"""Attribute path -> the operators it may be used with."""

_TOKEN = re.compile(r'\s*(?:(\()|(\))|("(?:[^"\\]|\\.)*")|([^\s()"]+))')
_COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "eq": lambda value, wanted: value == wanted,
    "sw": lambda value, wanted: value.lower().startswith(wanted.lower()),
    "co": lambda value, wanted: wanted.lower() in value.lower(),
}
_MAX_LENGTH = 2000
_MAX_DEPTH = 20


def parse_filter(text: str, allowed: Allowed) -> Predicate:
    """The predicate that `text` spells; E0000001 with the reason INVALID_FILTER if it spells none."""
    if len(text) > _MAX_LENGTH:
        raise _unreadable("it is too long")
    return _Parser(_tokens(text), allowed).parse()


class _Parser:
    """expression := term ("or" term)*; term := factor ("and" factor)*; factor := "(" expression ")" | comparison."""

    def __init__(self, tokens: list[str], allowed: Allowed) -> None:
        self._tokens = tokens
        self._allowed = allowed
        self._at = 0

    def parse(self) -> Predicate:
        predicate = self._expression(0)
        if self._at != len(self._tokens):
            raise _unreadable(f"unexpected {self._tokens[self._at]}")
        return predicate

    def _expression(self, depth: int) -> Predicate:
        terms = [self._term(depth)]
        while self._accept("or"):
            terms.append(self._term(depth))
        return lambda document: any(term(document) for term in terms)

    def _term(self, depth: int) -> Predicate:
        factors = [self._factor(depth)]
        while self._accept("and"):
            factors.append(self._factor(depth))
        return lambda document: all(factor(document) for factor in factors)

    def _factor(self, depth: int) -> Predicate:
        if depth > _MAX_DEPTH:
            raise _unreadable("it is nested too deeply")
        if self._accept("("):
            inner = self._expression(depth + 1)
            if not self._accept(")"):
                raise _unreadable("a parenthesis is not closed")
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        path, operator, value = self._next(), self._next().lower(), self._next()
        if operator not in self._allowed.get(path, frozenset()):
            raise _unreadable(f"{path} {operator} is not supported")
        if not value.startswith('"'):
            raise _unreadable(f"the value of {path} must be in double quotes")
        wanted = json.loads(value)
        compare = _COMPARE[operator]
        steps = path.split(".")
        return lambda document: any(compare(found, wanted) for found in _reach(document, steps))

    def _accept(self, word: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at].lower() == word:
            self._at += 1
            return True
        return False

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise _unreadable("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unreadable(f"unexpected {text[at:][:20]}")
        token = match.group().strip()
        try:
            if token.startswith('"'):
                json.loads(token)
        except ValueError:
            raise _unreadable("a quoted value has a broken escape") from None
        found.append(token)
        at = match.end()
    return found


def _reach(value: Any, steps: list[str]) -> list[str]:
    """The strings at that path; a list on the way stands for each of its elements."""
    if isinstance(value, list):
        return [found for element in value for found in _reach(element, steps)]
    if not steps:
        return [value] if isinstance(value, str) else []
    return _reach(value.get(steps[0]), steps[1:]) if isinstance(value, dict) else []


def _unreadable(why: str) -> OktaError:
    return invalid("filter", Cause(f"Invalid filter: {why}", "INVALID_FILTER"))
