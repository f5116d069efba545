"""Findings about the files: what keepalived or lvsmarkd cannot follow in them, and declarations
that are for nothing.
"""

from collections.abc import Iterator

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.refusals import STAYS
from lvsmarkd.model.finding import Finding, Kind, Severity


def configuration_findings(desired: Desired) -> Iterator[Finding]:
    """Problems of the files, and declarations that no service uses."""
    meant = {key.mark for key in desired.unused}
    meant |= {key.mark for key, flows in desired.flows.items() if flows and desired.leaving(key)}
    served = {key.mark for key in desired.configured}
    for problem in desired.problems:
        key = None
        if len(problem.marks) == 1:
            mark = problem.marks[0]
            key = next((k for k in desired.services if k.mark == mark), None)
        # What is declared was meant to be served: that keepalived drops it is an outage.
        lost = any(mark in meant and mark not in served for mark in problem.marks)
        yield Finding(
            Kind.REFUSED if problem.fatal else Kind.PROBLEM,
            problem.message,
            STAYS if problem.fatal and problem.marks else "",
            graded=Severity.CRITICAL if lost else Severity.NOTE if problem.note else None,
            service=key,
            family=key.family if key else None,
            origins=(problem.origin,),
            subject=problem,
        )
    # A file that is not whole does not tell which marks it does not use.
    for key, declared in desired.unused.items() if desired.removable else ():
        others = [k for k in desired.services if k.mark == key.mark]
        reason = (
            f"keepalived uses the mark for {' and '.join(k.family for k in others)} only"
            if others
            else "keepalived uses no such mark"
        )
        yield Finding(
            Kind.UNUSED,
            f"{declared.flow} is declared for {key}, but {reason}, so no rule is made",
            family=key.family,
            origins=(declared.origin,),
            subject=key,
        )
