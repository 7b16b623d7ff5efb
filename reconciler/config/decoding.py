"""The bytes of a file to text that shows all it means: no foreign encoding, no invisible line break or control."""

from __future__ import annotations

import codecs
import re

from reconciler.config.files import MAX_BYTES, SourceFile
from reconciler.config.findings import Findings
from reconciler.config.located import Source

_MOST_CHARACTERS_SHOWN = 60
# NEL, LS and PS are line breaks to the C parser and mere characters to YAML 1.2 and to editors: a comment could end
# where nobody sees it.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode(file: SourceFile, findings: Findings) -> Source | None:
    """The text of `file`, UTF-8 unless a byte order mark says otherwise; None, with the reasons in `findings`."""
    source = Source(file.name, "")
    findings.sources[file.name] = source
    if len(file.data) > MAX_BYTES:
        summary = f"{file.name} is larger than {MAX_BYTES // 2**20} MiB"
        findings.error("config.too-large", summary, "Split it into several files.", source.span(0, 0))
        return None
    mark, encoding = next((m for m in _BYTE_ORDER_MARKS if file.data.startswith(m[0])), (b"", "utf-8"))
    data = file.data[len(mark) :]
    try:
        source = Source(file.name, data.decode(encoding))
    except UnicodeDecodeError as problem:
        source = Source(file.name, data.decode(encoding, "replace"))
        at = len(data[: problem.start].decode(encoding, "replace"))
        summary = f"This is not {encoding.upper()} text"
        findings.error("config.encoding", summary, "Save the file as UTF-8.", source.span(at, at + 1))
        findings.sources[file.name] = source
        return None
    findings.sources[file.name] = source
    return None if _report_invisible(source, findings) else source


def _report_invisible(source: Source, findings: Findings) -> bool:
    count = 0
    for count, match in enumerate(_FORBIDDEN.finditer(source.text), 1):
        if count > _MOST_CHARACTERS_SHOWN:
            break
        code = ord(match[0])
        escape = f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
        detail = f'Remove it, or write it as an escape in double quotes: "{escape}".'
        if code == 0:
            detail = "Save the file as UTF-8; it looks like another encoding, or not like text at all."
        summary = f"The invisible character U+{code:04X} can't stand in a configuration"
        findings.error("config.invisible-character", summary, detail, source.span(match.start(), match.end()))
        if code == 0:
            break
    return count > 0
