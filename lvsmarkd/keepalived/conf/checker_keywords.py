"""The keywords of keepalived's checker, the process that programmes IPVS.

From keepalived 2.4.3 and 2.2.7: keepalived/check/check_parser.c (init_check_keywords), the
checkers in keepalived/check/check_*.c, and check_api.c (install_checker_common_keywords). What
came later, or is optional at build time, says so.
"""

from lvsmarkd.keepalived.conf.grammar import (
    Body,
    Keyword,
    KeywordTable,
    block,
    built_with,
    keywords,
    passed_over,
    since,
)
from lvsmarkd.keepalived.conf.shared_keywords import COMMON, GLOBAL
from lvsmarkd.model.running import BuildOption

VIRTUAL_SERVER = "virtual_server"
VIRTUAL_SERVER_GROUP = "virtual_server_group"
REAL_SERVER = "real_server"

_EVERY_CHECKER = keywords("retry= delay_before_retry= warmup= delay_loop= alpha log_all_failures")
_CONNECTING_CHECKER = _EVERY_CHECKER | keywords(
    "connect_ip= connect_port= bindto= bind_port= bind_if= connect_timeout="
)
_CONNECTING_CHECKER |= built_with(BuildOption.SO_MARK, keywords("fwmark="))

_HTTP = {
    **_CONNECTING_CHECKER,
    **keywords("nb_get_retry= virtualhost http_protocol enable_sni fast_recovery"),
    **since((2, 4, 4), keywords("sni_name")),
}
_URL = {
    **keywords("path= digest= status_code virtualhost"),
    **built_with(
        BuildOption.REGEX,
        keywords(
            """
            regex regex_no_match regex_options regex_min_offset regex_max_offset regex_stack
            """
        ),
    ),
}
_TLS = since((2, 2, 8), keywords("tls_compliant"))

_CHECKERS = {
    "TCP_CHECK": block(_CONNECTING_CHECKER),
    "UDP_CHECK": block(
        _CONNECTING_CHECKER | keywords("payload require_reply min_reply_length= max_reply_length=")
    ),
    "PING_CHECK": block(_CONNECTING_CHECKER),
    "HTTP_GET": block({**_HTTP, "url": block(_URL)}),
    "SSL_GET": block({**_HTTP, **_TLS, "url": block(_URL | _TLS)}),
    "SMTP_CHECK": block(
        {**_CONNECTING_CHECKER, **keywords("helo_name"), "host": block(_CONNECTING_CHECKER)}
    ),
    "DNS_CHECK": block(_CONNECTING_CHECKER | keywords("type= name=")),
    "MISC_CHECK": block(_EVERY_CHECKER | keywords("misc_path misc_timeout= misc_dynamic user")),
    "FILE_CHECK": block(keywords("track_file= weight")),
    **built_with(BuildOption.BFD, {"BFD_CHECK": block(keywords("name alpha"))}),
}

CHECKS = frozenset(_CHECKERS)
"""The health checks."""

_SNMP = built_with(BuildOption.SNMP_CHECKER, keywords("snmp_name"))

_REAL_SERVER = (
    keywords(
        """
        weight= lvs_method= uthreshold= lthreshold= inhibit_on_failure notify_up= notify_down=
        alpha retry= delay_before_retry= warmup= connect_timeout= delay_loop= smtp_alert
        virtualhost
        """
    )
    | _SNMP
    | _CHECKERS
)

_VIRTUAL_SERVER = {
    **keywords(
        """
        ip_family= retry= delay_before_retry= warmup= connect_timeout= delay_loop=
        inhibit_on_failure lb_algo= lvs_sched= hashed ops flag-1 flag-2 flag-3 sh-port sh-fallback
        mh-port mh-fallback lb_kind= lvs_method= persistence_engine= persistence_timeout
        persistence_granularity= protocol= ha_suspend smtp_alert virtualhost alpha omega
        quorum_up= quorum_down= quorum= hysteresis= weight= sorry_server= sorry_server_inhibit
        sorry_server_lvs_method
        """
    ),
    **_SNMP,
    REAL_SERVER: block(_REAL_SERVER, required=True, pair=True),
}

# keepalived/vrrp/vrrp_parser.c, init_vrrp_keywords: the roots that VRRP alone reads.
_VRRP_ROOTS = {
    **built_with(
        BuildOption.VRRP,
        passed_over(
            """
            track_group static_ipaddress static_routes static_rules vrrp_sync_group garp_group
            vrrp_instance vrrp_script interface_up_down_delays
            """
        ),
    ),
    **built_with(BuildOption.LINKBEAT, passed_over("linkbeat_interfaces")),
    **built_with(BuildOption.TRACK_PROCESS, passed_over("vrrp_track_process")),
}

CHECKER: KeywordTable = {
    **GLOBAL,
    **_VRRP_ROOTS,
    **COMMON,
    "SSL": block(keywords("password ca certificate key")),
    VIRTUAL_SERVER_GROUP: Keyword(Body.VALUES, required=True),
    VIRTUAL_SERVER: block(_VIRTUAL_SERVER, required=True, pair=True),
}
