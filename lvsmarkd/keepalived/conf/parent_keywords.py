"""The keywords of keepalived's parent process.

From keepalived 2.4.3 and 2.2.7: keepalived/core/global_parser.c (init_global_keywords). What
came later, or is optional at build time, says so.
"""

from lvsmarkd.keepalived.conf.checker_keywords import CHECKER
from lvsmarkd.keepalived.conf.grammar import (
    KeywordTable,
    block,
    built_with,
    keywords,
    left_to_others,
    since,
    value_blocks,
)
from lvsmarkd.keepalived.conf.vrrp_keywords import VRRP
from lvsmarkd.model.running import BuildOption

GLOBAL_DEFS = "global_defs"

_VRRP = {
    **keywords(
        """
        vrrp_process_name= smtp_alert_vrrp dynamic_interfaces no_email_faults default_interface
        disable_local_igmp vrrp_mcast_group4= vrrp_mcast_group6= vrrp_garp_master_delay=
        vrrp_garp_master_repeat= vrrp_garp_master_refresh= vrrp_garp_master_refresh_repeat=
        vrrp_garp_lower_prio_delay= vrrp_garp_lower_prio_repeat= vrrp_down_timer_adverts=
        vrrp_garp_interval= vrrp_gna_interval= vrrp_min_garp vrrp_lower_prio_no_advert
        vrrp_higher_prio_send_advert vrrp_version= vrrp_iptables vrrp_ipsets
        vrrp_check_unicast_src vrrp_skip_check_adv_addr vrrp_strict vrrp_priority vrrp_no_swap
        vrrp_rt_priority vrrp_cpu_affinity vrrp_rlimit_rttime= vrrp_rlimit_rtime=
        vrrp_notify_fifo vrrp_notify_fifo_script vrrp_notify_priority_changes
        fifo_write_vrrp_states_on_reload vrrp_netlink_cmd_rcv_bufs
        vrrp_netlink_cmd_rcv_bufs_force vrrp_netlink_monitor_rcv_bufs
        vrrp_netlink_monitor_rcv_bufs_force vrrp_rx_bufs_policy vrrp_rx_bufs_multiplier
        vrrp_startup_delay= log_unknown_vrids
        """
    ),
    **since((2, 2, 8), keywords("v3_checksum_as_v2")),
    **since((2, 3, 2), keywords("iproute_usr_dir iproute_etc_dir")),
    **since((2, 3, 3), keywords("vrrp_owner_ignore_adverts")),
    **since((2, 4, 0), keywords("vrrp_delay_after_boot=")),
}

_LVS = keywords(
    """
    checker_process_name= lvs_process_name= smtp_alert_checker checker_log_all_failures
    lvs_timeouts lvs_flush lvs_flush_on_stop lvs_flush_onstop lvs_sync_daemon lvs_notify_fifo
    lvs_notify_fifo_script checker_priority checker_no_swap checker_rt_priority
    checker_cpu_affinity checker_rlimit_rttime= checker_rlimit_rtime= lvs_netlink_cmd_rcv_bufs
    lvs_netlink_cmd_rcv_bufs_force lvs_netlink_monitor_rcv_bufs
    lvs_netlink_monitor_rcv_bufs_force rs_init_notifies no_checker_emails
    """
)

_BFD = keywords(
    """
    bfd_process_name= bfd_priority bfd_no_swap bfd_rt_priority bfd_cpu_affinity
    bfd_rlimit_rttime= bfd_rlimit_rtime=
    """
)

_NFTABLES = keywords(
    """
    nftables nftables_priority= nftables_ifindex nftables_ipvs nftables_ipvs_priority=
    nftables_ipvs_start_fwmark= nftables_counters
    """
)

_SNMP_CHECKER = {
    **keywords("enable_snmp_checker"),
    **since((2, 3, 0), keywords("snmp_vs_stats_update_interval= snmp_rs_stats_update_interval=")),
}

_DBUS = {
    **keywords("enable_dbus dbus_service_name"),
    **since((2, 3, 0), keywords("dbus_no_interface_name")),
}

_GLOBAL_DEFS = {
    **value_blocks("notification_email"),
    **keywords(
        """
        process_names process_name= router_id notification_email_from smtp_server= smtp_helo_name
        smtp_connect_timeout= smtp_alert startup_script startup_script_timeout shutdown_script
        shutdown_script_timeout max_auto_priority min_auto_priority_delay notify_fifo
        notify_fifo_script snmp_socket enable_traps enable_snmp_rfc enable_snmp_rfcv2
        enable_snmp_rfcv3 script_user enable_script_security umask= random_seed=
        reload_check_config reload_time_file reload_repeat reload_file include_check
        config_save_dir= tmp_config_directory data_use_instance
        """
    ),
    **since((2, 3, 0), keywords("use_symlink_paths")),
    **since((2, 3, 3), keywords("state_dump_file stats_dump_file json_dump_file")),
    **since((2, 4, 4), keywords("set_supplementary_groups")),
    **built_with(BuildOption.VRRP, _VRRP),
    **built_with(
        BuildOption.VRRP_VMAC,
        keywords("vrrp_garp_extra_if vrrp_vmac_garp_intvl vmac_prefix= vmac_addr_prefix="),
    ),
    **built_with(
        BuildOption.TRACK_PROCESS,
        keywords("process_monitor_rcv_bufs process_monitor_rcv_bufs_force"),
    ),
    **built_with(BuildOption.LVS, _LVS),
    **built_with(BuildOption.BFD, _BFD),
    **built_with(BuildOption.NFTABLES, _NFTABLES),
    **built_with(BuildOption.SNMP_VRRP, keywords("enable_snmp_vrrp enable_snmp_keepalived")),
    **built_with(BuildOption.SNMP_CHECKER, _SNMP_CHECKER),
    **built_with(BuildOption.DBUS, _DBUS),
    **since((2, 2, 8), built_with(BuildOption.JSON, keywords("json_version"))),
}

PARENT: KeywordTable = {
    **left_to_others({**CHECKER, **VRRP}),
    **keywords(
        """
        net_namespace net_namespace_ipvs= namespace_with_ipsets use_pid_dir instance
        child_wait_time=
        """
    ),
    **built_with(BuildOption.LINKBEAT, keywords("linkbeat_use_polling")),
    GLOBAL_DEFS: block(_GLOBAL_DEFS),
}
