"""What the commands that judge end with: the same for the daemon's answer and for an own pass."""

from collections.abc import Iterable

from lvsmarkd.cli.exits import Exit
from lvsmarkd.model.finding import Kind, Severity
from lvsmarkd.telemetry.form import Form


def unread(findings: Iterable[Form]) -> str:
    """What could not be read though it matters, of findings in the form that JSON has; empty where
    nothing.
    """
    return "; ".join(
        finding["message"]
        for finding in findings
        if finding["kind"] == str(Kind.UNKNOWN) and finding["severity"] != str(Severity.NOTE)
    )


def exit_of(error: str, *, in_sync: bool) -> Exit:
    """1 where something failed or could not be read, 2 where something differs, else 0."""
    if error:
        return Exit.ERROR
    return Exit.OK if in_sync else Exit.DRIFT
