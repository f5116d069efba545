"""Hypothesis strategies for declarations: any that can be written, and small ones that meet."""

from ipaddress import IPv4Network, IPv6Network

from hypothesis import strategies as st

from lvsmarkd.declarations import port_ranges, values
from lvsmarkd.model.declaration import Declaration, Ports
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.ports import MAX_PORT, PortRange
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.refusal import RefusalError
from lvsmarkd.model.service import MAX_MARK, Network
from tests.harness.values import qualified
from tests.model.universe import NETWORKS

ORIGIN = Origin("/etc/keepalived/keepalived.conf", 7)


def _is_name(text: str) -> bool:
    try:
        return isinstance(values.target(text), str)
    except RefusalError:
        return False


def _network(network: type[IPv4Network | IPv6Network], bits: int) -> st.SearchStrategy[Network]:
    return st.builds(
        lambda number, length: network((number >> (bits - length) << (bits - length), length)),
        st.integers(0, 2**bits - 1),
        st.one_of(st.just(bits), st.integers(0, bits)),
    ).filter(lambda each: not (isinstance(each, IPv6Network) and _is_mapped(each)))


def _is_mapped(network: IPv6Network) -> bool:
    return network.prefixlen == 128 and network.network_address.ipv4_mapped is not None


names = st.one_of(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,20}", fullmatch=True), st.text(max_size=12)
).filter(_is_name)
networks = st.one_of(_network(IPv4Network, 32), _network(IPv6Network, 128))
macs = st.binary(min_size=6, max_size=6).map(lambda each: each.hex(":"))


def ranges(highest: int) -> st.SearchStrategy[PortRange]:
    ends = st.tuples(st.integers(1, highest), st.integers(1, highest))
    return ends.map(lambda each: PortRange(min(each), max(each)))


def ports(highest: int = MAX_PORT) -> st.SearchStrategy[tuple[Ports, ...]]:
    either = st.one_of(st.none(), ranges(highest), ranges(highest))
    return st.lists(st.builds(Ports, st.sampled_from(Transport), either), max_size=6).map(
        port_ranges.normal
    )


declarations = st.builds(
    Declaration,
    st.integers(1, MAX_MARK),
    st.lists(st.one_of(networks, names), min_size=1, max_size=4, unique=True).map(tuple),
    ports(),
    st.just(ORIGIN),
    st.booleans(),
    st.builds(
        qualified,
        st.one_of(
            st.none(),
            st.from_regex(r"[A-Za-z0-9_.:@%][A-Za-z0-9_.:@%-]{0,14}", fullmatch=True).filter(
                lambda each: each not in {".", ".."}
            ),
        ),
        st.lists(macs, max_size=3, unique=True),
    ),
)
"""Any declaration in normal form."""

meeting = st.builds(
    Declaration,
    st.integers(1, 3),
    st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=2, unique=True).map(tuple),
    ports(highest=7),
    st.integers(1, 99).map(lambda line: Origin("keepalived.conf", line)),
    st.booleans(),
    st.builds(
        qualified,
        st.sampled_from([None, None, "eth0", "eth1"]),
        st.sampled_from([(), (), ("52:54:00:00:00:01",)]),
    ),
)
"""Declarations from a world so small that they often speak of the same packets."""
