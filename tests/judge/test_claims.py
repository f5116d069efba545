"""Marks that others use, and the services that share them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsmarkd.judge.claimants import known_claims
from lvsmarkd.judge.claims import overlaps
from lvsmarkd.model.claim import MarkClaim, Use
from lvsmarkd.model.finding import Kind, Severity
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.service import MAX_MARK, Family, Service, ServiceKey

MARKS = st.integers(1, MAX_MARK)
BITS = st.integers(0, MAX_MARK)


def _service(mark: int, family: Family = Family.INET) -> Service:
    return Service(ServiceKey(family, mark), (Origin("keepalived.conf", mark),))


@pytest.mark.parametrize(
    ("value", "mask", "use", "concerned", "others"),
    [
        (80, MAX_MARK, Use.ROUTE, [80], [81, 0x150]),
        (0x10, 0x30, Use.ROUTE, [0x10, 0x50], [0x20, 0x30]),
        # "ip rule add fwmark 0/1": packets without a mark are routed by it, those with bit 0 not.
        (0, 1, Use.ROUTE, [1, 81], [80]),
        (0, 0, Use.ROUTE, [], [1, 80]),
        (0x1BD00, 0xFFFFFF00, Use.MATCH, [0x1BD00, 0x1BD80], [0x1BE00, 0xD00]),
        (0x4000, 0x4000, Use.FIELD, [0x4000, 0x4050, MAX_MARK], [80, 0x8000]),
        (0xFF0000, 0xFF0000, Use.FIELD, [0x40000, 0x10001], [0xFFFF]),
    ],
)
def test_whom_a_claim_concerns(
    value: int, mask: int, use: Use, concerned: list[int], others: list[int]
) -> None:
    claim = MarkClaim(value, mask, "", "", use)
    assert [m for m in (*concerned, *others) if claim.concerns(m)] == concerned


@given(mark=MARKS, value=BITS, mask=BITS, use=st.sampled_from(Use))
def test_no_claim_concerns_a_packet_without_a_mark(
    mark: int, value: int, mask: int, use: Use
) -> None:
    claim = MarkClaim(value, mask, "", "", use)
    assert not claim.concerns(0)
    # Bits outside the mask say nothing.
    assert claim.concerns(mark) is claim.concerns(mark & mask)


def test_a_finding_names_the_owner_and_what_happens() -> None:
    claims = (
        MarkClaim(0x4000, 0x4000, "kube-proxy", "KUBE-MARK-MASQ", Use.FIELD),
        MarkClaim(0x10, 0x10, "policy routing", "ip rule 5: …", Use.ROUTE, Family.INET6),
    )
    services = [_service(0x4001), _service(0x10), _service(0x10, Family.INET6)]

    bits, routed = overlaps(services, (*claims, *claims))

    assert (bits.kind, bits.severity, bits.service) == (
        Kind.CLAIMED,
        Severity.WARNING,
        services[0].key,
    )
    assert bits.origins == (Origin("keepalived.conf", 0x4001),)
    assert bits.message.startswith("kube-proxy (KUBE-MARK-MASQ) uses bits 0x4000, and mark 16385")
    assert (routed.service, routed.family) == (services[2].key, Family.INET6)
    assert "routes packets with mark 16 otherwise" in routed.message


def test_a_route_for_just_this_mark_is_meant() -> None:
    claim = MarkClaim(80, MAX_MARK, "policy routing", "ip rule 5: …", Use.ROUTE, meant=True)
    (finding,) = overlaps([_service(80), _service(81)], [claim])
    assert (finding.severity, finding.service) == (Severity.NOTE, _service(80).key)


@pytest.mark.parametrize(
    ("names", "owner", "value", "mask"),
    [
        (["KUBE-MARK-MASQ", "KUBE-SERVICES"], "kube-proxy", 0x4000, 0x4000),
        (["KUBE-MARK-DROP"], "kubelet", 0x8000, 0x8000),
        (["cali-PREROUTING", "cali-from-hep"], "Calico", 0xFFFF0000, 0xFFFF0000),
        (["CILIUM_PRE_mangle"], "Cilium", 0xFFFF1FFF, 0xFFFF1FFF),
        (["OLD_CILIUM_FORWARD"], "Cilium", 0xFFFF1FFF, 0xFFFF1FFF),
        (["ts-forward", "ts-input"], "Tailscale", 0xFF0000, 0xFF0000),
        (["WEAVE-IPSEC-IN"], "Weave Net", 0x60000, 0x60000),
        (["AWS-CONNMARK-CHAIN-0"], "AWS VPC CNI", 0x80, 0x80),
        (["CNI-HOSTPORT-SETMARK"], "CNI portmap", 0x2000, 0x2000),
        (["NETAVARK-HOSTPORT-DNAT"], "netavark", 0x3000, 0x3000),
        (["netavark"], "netavark", 0x3000, 0x3000),
        (["NETBIRD-ACL-INPUT"], "NetBird", 0x1BD00, 0xFFFFFF00),
        (["netbird"], "NetBird", 0x1BD00, 0xFFFFFF00),
        (["ANTREA-MANGLE"], "Antrea", 0xEFFF00FF, 0xEFFF00FF),
        (["APPMESH_INGRESS"], "AWS App Mesh", 0x1E7700CE, MAX_MARK),
    ],
)
def test_known_users_are_told_by_their_chains(
    names: list[str], owner: str, value: int, mask: int
) -> None:
    (claim,) = known_claims(["PREROUTING", "DOCKER", "LVSMARKD", *names, *names])
    assert (claim.owner, claim.value, claim.mask) == (owner, value, mask)
    assert claim.where == names[0]
    assert claim.family is None


def test_istio_has_two_marks() -> None:
    assert [claim.value for claim in known_claims(["ISTIO_DIVERT"])] == [1337, 1338]


@pytest.mark.parametrize(
    "name", ["PREROUTING", "MYKUBE-MARK-MASQ", "calibre", "cali", "ts-mine", "KUBE-FORWARD", ""]
)
def test_other_names_show_nothing(name: str) -> None:
    assert known_claims([name]) == ()


def test_a_small_mark_is_free_of_most() -> None:
    everybody = known_claims(
        [
            "KUBE-MARK-MASQ",
            "KUBE-MARK-DROP",
            "cali-INPUT",
            "ts-input",
            "WEAVE",
            "netavark",
            "netbird",
        ]
    )
    assert len(everybody) == 7
    assert overlaps([_service(mark) for mark in range(1, 4096)], everybody) == ()
