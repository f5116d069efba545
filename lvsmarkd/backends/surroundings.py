"""What packets meet besides the rules of the firewall that keeps ours, and the host around it."""

from collections.abc import Callable, Collection, Iterator, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.kernel.addresses import first_addresses
from lvsmarkd.kernel.local_routes import local_routes
from lvsmarkd.kernel.network import forwards_ipv4, links_up
from lvsmarkd.kernel.queues import listened_queues
from lvsmarkd.kernel.rules import route_lookups
from lvsmarkd.kernel.settings import dead_ends, switched_on
from lvsmarkd.kernel.sockets import listening_ports
from lvsmarkd.model.host import (
    LOCAL_TABLE,
    HostView,
    ListeningPort,
    LocalRoute,
    RouteLookup,
)
from lvsmarkd.model.notice import Notice, NoticeKind
from lvsmarkd.model.rule_spec import NeedsSocket
from lvsmarkd.model.ruleset import Ruleset
from lvsmarkd.model.service import Address, Family
from lvsmarkd.model.snapshot import Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.saved_rulesets import SavedRulesets
from lvsmarkd.netfilter.whole_ruleset import WholeRuleset


class Surroundings(Struct):
    """Makes snapshots whole. For one thread at a time."""

    ruleset: WholeRuleset = field(default_factory=WholeRuleset)
    interfaces: Callable[[], tuple[str, ...]] = links_up
    routes: Callable[[], tuple[LocalRoute, ...] | Unknown] = local_routes
    lookups: Callable[[], tuple[RouteLookup, ...] | Unknown] = route_lookups
    forwards: Callable[[Collection[str]], bool | None] = forwards_ipv4
    addresses: Callable[[], Mapping[tuple[str, Family], Address | None] | Unknown] = first_addresses
    queues: Callable[[], frozenset[int] | None] = listened_queues
    saved: SavedRulesets = field(default_factory=SavedRulesets)
    sockets: Callable[[], frozenset[ListeningPort] | Unknown] = listening_ports
    dead_ends: Callable[[Collection[str]], frozenset[str]] = dead_ends
    setting: Callable[[str], bool | None] = switched_on

    def see(self, seen: Snapshot) -> Snapshot:
        """The same with all that packets meet on their way to IPVS. Raises nothing that is the
        firewall's or the kernel's fault: what could not be read is Unknown, or not there.
        """
        host = self._host()
        if seen.chains and not seen.whole and not seen.ruleset.tables:
            return replace(seen, host=host)  # the firewall did not answer: little is known
        whole = self.ruleset.complete(seen.ruleset)
        if _asks_sockets(whole):
            sockets = self.sockets()
            host = replace(host, sockets=None if isinstance(sockets, Unknown) else sockets)
        lasting = None if seen.lasting is None else _completed(seen.lasting, seen.ruleset, whole)
        notices = (*seen.notices, *self._saved())
        return replace(seen, ruleset=whole, host=host, lasting=lasting, notices=notices)

    def _saved(self) -> Iterator[Notice]:
        for origin in self.saved.with_guard():
            yield Notice(NoticeKind.GUARD_SAVED, names=(origin.file, str(origin.line)))

    def _host(self) -> HostView:
        routes, lookups = self.routes(), self.lookups()
        interfaces = frozenset(self.interfaces())
        addresses = self.addresses()
        host = HostView(
            interfaces,
            forwards=self.forwards(interfaces),
            first_addresses=None if isinstance(addresses, Unknown) else addresses,
            queues=self.queues(),
            dead_ends=self.dead_ends(interfaces),
            tracks_balanced=self.setting("ipv4/vs/conntrack"),
            picks_up=self.setting("netfilter/nf_conntrack_tcp_loose"),
        )
        if isinstance(routes, Unknown):
            return host
        return replace(
            host,
            local=tuple(each.network for each in routes if each.table == LOCAL_TABLE),
            other_routes=tuple(each for each in routes if each.table != LOCAL_TABLE),
            lookups=None if isinstance(lookups, Unknown) else lookups,
        )


def _asks_sockets(ruleset: Ruleset) -> bool:
    """Whether some rule hands packets to sockets: else nobody need ask for these."""
    return any(
        isinstance(effect, NeedsSocket)
        for table in ruleset.readable()
        for chain in table.chains.values()
        for rule in chain.rules
        for effect in rule.spec.effects
    )


def _completed(lasting: Ruleset, read: Ruleset, whole: Ruleset) -> Ruleset:
    """What is to stay, with all that was read besides: what others have stays as it is."""
    beside = {
        key: table
        for key, table in whole.tables.items()
        if key not in read.tables or lasting.tables.get(key) is read.tables[key]
    }
    return replace(lasting, tables={**lasting.tables, **beside}, ipsets=whole.ipsets)
