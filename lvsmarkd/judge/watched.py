"""What rules of others mark for a service that nobody declared, and how to declare just that."""

from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from lvsmarkd.judge.desired import Desired, Options
from lvsmarkd.judge.exact import Inexact, SenderRules, exact_flows
from lvsmarkd.judge.foreign import givers, marked_by_others
from lvsmarkd.judge.outlook import Outlook, ServiceOutlook
from lvsmarkd.judge.pasted import annotations
from lvsmarkd.model.finding import Finding, Kind
from lvsmarkd.model.packets import EVERY_PACKET, Packets
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule, SetMark, flows_of
from lvsmarkd.model.service import MAX_MARK, Family, FlowSource, ServiceKey
from lvsmarkd.model.snapshot import Chain, ForeignRule, Snapshot


class Watched(Struct, frozen=True):
    """The flows of the rules that mark a service, and those rules that no flow can describe: a
    condition narrows them that is not understood, or about the sender. ``reason`` is why there are
    packets and no flows that say which.
    """

    flows: tuple[Packets, ...] = ()
    obscure: tuple[ForeignRule, ...] = ()
    reason: str = ""


def watched(key: ServiceKey, snapshot: Snapshot) -> Watched:
    """What foreign rules mark for a service."""
    flows: dict[Packets, None] = {}
    obscure = []
    for rule in givers(key, snapshot):
        own = _flows(key, rule)
        if own is None:
            obscure.append(rule)
        else:
            flows |= dict.fromkeys(own)
    return Watched(tuple(flows), tuple(obscure))


class Advice(Struct, frozen=True):
    """What to paste, to declare a service; empty where nothing is to be declared, or where that
    cannot be said: ``reason`` says why then, as a clause. ``doubts`` are what is to be checked.
    """

    text: str = ""
    reason: str = ""
    doubts: tuple[str, ...] = ()


class Adviser(Struct):
    """Says what to declare, by what rules of others mark, as packets show it, else by a guess.
    ``now`` is what becomes of packets; None where not all rules were read.
    """

    desired: Desired
    snapshot: Snapshot
    now: Outlook | None = None
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
        if exact and self.now is not None and len(flows) < len(exact):
            unheld = next(flow for flow in exact if policy.refusal(flow))
            return Advice(reason=f"rules mark packets of {unheld}: {policy.refusal(unheld)}")
        if text := "\n".join(annotations(key.mark, dict.fromkeys(flows))):
            return Advice(text)
        return Advice(guess.text(), guess.reason, guess.doubts)

    def watched(self, key: ServiceKey) -> Watched:
        """What others' rules mark for a service."""
        if self._looked(key) is None:
            return watched(key, self.snapshot)
        exact = self._exact(key)
        return Watched(reason=exact.reason) if isinstance(exact, Inexact) else Watched(exact)

    def _exact(self, key: ServiceKey) -> tuple[Packets, ...] | Inexact:
        looked = self._looked(key)
        if looked is None or self.now is None:
            return watched(key, self.snapshot).flows
        found = exact_flows(key, looked.parts or looked.mistaken, self.now, self._of(key.family))
        if isinstance(found, Inexact) and not looked.parts:
            return ()  # what bears another mark is one guess more
        return found

    def _looked(self, key: ServiceKey) -> ServiceOutlook | None:
        """What becomes of its packets, where that is known."""
        if self.now is None or self.now.unread.get(key.family):
            return None
        return self.now.services.get(key)

    def _of(self, family: Family) -> SenderRules:
        if family not in self._senders:
            self._senders[family] = SenderRules.of(self.snapshot.ruleset, family)
        return self._senders[family]


def _flows(key: ServiceKey, rule: ForeignRule) -> tuple[Packets, ...] | None:
    """The flows that a rule marks; None where that cannot be said by flows."""
    masked = isinstance(rule.effect, SetMark) and rule.effect.mask != MAX_MARK
    if rule.narrowed or rule.guards or masked:
        return None
    packets = EVERY_PACKET
    for each in rule.path:
        both = packets.intersect(each)
        if both is None:
            return ()  # no packet meets it
        packets = both
    if packets.protocol is not None and packets.protocol not in set(Transport):
        return None
    return flows_of(Rule(key.family, Hook.PREROUTING, packets, SetMark(key.mark), key.mark))


def _keepable(flows: Iterable[Packets], policy: Options) -> Iterator[Packets]:
    """Flows that the firewall can hold: in a zone of firewalld's that is entered by an interface,
    a rule of ours need not name it.
    """
    for flow in flows:
        bare = flow.without(InInterface) if policy.refusal(flow) else flow
        if not policy.refusal(bare):
            yield bare


def fleeting(desired: Desired, snapshot: Snapshot, adviser: Adviser) -> Iterator[Finding]:
    """Services that only others mark, where these do so only until the next reload or boot.

    Where there is no permanent plane (iptables), others see to that, and nothing can be said.
    """
    for key, coverage in sorted(desired.coverage.items()):
        permanent = snapshot.chains.get(ChainKey(Plane.PERMANENT, key.family, Hook.PREROUTING))
        if coverage is not FlowSource.NONE or not isinstance(permanent, Chain):
            continue
        giving = [
            rule
            for rule in snapshot.foreign
            if rule.chain_key == ChainKey(Plane.RUNTIME, key.family, Hook.PREROUTING)
            and isinstance(rule.effect, SetMark)
            and rule.effect.value == key.mark
        ]
        lasting = marked_by_others(key, snapshot, Plane.PERMANENT)
        # What is set past the firewall that has the planes is not its to keep.
        if giving and not lasting and all(rule.fleeting for rule in giving):
            yield Finding(
                Kind.FLEETING,
                f"mark {key.mark} is set by a rule in {giving[0].where} that is in force now and"
                " not in the permanent configuration: the next reload or boot loses it",
                "make it permanent, or declare what the mark stands for",
                service=key,
                plane=Plane.PERMANENT,
                family=key.family,
                rule=giving[0].ref,
                origins=desired.services[key].origins,
                paste=adviser.advice(key).text,
            )
