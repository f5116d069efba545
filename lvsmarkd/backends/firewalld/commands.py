"""A change in firewall-cmd's words: what an operator would type for it."""

import shlex
from collections.abc import Iterator

from lvsmarkd.backends.firewalld.frame import FRAME, POLICY_PRIORITY
from lvsmarkd.backends.firewalld.own import POLICY, rich_text
from lvsmarkd.backends.firewalld.own_rules import OUR_POLICY, Change
from lvsmarkd.model.rule import Plane


def commands(plane: Plane, change: Change) -> Iterator[str]:
    """The commands, in the order in which the change is made. They are shown, never run."""
    start = "firewall-cmd --permanent" if plane is Plane.PERMANENT else "firewall-cmd"
    dissolve = change.dissolve and plane is Plane.PERMANENT
    if change.frame and plane is Plane.PERMANENT:
        yield f"{start} --new-policy={POLICY}"
        yield f"{start} --policy={POLICY} --set-target={FRAME['target']}"
        yield f"{start} --policy={POLICY} --set-priority={POLICY_PRIORITY}"
        yield f"{start} --policy={POLICY} --add-ingress-zone=ANY"
        yield f"{start} --policy={POLICY} --add-egress-zone=HOST"
    for container, rules in change.add.items():
        for rule in rules:
            option = f"--{container.kind}={shlex.quote(container.name)}"
            yield f"{start} {option} --add-rich-rule={shlex.quote(rich_text(rule))}"
    for container, texts in change.remove.items():
        for text in () if dissolve and container == OUR_POLICY else texts:
            option = f"--{container.kind}={shlex.quote(container.name)}"
            yield f"{start} {option} --remove-rich-rule={shlex.quote(text)}"
    if dissolve:
        yield f"{start} --delete-policy={POLICY}"
