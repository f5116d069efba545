"""The keywords of keepalived's VRRP process.

From keepalived 2.4.3 and 2.2.7: keepalived/vrrp/vrrp_parser.c (init_vrrp_keywords). What came
later, or is optional at build time, says so; which keywords have to have a word, ``=``, was
measured.
"""

from collections.abc import Mapping

from lvsmarkd.keepalived.conf.grammar import (
    KeywordTable,
    block,
    built_with,
    keywords,
    passed_over,
    since,
    value_blocks,
)
from lvsmarkd.keepalived.conf.shared_keywords import COMMON, GLOBAL
from lvsmarkd.model.running import BuildOption

VRRP_INSTANCE = "vrrp_instance"
SYNC_GROUP = "vrrp_sync_group"
TRACK_GROUP = "track_group"
GROUP = "group"
AUTHENTICATION = "authentication"
UNICAST_PEER = "unicast_peer"
VIRTUAL_IPADDRESS = "virtual_ipaddress"
VIRTUAL_IPADDRESS_EXCLUDED = "virtual_ipaddress_excluded"
STATIC_IPADDRESS = "static_ipaddress"
ROUTES = frozenset({"static_routes", "virtual_routes"})

_TRACKS = {
    **value_blocks("track_interface track_script track_file"),
    **built_with(BuildOption.TRACK_PROCESS, value_blocks("track_process")),
    **built_with(BuildOption.BFD, value_blocks("track_bfd")),
}
_NOTIFIES = """
    notify_backup= notify_master= notify_fault= notify_stop= notify= smtp_alert
    notify_priority_changes
"""

_VRRP_INSTANCE = {
    **keywords(_NOTIFIES),
    **keywords(
        """
        unicast_fault_no_peer check_unicast_src native_ipv6 state= interface= dont_track_primary
        mcast_src_ip= unicast_src_ip= mcast_dst_ip= track_src_ip virtual_router_id= unicast_ttl=
        version= priority= advert_int= promote_secondaries accept no_accept skip_check_adv_addr
        strict_mode preempt nopreempt preempt_delay= debug= notify_deleted
        notify_master_rx_lower_pri= garp_master_delay= garp_master_refresh= garp_master_repeat=
        garp_master_refresh_repeat= garp_lower_prio_delay= garp_lower_prio_repeat=
        down_timer_adverts= lower_prio_no_advert higher_prio_send_advert kernel_rx_buf_size
        """
    ),
    **since((2, 2, 8), keywords("no_virtual_ipaddress v3_checksum_as_v2 timer_expired_backup")),
    **since((2, 3, 2), keywords("thread_timer_expired")),
    **since((2, 3, 3), keywords("owner_ignore_adverts")),
    **built_with(
        BuildOption.VRRP_VMAC,
        keywords("use_vmac use_vmac_addr vmac_xmit_base garp_extra_if vmac_garp_intvl"),
    ),
    **built_with(BuildOption.VRRP_IPVLAN, keywords("use_ipvlan")),
    **built_with(BuildOption.VRF, keywords("vrf=")),
    **built_with(BuildOption.OLD_CHECKSUM, keywords("old_unicast_checksum")),
    **built_with(BuildOption.LINKBEAT, keywords("linkbeat_use_polling")),
    **built_with(BuildOption.LVS, keywords("lvs_sync_daemon_interface=")),
    **_TRACKS,
    **value_blocks(
        f"""
        {UNICAST_PEER} {VIRTUAL_IPADDRESS} {VIRTUAL_IPADDRESS_EXCLUDED} virtual_routes
        virtual_rules
        """
    ),
    **built_with(
        BuildOption.VRRP_AUTH,
        {
            AUTHENTICATION: block(keywords("auth_type= auth_pass=")),
            **since(
                (2, 4, 0),
                {"auth_hmac": block(keywords("key active_key time_window anti_replay mode"))},
            ),
        },
    ),
}

VRRP: KeywordTable = {
    **GLOBAL,
    **built_with(BuildOption.LVS, passed_over("SSL virtual_server_group virtual_server")),
    **COMMON,
    **value_blocks(
        """
        static_ipaddress static_routes static_rules interface_up_down_delays
        """
    ),
    **built_with(BuildOption.LINKBEAT, value_blocks("linkbeat_interfaces")),
    TRACK_GROUP: block(value_blocks(GROUP)),
    SYNC_GROUP: block(
        {
            **keywords(_NOTIFIES),
            **keywords("global_tracking sync_group_tracking_weight"),
            **value_blocks(GROUP),
            **_TRACKS,
        }
    ),
    "garp_group": block(
        {**keywords("garp_interval= gna_interval= interface="), **value_blocks("interfaces")}
    ),
    VRRP_INSTANCE: block(_VRRP_INSTANCE),
    "vrrp_script": block(
        keywords("script interval= timeout= weight= rise= fall= user= init_fail"), required=True
    ),
    **built_with(
        BuildOption.TRACK_PROCESS,
        {
            "vrrp_track_process": block(
                keywords(
                    """
                    process= param_match weight quorum= quorum_max= delay= terminate_delay=
                    fork_delay= full_command
                    """
                ),
                required=True,
            )
        },
    ),
}

OWN_BLOCKS: Mapping[str, KeywordTable] = {
    name: keyword.inner
    for table in (VRRP, _VRRP_INSTANCE)
    for name, keyword in table.items()
    if keyword.inner is not None and name not in COMMON
}
"""The blocks that no other process reads, with their keywords."""
