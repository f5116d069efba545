"""One look at firewalld and at the kernel: all that the backend judges and writes by."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.backends.firewalld.client.calls import (
    CONFIG_PATH,
    BusError,
    FirewalldClient,
    FirewalldError,
    Interface,
    RunState,
)
from lvsmarkd.backends.firewalld.names import NFTABLES
from lvsmarkd.backends.firewalld.planes.files import ETC, broken_policy
from lvsmarkd.backends.firewalld.planes.kernel_tables import Kernel, read_kernel
from lvsmarkd.backends.firewalld.planes.listing import Listing, read_permanent, read_runtime
from lvsmarkd.backends.firewalld.planes.own_rules import (
    OUR_POLICY,
    Container,
    ContainerKind,
    Marks,
    OwnRules,
    chain_of,
    own_rules,
)
from lvsmarkd.declarations.tables import Reload
from lvsmarkd.kernel.network import links_up
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain
from lvsmarkd.model.unknown import Unknown

HOOKS = (Hook.PREROUTING, Hook.INPUT)
"""firewalld marks nothing that the director sends itself: it has no rule at Hook.OUTPUT."""
PLANES = (Plane.RUNTIME, Plane.PERMANENT)
CHAIN_KEYS = tuple(
    ChainKey(plane, family, hook) for plane in PLANES for family in Family for hook in HOOKS
)
_IPTABLES = "iptables"


class Choices(Struct, frozen=True):
    """The operator's choices: our policy or zones, and which (the default zone, if none); when
    firewalld may be reloaded. ``etc`` is where its own files are.
    """

    by_policy: bool = True
    zones: tuple[str, ...] = ()
    reload: Reload = Reload.WHEN_SAFE
    etc: Path = ETC


class FirewalldState(Struct, frozen=True):
    """What was seen. ``permanent`` may be Unknown where only the runtime may be asked for.

    ``links`` are the network interfaces that packets come in by.
    """

    state: RunState
    runtime: Listing
    permanent: Listing | Unknown
    own: Mapping[Plane, OwnRules]
    kernel: Kernel | Unknown
    backend: str = NFTABLES
    links: tuple[str, ...] = ()

    def meets(self, container: Container, rule: Rule) -> bool:
        """Whether packets meet a rule that is listed at runtime, as far as can be seen.

        Zones that no packet enters by are not in the kernel at all, and panic mode changes
        nothing but that everything is dropped.
        """
        if isinstance(self.kernel, Unknown):
            return True
        if container.kind is ContainerKind.ZONE and not self.is_active(container.name, rule.family):
            return True
        return self.kernel.meets(container, rule)

    def is_active(self, zone: str, family: Family | None = None) -> bool:
        """Whether packets, of a family or any, enter by a zone."""
        ways = self.runtime.active.get(zone, ())
        return zone == self.runtime.default_zone or any(_may_enter(way, family) for way in ways)

    def enters(self, zone: str) -> bool:
        """Whether packets are known to enter by a zone: the default zone has what no other has."""
        bound = {way for ways in self.runtime.active.values() for way in ways}
        wild = tuple(way.removesuffix("+") for way in bound if way.endswith("+"))
        free = [link for link in self.links if link not in bound and not link.startswith(wild)]
        if self.runtime.active.get(zone):
            return True
        return zone == self.runtime.default_zone and (bool(free) or not self.links)

    def chains(self) -> dict[ChainKey, Chain | Unknown]:
        """All chains, but those of a plane that has none of the zones where our rules belong: what
        is missing there is known (a notice tells it), and nothing can be written.
        """
        lost = {plane for plane, own in self.own.items() if not own.targets}
        return {
            chain_key: self._chain(chain_key)
            for chain_key in CHAIN_KEYS
            if chain_key.plane not in lost
        }

    def _chain(self, chain_key: ChainKey) -> Chain | Unknown:
        own = self.own.get(chain_key.plane)
        if own is None:
            return self.permanent if isinstance(self.permanent, Unknown) else Unknown("not read")
        if chain_key.plane is Plane.RUNTIME:
            return chain_of(chain_key, own, self.meets)
        return chain_of(chain_key, own)

    def listings(self) -> tuple[Listing, ...]:
        """Those that could be read."""
        both = (self.runtime, self.permanent)
        return tuple(each for each in both if isinstance(each, Listing))

    def met(self) -> frozenset[tuple[Container, Rule]]:
        """The rules of ours that packets meet."""
        return frozenset(
            (listed.container, listed.rule)
            for listed in self.own[Plane.RUNTIME].listed
            if self.meets(listed.container, listed.rule)
        )

    def lacking(self) -> list[tuple[Container, Rule]]:
        """The rules of ours that firewalld lists and the kernel lacks."""
        own = self.own[Plane.RUNTIME]
        return [
            (listed.container, listed.rule)
            for listed in own.listed
            if listed.container in own.targets and not self.meets(listed.container, listed.rule)
        ]

    @property
    def dropping(self) -> bool:
        """Whether firewalld left the host dropping every new connection."""
        return isinstance(self.kernel, Kernel) and self.kernel.dropping

    @property
    def whole(self) -> bool:
        """Whether firewalld's own tables are in the kernel, and it drops nothing by mistake."""
        return isinstance(self.kernel, Unknown) or (self.kernel.whole and not self.kernel.dropping)


def _may_enter(way: str, family: Family | None) -> bool:
    """Whether packets of a family may come by an interface or a source."""
    if family is None or not way.startswith("source "):
        return True
    try:
        return Family.of(ip_network(way.removeprefix("source "), strict=False)) is family
    except ValueError:
        return True  # a MAC, or the name of a set


class FirewalldReader(Struct):
    """Looks, and remembers which service each accept of ours was seen to serve."""

    firewalld: FirewalldClient
    choices: Choices
    marks: Marks = field(default_factory=dict)

    def look(self, state: RunState) -> FirewalldState:
        """Look at everything; a second time where the kernel lacks what firewalld lists.

        firewalld may have begun to reload between its answer and ours: it answers again only
        when that is over. Raises BusError, FirewalldError where the runtime cannot be read.
        """
        firewalld_state = self._once(state)
        if firewalld_state.whole and not firewalld_state.lacking():
            return firewalld_state
        return self._once(state)

    def kernel(self) -> Kernel | Unknown:
        """The kernel's state, of whichever backend of firewalld's is in it."""
        return self._kernel()[1]

    def backend(self) -> str:
        """Firewalld's own backend: nftables or iptables."""
        return self._kernel()[0]

    def _once(self, state: RunState) -> FirewalldState:
        runtime = read_runtime(self.firewalld)
        permanent: Listing | Unknown
        try:
            permanent = read_permanent(self.firewalld)
        except (BusError, FirewalldError) as error:
            permanent = Unknown(f"firewalld's permanent configuration: {error}")
        own = {
            listing.plane: self._own_rules(listing)
            for listing in (runtime, permanent)
            if isinstance(listing, Listing)
        }
        permanently = own.get(Plane.PERMANENT)
        if permanently is not None and permanently.targets == (OUR_POLICY,):
            # What firewalld lists is not what its next reload or start finds.
            fault = permanently.fault or (
                permanently.policy_is_there and broken_policy(self.choices.etc)
            )
            own[Plane.PERMANENT] = replace(permanently, fault=fault or "")
        backend, kernel = self._kernel()
        return FirewalldState(state, runtime, permanent, own, kernel, backend, links_up())

    def _own_rules(self, listing: Listing) -> OwnRules:
        return own_rules(
            listing,
            by_policy=self.choices.by_policy,
            zones=self.choices.zones,
            marks=self.marks,
        )

    def _kernel(self) -> tuple[str, Kernel | Unknown]:
        """Firewalld's file says which backend the next start will have, not which one runs."""
        configured = self._configured()
        kernel = read_kernel(configured)
        if isinstance(kernel, Kernel) and kernel.whole:
            return configured, kernel
        other = _IPTABLES if configured == NFTABLES else NFTABLES
        another = read_kernel(other)
        if isinstance(another, Kernel) and another.whole:
            return other, another
        return configured, kernel

    def _configured(self) -> str:
        try:
            said = self.firewalld.call(
                Interface.PROPERTIES,
                "Get",
                str(Interface.CONFIG),
                "FirewallBackend",
                path=CONFIG_PATH,
            )
        except (BusError, FirewalldError):
            return NFTABLES
        return _IPTABLES if said == _IPTABLES else NFTABLES


def unknown(reason: str, planes: Iterable[Plane] = PLANES) -> dict[ChainKey, Chain | Unknown]:
    """All chains, none of which could be read."""
    wanted = set(planes)
    return {chain_key: Unknown(reason) for chain_key in CHAIN_KEYS if chain_key.plane in wanted}
