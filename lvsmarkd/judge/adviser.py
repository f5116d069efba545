"""How to declare a service that nobody declared: just what rules mark for it, else a guess."""

from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from lvsmarkd.judge.desired import Desired, Options
from lvsmarkd.judge.exact import Inexact, SenderRules, exact_flows
from lvsmarkd.judge.outlook import Outlook, ServiceOutlook
from lvsmarkd.judge.pasted import annotations
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.service import Family, ServiceKey
from lvsmarkd.model.snapshot import Snapshot


class Watched(Struct, frozen=True):
    """The flows that rules mark for a service. ``reason`` is why there are packets and no flows
    that say which.
    """

    flows: tuple[Packets, ...] = ()
    reason: str = ""


class Advice(Struct, frozen=True):
    """What to paste, to declare a service; empty where nothing is to be declared, or where that
    cannot be said: ``reason`` says why then, as a clause. ``doubts`` are what is to be checked.
    """

    text: str = ""
    reason: str = ""
    doubts: tuple[str, ...] = ()


class Adviser(Struct):
    """Says what to declare, by what rules mark, as packets show it, else by a guess. ``now`` is
    what becomes of packets.
    """

    desired: Desired
    snapshot: Snapshot
    now: Outlook
    _senders: dict[Family, SenderRules] = field(default_factory=dict)

    def advice(self, key: ServiceKey) -> Advice:
        """What to declare for a service: just what rules mark for it, else the guess."""
        guess = self.desired.suggestions.get(key)
        if guess is None:
            return Advice()
        exact = self._exact(key)
        if isinstance(exact, Inexact):
            return Advice(reason=exact.reason)
        policy = self.desired.policy
        flows = tuple(_keepable(exact, policy))
        if len(flows) < len(exact):
            unheld = next(flow for flow in exact if policy.refusal(flow))
            return Advice(reason=f"rules mark packets of {unheld}: {policy.refusal(unheld)}")
        if text := "\n".join(annotations(key.mark, dict.fromkeys(flows))):
            return Advice(text)
        return Advice(guess.text(), guess.reason, guess.doubts)

    def watched(self, key: ServiceKey) -> Watched:
        """What rules mark for a service."""
        exact = self._exact(key)
        return Watched(reason=exact.reason) if isinstance(exact, Inexact) else Watched(exact)

    def _exact(self, key: ServiceKey) -> tuple[Packets, ...] | Inexact:
        looked = self._looked(key)
        if looked is None:
            return ()
        found = exact_flows(key, looked.parts or looked.mistaken, self.now, self._of(key.family))
        if isinstance(found, Inexact) and not looked.parts:
            return ()  # what bears another mark is one guess more
        return found

    def _looked(self, key: ServiceKey) -> ServiceOutlook | None:
        """What becomes of its packets, where that is known."""
        if self.snapshot.unread(key.family) or self.now.unread.get(key.family):
            return None
        return self.now.services.get(key)

    def _of(self, family: Family) -> SenderRules:
        if family not in self._senders:
            self._senders[family] = SenderRules.of(self.snapshot.ruleset, family)
        return self._senders[family]


def _keepable(flows: Iterable[Packets], policy: Options) -> Iterator[Packets]:
    """Flows that the firewall can hold: in a zone of firewalld's that is entered by an interface,
    a rule of ours need not name it.
    """
    for flow in flows:
        bare = flow.without(InInterface) if policy.refusal(flow) else flow
        if not policy.refusal(bare):
            yield bare
