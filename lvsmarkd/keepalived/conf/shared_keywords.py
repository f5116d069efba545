"""Top-level keywords that more than one of keepalived's processes knows."""

from lvsmarkd.keepalived.conf.grammar import block, built_with, keywords, passed_over, since
from lvsmarkd.model.running import BuildOption

# keepalived/core/global_parser.c, init_global_keywords: at start-up the parent alone reads them.
GLOBAL = passed_over(
    """
    net_namespace net_namespace_ipvs namespace_with_ipsets use_pid_dir instance child_wait_time
    global_defs
    """
) | built_with(BuildOption.LINKBEAT, passed_over("linkbeat_use_polling"))

# keepalived/trackers/track_file.c, add_track_file_keywords; keepalived/bfd/bfd_parser.c,
# init_bfd_keywords: every child reads them.
_TRACK_FILE = block(keywords("file weight init_file"), required=True)

_BFD_INSTANCE = {
    **keywords(
        """
        source_ip neighbor_ip neighbour_ip min_rx min_tx idle_tx multiplier passive ttl hoplimit
        max_hops
        """
    ),
    **since((2, 2, 8), keywords("multihop")),
    **built_with(BuildOption.VRRP, keywords("weight vrrp")),
    **built_with(BuildOption.LVS, keywords("checker")),
}

BFD_INSTANCE = "bfd_instance"

COMMON = {
    "track_file": _TRACK_FILE,
    **built_with(BuildOption.VRRP, {"vrrp_track_file": _TRACK_FILE}),
    **built_with(BuildOption.BFD, {BFD_INSTANCE: block(_BFD_INSTANCE, required=True)}),
}
