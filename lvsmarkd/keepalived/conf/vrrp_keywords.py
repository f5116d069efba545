"""The keywords of keepalived's VRRP process.

From keepalived 2.4.3 and 2.2.7: keepalived/vrrp/vrrp_parser.c (init_vrrp_keywords). What is
optional at build time is taken as built in.
"""

from lvsmarkd.keepalived.conf.grammar import (
    KeywordTable,
    block,
    keywords,
    passed_over,
    value_blocks,
)
from lvsmarkd.keepalived.conf.shared_keywords import COMMON, GLOBAL

VRRP_INSTANCE = "vrrp_instance"
AUTHENTICATION = "authentication"
VIRTUAL_IPADDRESS = "virtual_ipaddress"
VIRTUAL_IPADDRESS_EXCLUDED = "virtual_ipaddress_excluded"

_TRACKS = "track_interface track_script track_file track_process track_bfd"
_NOTIFIES = """
    notify_backup notify_master notify_fault notify_stop notify smtp_alert
    notify_priority_changes
"""

_VRRP_INSTANCE = {
    **keywords(_NOTIFIES),
    **keywords(
        """
        use_vmac use_vmac_addr vmac_xmit_base use_ipvlan unicast_fault_no_peer check_unicast_src
        old_unicast_checksum native_ipv6 state interface vrf dont_track_primary mcast_src_ip
        unicast_src_ip mcast_dst_ip track_src_ip virtual_router_id unicast_ttl version priority
        advert_int no_virtual_ipaddress promote_secondaries linkbeat_use_polling
        v3_checksum_as_v2 accept no_accept skip_check_adv_addr strict_mode preempt nopreempt
        preempt_delay debug notify_deleted notify_master_rx_lower_pri lvs_sync_daemon_interface
        garp_master_delay garp_master_refresh garp_master_repeat garp_master_refresh_repeat
        garp_lower_prio_delay garp_lower_prio_repeat down_timer_adverts timer_expired_backup
        thread_timer_expired garp_extra_if vmac_garp_intvl lower_prio_no_advert
        higher_prio_send_advert owner_ignore_adverts kernel_rx_buf_size
        """
    ),
    **value_blocks(_TRACKS),
    **value_blocks(
        f"""
        unicast_peer {VIRTUAL_IPADDRESS} {VIRTUAL_IPADDRESS_EXCLUDED} virtual_routes
        virtual_rules
        """
    ),
    AUTHENTICATION: block(keywords("auth_type auth_pass")),
    "auth_hmac": block(keywords("key active_key time_window anti_replay mode")),
}

VRRP: KeywordTable = {
    **GLOBAL,
    **passed_over("SSL virtual_server_group virtual_server"),
    **COMMON,
    **value_blocks(
        """
        static_ipaddress static_routes static_rules linkbeat_interfaces interface_up_down_delays
        """
    ),
    "track_group": block(value_blocks("group")),
    "vrrp_sync_group": block(
        {
            **keywords(_NOTIFIES),
            **keywords("global_tracking sync_group_tracking_weight"),
            **value_blocks("group"),
            **value_blocks(_TRACKS),
        }
    ),
    "garp_group": block(
        {**keywords("garp_interval gna_interval interface"), **value_blocks("interfaces")}
    ),
    VRRP_INSTANCE: block(_VRRP_INSTANCE),
    "vrrp_script": block(keywords("script interval timeout weight rise fall user init_fail")),
    "vrrp_track_process": block(
        keywords(
            """
            process param_match weight quorum quorum_max delay terminate_delay fork_delay
            full_command
            """
        )
    ),
}
