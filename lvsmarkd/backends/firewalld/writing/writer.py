"""Carrying out a change: at runtime and for good."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from time import monotonic
from typing import TypeVar

from msgspec import Struct, field

from lvsmarkd.backends.firewalld.client.calls import (
    CONFIG_PATH,
    FirewalldClient,
    FirewalldError,
    Interface,
    Request,
)
from lvsmarkd.backends.firewalld.names import POLICY
from lvsmarkd.backends.firewalld.planes.frame import FRAME, NEW, NOTHING_ELSE
from lvsmarkd.backends.firewalld.planes.listing import Listing, rich_rules
from lvsmarkd.backends.firewalld.planes.own_rules import (
    OUR_POLICY,
    Change,
    Container,
    ContainerKind,
)
from lvsmarkd.backends.firewalld.rich.own_rule import rich_text
from lvsmarkd.model.rule import Rule

WRITE_TIMEOUT = 60.0
"""Seconds for one call that writes. A busy host took 0.1 s for a rule (measured), and
a call changes CHUNK of them."""
CHUNK = 20
"""Rules added or removed in one call: others wait for firewalld meanwhile."""
BULK = 200
"""Rules to be added to one zone for good from which on they are added in one write: one by one
1,000 take 75 s, together 0.2 s (measured)."""
_DONE = frozenset({"ALREADY_ENABLED", "NOT_ENABLED"})
"""Somebody was faster: what we ask for holds."""
T = TypeVar("T")
Rejected = list[tuple[Rule, str]]


class RuntimeWriter(Struct):
    """Writes what packets meet now. Nothing of it outlives a reload.

    ``worth`` is asked after each part of a long change, with the seconds that the rest would
    take at the pace so far: where it says no, the additions end there, and the caller reloads.
    """

    firewalld: FirewalldClient
    listing: Listing
    worth: Callable[[float], bool] = lambda _seconds: True
    clock: Callable[[], float] = monotonic
    given_up: bool = False
    _spent: float = 0.0
    _made: int = 0

    def add(self, change: Change) -> Rejected:
        """Add what is lacking; gives the rules that firewalld refuses, each with the reason.

        Raises BusError, FirewalldError.
        """
        rejected: Rejected = []
        left = change.additions
        for container, rules in change.add.items():
            for some in _chunks(rules):
                start = self.clock()
                rejected += self._add(container, some)
                self._spent += self.clock() - start
                self._made += len(some)
                left -= len(some)
                if left and not self.worth(left * self._spent / self._made):
                    self.given_up = True
                    return rejected
        return rejected

    def remove(self, change: Change) -> None:
        """Remove what is too much. Raises BusError, FirewalldError."""
        for container, texts in change.remove.items():
            if container.kind is ContainerKind.POLICY:
                # What was added just now is in the way of none of it.
                there = list(self._policy_rules())
                for some in _chunks(texts):
                    there = [text for text in there if text not in some]
                    self._set_policy(there)
            else:
                requests = [
                    Request(Interface.ZONE, "removeRichRule", (container.name, text))
                    for text in texts
                ]
                self._all_done(requests)

    def _add(self, container: Container, rules: Sequence[Rule]) -> Rejected:
        if container.kind is ContainerKind.ZONE:
            requests = [
                Request(Interface.ZONE, "addRichRule", (container.name, rich_text(rule), 0))
                for rule in rules
            ]
            answers = self.firewalld.calls(requests, timeout=WRITE_TIMEOUT)
            return list(_refused(rules, answers))
        return self._add_to_policy(rules)

    def _add_to_policy(self, rules: Sequence[Rule]) -> Rejected:
        """Add to the policy; of those that are refused together, each by itself."""
        there = self._policy_rules()
        new = [text for text in map(rich_text, rules) if text not in there]
        if not new:
            return []
        try:
            self._set_policy([*there, *new])
        except FirewalldError as error:
            if error.code == "PANIC_MODE":
                raise
            if len(rules) == 1:
                return [(rules[0], str(error))]
            middle = len(rules) // 2
            return self._add_to_policy(rules[:middle]) + self._add_to_policy(rules[middle:])
        return []

    def _policy_rules(self) -> tuple[str, ...]:
        settings = self.firewalld.call(Interface.POLICY, "getPolicySettings", POLICY)
        return rich_rules(settings) if isinstance(settings, Mapping) else ()

    def _set_policy(self, texts: Sequence[str]) -> None:
        settings = {**NOTHING_ELSE, "rich_rules": list(texts)}
        self.firewalld.call(
            Interface.POLICY, "setPolicySettings", POLICY, settings, timeout=WRITE_TIMEOUT
        )

    def _all_done(self, requests: Sequence[Request]) -> None:
        for answer in self.firewalld.calls(requests, timeout=WRITE_TIMEOUT):
            if isinstance(answer, FirewalldError) and answer.code not in _DONE:
                raise answer


class PermanentWriter(Struct):
    """Writes what the next reload or boot brings.

    Our policy, which is ours alone, in one update. A zone rule by rule: firewalld takes whole
    lists without looking whether they were read before somebody else's change, which would be
    lost (measured). Only for a first load of BULK rules or more that is risked, with the list
    read a moment before. ``room`` says whether there is any on the disk for a new policy.
    """

    firewalld: FirewalldClient
    listing: Listing
    room: Callable[[], bool] = lambda: True
    wrote: bool = False
    _added: dict[Container, list[str]] = field(default_factory=dict)
    _removed: dict[Container, list[str]] = field(default_factory=dict)

    def write(self, change: Change, leave_out: frozenset[Rule]) -> Rejected:
        """Carry it out without the rules to ``leave_out``; gives those that are refused besides.

        Raises BusError, FirewalldError.
        """
        rejected: Rejected = []
        containers = dict.fromkeys((*change.add, *change.remove))
        if change.frame:
            containers[OUR_POLICY] = None
        for container in containers:
            gone = change.remove.get(container, ())
            new = [rule for rule in change.add.get(container, ()) if rule not in leave_out]
            if container.kind is ContainerKind.ZONE:
                rejected += self._edit(container, new, gone)
            elif change.dissolve:
                self._dissolve()
            else:
                kept = [text for text in self._policy_before() if text not in gone]
                rejected += self._update(kept, new)
        return rejected

    def undo(self) -> None:
        """Take back what was written. Raises BusError, FirewalldError."""
        for container in {*self._added, *self._removed} - {OUR_POLICY}:
            self._each(container, "addRichRule", self._removed.get(container, ()))
            self._each(container, "removeRichRule", self._added.get(container, ()))
        if OUR_POLICY in self._added:
            self._put(list(self._policy_before()))

    def _edit(self, zone: Container, new: Sequence[Rule], gone: Sequence[str]) -> Rejected:
        if len(new) < BULK or not self._add_in_bulk(zone, list(map(rich_text, new))):
            answers = self._each(zone, "addRichRule", list(map(rich_text, new)))
            rejected = list(_refused(new, answers))
        else:
            rejected = []
        bad = {rich_text(rule) for rule, _ in rejected}
        self._added[zone] = [text for text in map(rich_text, new) if text not in bad]
        for answer in self._each(zone, "removeRichRule", gone):
            if isinstance(answer, FirewalldError) and answer.code not in _DONE:
                raise answer
        self._removed[zone] = list(gone)
        return rejected

    def _add_in_bulk(self, zone: Container, texts: list[str]) -> bool:
        """Add all in one write; gives whether firewalld took them."""
        path = self._path("getZoneByName", zone.name)
        found = self.firewalld.call(Interface.CONFIG_ZONE, "getSettings2", path=path)
        there = rich_rules(found) if isinstance(found, Mapping) else ()
        settings = {"rules_str": [*there, *(text for text in texts if text not in there)]}
        try:
            self.firewalld.call(
                Interface.CONFIG_ZONE, "update2", settings, path=path, timeout=WRITE_TIMEOUT
            )
        except FirewalldError:
            return False
        self.wrote = True
        return True

    def _each(
        self, zone: Container, method: str, texts: Sequence[str]
    ) -> list[object | FirewalldError]:
        if not texts:
            return []
        path = self._path("getZoneByName", zone.name)
        self.wrote = True
        requests = [Request(Interface.CONFIG_ZONE, method, (text,), path) for text in texts]
        return self.firewalld.calls(requests, timeout=WRITE_TIMEOUT)

    def _policy_before(self) -> tuple[str, ...]:
        return rich_rules(self.listing.policies.get(POLICY, {}))

    def _update(self, kept: list[str], new: Sequence[Rule]) -> Rejected:
        """All in one write; where that is refused, without the rules at fault."""
        texts = [text for text in map(rich_text, new) if text not in kept]
        try:
            self._put([*kept, *texts])
        except FirewalldError as error:
            if not new:
                raise
            if len(new) == 1:
                self._put(kept)  # what refuses even this has no quarrel with the rule
                return [(new[0], str(error))]
        else:
            return []
        middle = len(new) // 2
        rejected = self._update(kept, new[:middle])
        bad = {rule for rule, _ in rejected}
        good = [rich_text(rule) for rule in new[:middle] if rule not in bad]
        return rejected + self._update([*kept, *good], new[middle:])

    def _put(self, texts: list[str]) -> None:
        """Have our policy there, as it should be, with just these rules."""
        self._added.setdefault(OUR_POLICY, [])
        try:
            path = self._path("getPolicyByName", POLICY)
        except FirewalldError as error:
            if error.code != "INVALID_POLICY":
                raise
            self._new({**NEW, "rich_rules": texts})
        else:
            settings = {**FRAME, **NOTHING_ELSE, "rich_rules": texts}
            self.firewalld.call(Interface.CONFIG_POLICY, "update", settings, path=path)
        self.wrote = True

    def _new(self, settings: Mapping[str, object]) -> None:
        """Make the policy.

        On a full disk firewalld leaves an empty file, knows the name from then on and has no
        such object, and its next reload and start fail over the file (1.3.3, measured).
        """
        if not self.room():
            raise FirewalldError("NO_ROOM", "the disk with firewalld's configuration is full")
        try:
            self.firewalld.call(Interface.CONFIG, "addPolicy", POLICY, settings, path=CONFIG_PATH)
        except FirewalldError as error:
            if error.code != "NAME_CONFLICT":
                raise
            raise FirewalldError(
                error.code,
                f"it could not write its policy {POLICY} before: remove the empty"
                f" policies/{POLICY}.xml from its configuration, make room or make it writable, and"
                " restart firewalld; with that file its next reload and start fail",
            ) from error

    def _dissolve(self) -> None:
        try:
            path = self._path("getPolicyByName", POLICY)
            self.firewalld.call(Interface.CONFIG_POLICY, "remove", path=path)
        except FirewalldError as error:
            if error.code != "INVALID_POLICY":
                raise

    def _path(self, method: str, name: str) -> str:
        """The object of a name: asked for each time, since reloads number them anew."""
        return str(self.firewalld.call(Interface.CONFIG, method, name, path=CONFIG_PATH))


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _refused(
    rules: Iterable[Rule], answers: Iterable[object | FirewalldError]
) -> Iterator[tuple[Rule, str]]:
    for rule, answer in zip(rules, answers, strict=True):
        if isinstance(answer, FirewalldError) and answer.code not in _DONE:
            if answer.code == "PANIC_MODE":
                raise answer
            yield rule, str(answer)
