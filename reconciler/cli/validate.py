"""`reconciler validate`"""

from __future__ import annotations

import json
from typing import Any

import click

from reconciler.cli.console import Console, TextConsole
from reconciler.cli.options import format_option, json_option, project_of, project_options, reporting, screen_options
from reconciler.model.diagnostic import Diagnostic, Refused, exit_code
from reconciler.project import validate


@click.command("validate")
@format_option
@json_option
@project_options
@screen_options
@reporting
def command(console: Console, **flags: Any) -> int:
    """Check the configuration, without looking at any live system or state."""
    found: tuple[Diagnostic, ...] = ()
    try:
        configuration = validate(project_of(flags))
        found, size = configuration.warnings, len(configuration.resources)
        if configuration.settings.readiness.waivers:
            from reconciler.gating import waiver_notes

            found = (*found, *waiver_notes(configuration))
    except Refused as refused:
        found, size = (*found, *refused.diagnostics), 0
    code = exit_code(found)
    if not isinstance(console, TextConsole):
        console.out.write(json.dumps(_document(found), indent=2))
        return code
    console.diagnose(found)
    if not code:
        console.note(
            f"{console.out.page.paint('Success!', 'green', 'bold')} The configuration is valid: {size} resources."
        )
    return code


def _document(found: tuple[Diagnostic, ...]) -> dict[str, Any]:
    """Terraform's `validate -json` document."""
    from reconciler.render.json import diagnostic_value

    errors = sum(diagnostic.is_error for diagnostic in found)
    return {
        "format_version": "1.0",
        "valid": errors == 0,
        "error_count": errors,
        "warning_count": len(found) - errors,
        "diagnostics": [diagnostic_value(diagnostic) for diagnostic in found],
    }
