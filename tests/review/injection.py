"""`python -m tests.review.injection`: hostile text in every field of every renderer: is it ever more than text?

A renderer is safe if what it writes has the same structure with hostile text as with a plain word, as a parser of that
format sees it: the same elements, headings, links, commands, keys.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import html5lib
from markdown_it import MarkdownIt

from reconciler.render.formats import FORMATS, render_report
from reconciler.render.html_assets import SCRIPT, STYLE
from tests.review.corpus import BENIGN, FIELDS, PAYLOADS

_UNSEEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
_COMMAND = re.compile(r"::(error|warning|notice) ((?:[a-zA-Z]+=[^,:]*,?)*)::.*")


def unseen(text: str) -> list[str]:
    """Characters that show nothing themselves and change how others are shown."""
    return [c for c in text if unicodedata.category(c) in _UNSEEN and c != "\n"]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Any] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, sorted(name for name, _ in attrs)))

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment", []))


def of_text(text: str) -> Any:
    assert not unseen(text), unseen(text)
    assert "##[" not in text
    assert not [line for line in text.split("\n") if line.strip().startswith("::")]
    return None


def of_json(text: str) -> Any:
    assert text.isascii()
    assert not unseen(text)
    json.loads(text)
    return None


def of_markdown(text: str) -> Any:
    assert not unseen(text), unseen(text)
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return list(_tokens(tokens))


def _tokens(tokens: Any) -> Iterator[Any]:
    for token in tokens:
        if token.type in ("html_block", "html_inline"):
            tags = _Tags()
            tags.feed(token.content)
            yield token.type, tags.found
        elif token.type not in ("text", "inline"):
            yield token.type, token.tag, re.sub(r"`+", "`", token.markup)
        elif token.type == "text":
            # What stands outside of code is ours alone, and never refers to anything.
            assert not re.search(r"https?:|www\.|@\w", token.content), token.content
        yield from _tokens(token.children or ())


def of_html(text: str) -> Any:
    assert not unseen(text.partition("</style>")[2].partition("<script>")[0])
    # Our own constants needn't be parsed every time; anything else between their tags is still seen.
    text = text.replace(f"<style>{STYLE}<", "<style><", 1).replace(f"<script>{SCRIPT}<", "<script><", 1)
    tree = html5lib.parse(text, treebuilder="etree", namespaceHTMLElements=False)
    found: list[Any] = []
    for node in tree.iter():
        tag = node.tag if isinstance(node.tag, str) else "comment"
        attributes = dict(node.attrib)
        assert not [name for name in attributes if name.startswith("on")]
        links = {name: v for name, v in attributes.items() if name in ("href", "src", "action", "style")}
        assert all(re.fullmatch(r"#[a-z0-9-]+", value) for value in links.values()), links
        one = (tag, sorted(attributes), node.text if tag in ("style", "script") else None)
        # Long text is spread over more lines of a difference; in that only may pages differ.
        if one != (found[-1] if found else None) or tag not in ("ins", "del", "span"):
            found.append(one)
    return found


def of_sarif(text: str) -> Any:
    assert text.isascii()
    document = json.loads(text)
    for result in document["runs"][0]["results"]:
        message = result["message"]["text"]
        assert not unseen(message)
        assert not re.search(r"(?<!\\)(?:\\\\)*\[", message), message
        assert not re.search(r"(?<!\{)(\{\{)*\{(?!\{)", message), message
        for location in result["locations"]:
            uri = location["physicalLocation"]["artifactLocation"]["uri"]
            assert re.fullmatch(r"[\w.~%/-]+", uri) and not uri.startswith("/"), uri
    return _shape(document)


def of_junit(text: str) -> Any:
    assert not unseen(text)
    return [(node.tag, sorted(node.attrib)) for node in ElementTree.fromstring(text).iter()]


def of_gitlab(text: str) -> Any:
    assert text.isascii()
    document = json.loads(text)
    assert not [one for value in _strings(document) for one in unseen(value)]
    return _shape(document)


def of_github(text: str) -> Any:
    assert not unseen(text)
    lines = text.split("\n") if text else []
    matches = [_COMMAND.fullmatch(line) for line in lines]
    assert all(matches), lines
    # The runner splits at commas, and each part at its first equals sign.
    return [[match[1], [one.partition("=")[0] for one in match[2].split(",")]] for match in matches if match]


def _shape(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _shape(inner) for key, inner in value.items()}
    return [_shape(inner) for inner in value] if isinstance(value, list) else type(value).__name__


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
    elif isinstance(value, str):
        yield value


READERS: Mapping[str, Callable[[str], Any]] = {
    "text": of_text,
    "json": of_json,
    "markdown": of_markdown,
    "html": of_html,
    "sarif": of_sarif,
    "junit": of_junit,
    "gitlab-codequality": of_gitlab,
    "gitlab-terraform": of_gitlab,
    "github": of_github,
}


def escapes(form: str, field: str, payloads: Mapping[str, str] = PAYLOADS) -> list[str]:
    """The payloads that in this field and format become more than text."""
    read, make = READERS[form], FIELDS[field]
    # Two lines of a detail are two lines in any format; so they are for the plain word.
    plain = {n: read(render_report(make("\n".join([BENIGN] * n)), form)) for n in (1, 2)}
    found = []
    for name, payload in payloads.items():
        try:
            same = read(render_report(make(payload), form)) in plain.values()
        except (AssertionError, ValueError, ElementTree.ParseError) as problem:
            found.append(f"{form}: {field}: {name}: {type(problem).__name__} {str(problem)[:200]}")
        else:
            found += [] if same else [f"{form}: {field}: {name}: another structure"]
    return found


def main() -> int:
    assert READERS.keys() == FORMATS.keys()
    found = [one for form in READERS for field in FIELDS for one in escapes(form, field)]
    for one in found:
        print(ascii(one))
    print(f"fields {len(FIELDS)} x renderers {len(READERS)} x payloads {len(PAYLOADS)}: escapes {len(found)}")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
