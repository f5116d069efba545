"""HTTP and HTTPS as one persistent service, by NAT and by DR, in each of the firewalls."""

from dataclasses import dataclass

import pytest

from tests.director.director import DR_FLOWS, NAT_FLOWS, Director, dr, nat, vrrp
from tests.director.ground import CLIENTS, DR4, DR6, NAT4, NAT6, Ground
from tests.director.guest import until

VIPS = {"80 4": NAT4, "80 6": NAT6, "81 4": DR4, "81 6": DR6}
# An INPUT that lets in nobody but whom the operator names: that is what `accept` is for.
_CLOSED = """
for tables in iptables ip6tables; do
    $tables -A INPUT -i lo -j ACCEPT
    $tables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
    $tables -A INPUT -p {icmp} -j ACCEPT
    $tables -P INPUT DROP
done
"""
_DROPIN = "/usr/share/doc/lvsmarkd/examples/lvsmarkd.service.d/iptables-legacy.conf"


def _closed() -> str:
    four = _CLOSED.replace("ip6tables;", ";").format(icmp="icmp")
    six = _CLOSED.replace("iptables ip6tables", "ip6tables").format(icmp="ipv6-icmp")
    return four + six


@dataclass(frozen=True)
class Firewall:
    """How it is brought about; lvsmarkd's settings for it, and what it calls it."""

    begin: str
    settings: str
    backend: str


def _iptables(variant: str, more: str = "") -> Firewall:
    choose = "".join(
        f"update-alternatives --set {tables} /usr/sbin/{tables}-{variant}\n"
        for tables in ("iptables", "ip6tables")
    )
    return Firewall(choose + more + _closed(), "", f"iptables-{variant}")


def _firewalld(placement: str) -> Firewall:
    return Firewall(
        "systemctl start firewalld",
        f'[firewall.firewalld]\nplacement = "{placement}"\n',
        "firewalld",
    )


FIREWALLS = {
    "iptables nft": _iptables("nft"),
    "iptables legacy": _iptables(
        "legacy",
        f"mkdir -p /etc/systemd/system/lvsmarkd.service.d\n"
        f"cp {_DROPIN} /etc/systemd/system/lvsmarkd.service.d/\nsystemctl daemon-reload\n",
    ),
    "firewalld policy": _firewalld("policy"),
    "firewalld zone": _firewalld("zone"),
}


def _nothing_arrives(ground: Ground) -> None:
    before = ground.settled()
    wanted = [(vip, port, CLIENTS[0]) for vip in VIPS.values() for port in (80, 443)]
    assert ground.fetch(*wanted, backoff=3) == [""] * len(wanted)
    assert ground.settled() == before


@pytest.mark.parametrize("name", FIREWALLS)
def test_a_client_finds_both_ports_at_one_server(fresh: Director, name: str) -> None:
    firewall, director, guest = FIREWALLS[name], fresh, fresh.guest
    ground = Ground(guest)
    director.configure(vrrp() + nat(NAT_FLOWS) + dr(DR_FLOWS))
    guest.sh(firewall.begin)
    director.settings(firewall.settings)
    director.balance(*VIPS)
    _nothing_arrives(ground)

    director.start()
    before = ground.balanced()
    for kind, services in (("nat", ("80 4", "80 6")), ("dr", ("81 4", "81 6"))):
        # conntrack sees but one direction of what goes by DR, and takes it for invalid: firewalld
        # drops that, unless IPVS keeps it out of conntrack. Behind NAT it is the other way.
        guest.sh(f"sysctl -qw net.ipv4.vs.conntrack={int(kind == 'nat')}; conntrack -F")
        asked = [(VIPS[service], client) for service in services for client in CLIENTS]
        plain = ground.fetch(*((vip, 80, client) for vip, client in asked))
        secret = ground.fetch(*((vip, 443, client) for vip, client in asked))
        assert plain == secret
        for service in services:
            found = {by for by, (vip, _) in zip(plain, asked, strict=True) if vip == VIPS[service]}
            assert found == {f"{kind}1", f"{kind}2"}, f"{service}: each server has its clients"

    wanted = {service: before[service] + 2 * len(CLIENTS) for service in VIPS}

    def counted() -> bool:
        now = ground.balanced()
        return all(now[service] == wanted[service] for service in VIPS)

    until(counted, f"{wanted} connections in IPVS")
    metrics = director.metrics()
    for mark in (80, 81):
        for family in ("inet", "inet6"):
            labels = f'{{family="{family}",mark="{mark}"}}'
            assert metrics[f"lvsmarkd_mark_covered{labels}"] == 1
            assert metrics[f"lvsmarkd_mark_service_loaded{labels}"] == 1
    assert any(firewall.backend in name for name in metrics if "backend_info" in name)
    assert metrics.get('lvsmarkd_findings{kind="uncovered",severity="critical"}', 0) == 0

    guest.sh("systemctl stop lvsmarkd; lvsmarkd purge")
    assert director.ours() == []
    assert ground.fetch(*((vip, 80, CLIENTS[0]) for vip in VIPS.values()), backoff=3) == [""] * 4
