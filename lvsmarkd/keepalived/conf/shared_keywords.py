"""Top-level keywords that more than one of keepalived's processes knows."""

from lvsmarkd.keepalived.conf.grammar import block, keywords, passed_over

# keepalived/core/global_parser.c, init_global_keywords: at start-up the parent alone reads them.
GLOBAL = passed_over(
    """
    linkbeat_use_polling net_namespace net_namespace_ipvs namespace_with_ipsets use_pid_dir
    instance child_wait_time global_defs
    """
)

# keepalived/trackers/track_file.c, add_track_file_keywords; keepalived/bfd/bfd_parser.c,
# init_bfd_keywords: every child reads them.
_TRACK_FILE = block(keywords("file weight init_file"), required=True)

COMMON = {
    "track_file": _TRACK_FILE,
    "vrrp_track_file": _TRACK_FILE,
    "bfd_instance": block(
        keywords(
            """
            source_ip neighbor_ip neighbour_ip min_rx min_tx idle_tx multiplier passive ttl
            hoplimit max_hops multihop weight vrrp checker
            """
        ),
        required=True,
    ),
}
