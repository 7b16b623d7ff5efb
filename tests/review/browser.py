"""`AXE=node_modules/axe-core/axe.min.js python -m tests.review.browser`: HTML reports in headless Chromium.

Each is opened as it is, where its script must run under its own policy without a complaint on the console; and, if AXE
says where axe-core is, once more without the policy and with axe-core in it, which must find nothing serious.
`apt-get install chromium`, `npm install axe-core`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from html import unescape
from pathlib import Path

from reconciler.plan.comparison import compare
from reconciler.plan.planner import Options
from reconciler.render.html import render_html
from reconciler.render.report import Report
from tests.review.test_formats import GUARDED, REFUSED, many

SIZES = {"none": 0, "3": 1, "40": 17, "1000": 497}
"""Servers beside those of the stage that make about so many resources."""
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--log-level=0"),
)
_RUN = """axe.run(document, {resultTypes: ['violations']}).then(found => document.body.dataset.axe = JSON.stringify(
found.violations.map(one => [one.impact, one.id, one.nodes[0].html.slice(0, 200)])))"""


def pages() -> dict[str, str]:
    """Reports that create, change, refuse and say nothing, small and large."""
    made = {f"create {size}": Report(compare(None, many(n, "b"), "t", Options())) for size, n in SIZES.items()}
    changed = Report(compare(many(17, "a"), many(12, "b"), "t", Options()))
    reports = {**made, "change": changed, "guarded": GUARDED, "refused": REFUSED, "nothing": Report()}
    return {name: render_html(report) for name, report in reports.items()}


def complaints(page: str, axe: str | None) -> list[str]:
    """What the browser and axe-core have to say against the page."""
    dom, log = _opened(page)
    found = re.findall(r"CONSOLE[^\n]*", log)
    if 'id="live"' in page and not re.search(r'id="live"[^>]*>\d+ of \d+ resources<', dom):
        found.append("the script did not run")
    if axe is not None:
        bare = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
        dom, _ = _opened(bare.replace("</body>", f"<script>{axe}</script><script>{_RUN}</script></body>"))
        told = re.search(r'data-axe="([^"]*)"', dom)
        violations = json.loads(unescape(told[1])) if told else [["serious", "axe-core did not run", ""]]
        found += [f"{one}" for one in violations if one[0] in ("serious", "critical")]
    return found


def _opened(page: str) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "report.html"
        file.write_text(page, "utf-8")
        flags = [*_FLAGS, f"--user-data-dir={directory}/profile", "--virtual-time-budget=60000", "--dump-dom"]
        command = [shutil.which("chromium") or "chromium", *flags, file.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    return done.stdout, done.stderr


def main() -> int:
    axe = Path(os.environ["AXE"]).read_text("utf-8") if "AXE" in os.environ else None
    total = 0
    for name, page in pages().items():
        found = complaints(page, axe)
        total += len(found)
        print(f"{name}: {len(page.encode())} bytes, {len(found)} complaints", *found, sep="\n  ")
    print(f"axe-core {'ran' if axe else 'was not asked'}; complaints {total}")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
