"""What the checker finds when all is read, of one virtual server that is left.

keepalived/check/check_data.c, validate_check_config.
"""

from collections.abc import Iterator

from lvsmarkd.keepalived.conf.open_server import Destination, OpenServer
from lvsmarkd.keepalived.conf.scheduling import Remark
from lvsmarkd.keepalived.conf.servers import Group
from lvsmarkd.model.origin import Origin

_NAT = "NAT"
_TWICE = 3
"""Real servers named of those that stand there twice."""


def remarks_of(server: OpenServer) -> Iterator[Remark]:
    """What is worth a word of a service by mark."""
    yield from server.scheduling.end()
    if server.suspends is not None:
        yield Remark(
            server.suspends,
            "keepalived passes over ha_suspend in a service by mark, which stays while its "
            "addresses are elsewhere: remove it",
        )
    left = list(_once(server.real))
    kept = set(map(id, left))
    if twice := [real for real in server.real if id(real) not in kept]:
        addresses = ", ".join(str(real.endpoint.address) for real in twice[:_TWICE])
        yield Remark(
            twice[0].origin,
            f"this real_server stands in its virtual_server already ({addresses}), and "
            "keepalived drops the second one: remove it, or correct its address or port",
        )
    bare = [real for real in left if not real.method]
    if bare and not server.scheduling.method and not server.scheduling.refused_method:
        yield Remark(
            server.origin,
            "this virtual_server has no lb_kind, so that keepalived takes NAT: write lb_kind NAT, "
            "DR or TUN",
            note=True,
        )
    if not any(_weight(server, real) for real in left):
        yield Remark(
            left[0].origin,
            "every real_server of this virtual_server has weight 0, so that IPVS sends packets "
            "to none: give one a weight, or let a health check raise it",
        )


def also_warned(server: OpenServer, group: Group | None) -> Iterator[Origin]:
    """Of what else keepalived warns: nothing that harms a service by mark."""
    if not server.scheduling.scheduler:
        yield server.origin
    marked = bool(server.mark if group is None else group.marks)
    alone = server.group is None and server.mark is None
    addressed = alone or (group is not None and group.addresses)
    if server.protocol is None if addressed else server.protocol is not None and marked:
        yield server.origin
    total = sum(_weight(server, real) for real in _once(server.real))
    if min(server.quorum, total) <= server.hysteresis or server.quorum > total:
        yield server.origin
    for each in (*_once(server.real), *([server.sorry] if server.sorry else [])):
        method = each.method or server.scheduling.method or _NAT
        if method == _NAT or not each.endpoint.port:
            continue
        if marked or (alone and each.endpoint.port != server.port):
            yield each.origin


def _once(real: list[Destination]) -> Iterator[Destination]:
    seen = set()
    for each in real:
        if each.endpoint not in seen:
            seen.add(each.endpoint)
            yield each


def _weight(server: OpenServer, real: Destination) -> int:
    return server.weight if real.weight is None else real.weight
