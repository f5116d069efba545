"""Programs that are known to use marks, told by the names of their chains and tables.

Each use with its source. What a program also tells policy routing about (wg-quick,
NetworkManager, Tailscale, NetBird) is seen there as it is, with the number that it really chose.
Docker Swarm's marks 256, 257, … are in a network namespace of its own.
"""

import re
from collections.abc import Iterable

from msgspec import Struct

from lvsmarkd.model.claim import MarkClaim, Use
from lvsmarkd.model.service import MAX_MARK


class _Claimant(Struct, frozen=True):
    owner: str
    sign: re.Pattern[str]
    value: int
    mask: int
    use: Use = Use.FIELD


def _bits(owner: str, sign: str, mask: int) -> _Claimant:
    return _Claimant(owner, re.compile(sign), mask, mask)


def _marks(owner: str, sign: str, value: int, mask: int = MAX_MARK) -> _Claimant:
    return _Claimant(owner, re.compile(sign), value, mask, Use.MATCH)


_CLAIMANTS = (
    # kubernetes pkg/kubelet and pkg/proxy: iptablesMasqueradeBit 14, iptablesDropBit 15
    _bits("kube-proxy", r"KUBE-(MARK-MASQ|POSTROUTING)|kube-proxy", 0x4000),
    _bits("kubelet", r"KUBE-MARK-DROP", 0x8000),
    # calico felix/config/config_params.go: IptablesMarkMask, NftablesMarkMask
    _bits("Calico", r"cali[-:].*|calico", 0xFFFF0000),
    # cilium pkg/datapath/linux/linux_defaults/mark.go: bits 0-12 and 16-31
    _bits("Cilium", r"(OLD_)?CILIUM_.*", 0xFFFF1FFF),
    # tailscale tsconst/linuxfw.go: LinuxFwmarkMask
    _bits("Tailscale", r"ts-(input|forward|postrouting|prerouting)", 0xFF0000),
    # weave net/ipsec/ipsec.go: bit 17; npc/constants.go: bit 18
    _bits("Weave Net", r"WEAVE(-.*)?", 0x60000),
    # amazon-vpc-cni-k8s pkg/networkutils/network.go: defaultConnmark
    _bits("AWS VPC CNI", r"AWS-(SNAT|CONNMARK)-CHAIN-\d+", 0x80),
    # containernetworking plugins/meta/portmap: markMasqBit 13
    _bits("CNI portmap", r"CNI-HOSTPORT-(SETMARK|MASQ)", 0x2000),
    # netavark src/firewall/nft.rs: masquerading 0x2000, DNAT 0x1000
    _bits("netavark", r"NETAVARK-HOSTPORT-.*|netavark", 0x3000),
    # netbird client/net/net.go: 0x1BD00, and 0x1BD10 to 0x1BDFF
    _marks("NetBird", r"(?i:netbird)(-.*)?", 0x1BD00, 0xFFFFFF00),
    # antrea pkg/agent/types/marks.go: SNATIPMarkMask, bits 16-27 and 29-31
    _bits("Antrea", r"ANTREA-.*", 0xEFFF00FF),
    # istio tools/istio-iptables: InboundTProxyMark 1337, OutboundMark 1338, in decimal
    _marks("Istio", r"ISTIO_(DIVERT|TPROXY)", 1337),
    _marks("Istio", r"ISTIO_(DIVERT|TPROXY)", 1338),
    # aws-app-mesh-examples: APPMESH_PACKET_MARK
    _marks("AWS App Mesh", r"APPMESH_(INGRESS|EGRESS)", 0x1E7700CE),
)


def known_claims(names: Iterable[str]) -> tuple[MarkClaim, ...]:
    """The claims of known programs, from the names of chains and tables in a firewall.

    Each use is given once, with the first name that shows it.
    """
    seen = tuple(dict.fromkeys(names))
    claims: list[MarkClaim] = []
    for known in _CLAIMANTS:
        sign = next((name for name in seen if known.sign.fullmatch(name)), None)
        if sign is not None:
            claims.append(MarkClaim(known.value, known.mask, known.owner, sign, known.use))
    return tuple(claims)
