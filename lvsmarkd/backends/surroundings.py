"""What packets meet besides the rules of the firewall that keeps ours, and the host around it."""

from collections.abc import Callable, Collection

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.kernel.local_routes import local_routes
from lvsmarkd.kernel.network import forwards_ipv4, links_up
from lvsmarkd.kernel.rules import route_lookups
from lvsmarkd.model.host import LOCAL_TABLE, HostView, LocalRoute, RouteLookup
from lvsmarkd.model.snapshot import Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.whole_ruleset import WholeRuleset


class Surroundings(Struct):
    """Makes snapshots whole. For one thread at a time."""

    ruleset: WholeRuleset = field(default_factory=WholeRuleset)
    interfaces: Callable[[], tuple[str, ...]] = links_up
    routes: Callable[[], tuple[LocalRoute, ...] | Unknown] = local_routes
    lookups: Callable[[], tuple[RouteLookup, ...] | Unknown] = route_lookups
    forwards: Callable[[Collection[str]], bool | None] = forwards_ipv4

    def see(self, seen: Snapshot) -> Snapshot:
        """The same with all that packets meet on their way to IPVS. Raises nothing that is the
        firewall's or the kernel's fault: what could not be read is Unknown, or not there.
        """
        host = self._host()
        if not seen.ruleset.tables and not seen.whole:
            return replace(seen, host=host)  # the firewall did not answer: little is known
        whole = self.ruleset.complete(seen.ruleset)
        return replace(seen, ruleset=whole, host=host, is_complete=True)

    def _host(self) -> HostView:
        routes, lookups = self.routes(), self.lookups()
        interfaces = frozenset(self.interfaces())
        host = HostView(interfaces, forwards=self.forwards(interfaces))
        if isinstance(routes, Unknown):
            return host
        return replace(
            host,
            local=tuple(each.network for each in routes if each.table == LOCAL_TABLE),
            other_routes=tuple(each for each in routes if each.table != LOCAL_TABLE),
            lookups=None if isinstance(lookups, Unknown) else lookups,
        )
