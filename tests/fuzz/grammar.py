"""Blocks and lines of keepalived.conf, mostly as they should be."""

from collections.abc import Callable
from random import Random

from tests.fuzz import vocabulary
from tests.fuzz.checks import check
from tests.fuzz.vocabulary import GROUPS, NAMES, address, entry_address, mark, port

Lines = list[str]

_SERVER_LINES = (
    *("delay_loop 6", "lb_algo rr", "lb_kind NAT", "lb_kind DR", "lb_kind TUN", "lb_kind TUN"),
    *("protocol TCP", "protocol UDP", "persistence_timeout 50", "alpha", "omega", "quorum 1"),
    *("ip_family inet", "ip_family inet6", "ip_family ipv4", "virtualhost a", "colour blue"),
    *("persistence_granularity 255.255.255.0", "persistence_granularity 64", "ops", "hashed"),
    *("persistence_granularity 200", "persistence_granularity 1.2", 'quorum_up "/bin/x # ! {"'),
    *("sorry_server 198.51.100.9 80", "sorry_server ::9 80", "sorry_server_lvs_method TUN"),
    *("sorry_server_lvs_method DR", "sorry_server_inhibit", "ha_suspend", "lvs_method TUN"),
    *("sorry_server nowhere 80", "weight 3", "lvs_sched wlc", "lb_kind", "delay_loop", "fwmark 5"),
    *("ip_family", "lb_algo rr real_server ::1 80", "real_server", "lb_kind FOO", "alpha {", "}"),
    *("persistence_granularity 0.0.0.0", "persistence_granularity 0x10", "sorry_server ::9"),
    *("persistence_timeout 0", "persistence_timeout 5m", "lb_algo x", "lb_kind dr", "quorum 9"),
)
_REAL_LINES = (
    *("weight 1", "weight 0", "lvs_method TUN", "lvs_method DR", "lvs_method NAT", "lvs_method"),
    *("inhibit_on_failure", "notify_up /bin/true", "uthreshold 5", "colour", "weight", "fwmark 9"),
)
_TOP_LINES = (
    *("}", "{", "instance one", "SSL", "vrrp_script a", "use_pid_dir", "fwmark 5", "colour blue"),
    *("virtual_server {", "virtual_server fwmark {", "virtual_server group {", "virtual_server"),
    *("virtual_server_group", "virtual_server FWMARK 21 {", '"', "global_defs"),
    *("virtual_server_group G", "track_file t {", "bfd_instance b {", "SSL {", "static_rules {"),
    *("include_check", "~FOO", "$", "$A", "${A}", "~", "@", "include", "garp_group", "!", "#!"),
)
_FOREIGN = (
    *("vrrp_instance V", "vrrp_instance W", "global_defs", "static_ipaddress", "static_rules"),
    *("vrrp_sync_group S", "track_group T", "vrrp_script s", "site", "SSL", "bfd_instance b"),
    *("vrrp_track_process p", "garp_group", "track_file t", "vrrp_track_file t", "static_routes"),
)
_FOREIGN_LINES = (
    *("state MASTER", "interface lo", "virtual_router_id 5", "fwmark 7", "fwmark 7 table 9"),
    *("virtual_ipaddress {", "virtual_rules {", "}", "192.0.2.1 dev lo", "include_check"),
    *("nftables_ipvs", "nftables_ipvs_start_fwmark 20", "nftables_ipvs t"),
    *("script /bin/true", "virtual_server fwmark 3 {", "real_server ::1 80", "notify 'a {'"),
    *("key x", "password x", "neighbor_ip ::1", "file /etc/none", "authentication {", "weight 2"),
    *("umask", "umask 022", "smtp_server", "checker_process_name", "router_id x", "ca /etc/none"),
    "reload_check_config",
)


def real_server(chance: Random) -> Lines:
    """A real_server, with or without its braces."""
    head = f"real_server {address(chance)} {port(chance)}"
    if chance.random() < 0.15:
        return [head]
    inside = [chance.choice(_REAL_LINES) for _ in range(chance.choice((0, 0, 0, 1, 1, 2)))]
    if chance.random() < 0.3:
        for _ in range(chance.choice((1, 1, 2, 3))):
            inside += check(chance)
    return [head + " {", *inside, "}"]


def virtual_server(chance: Random) -> Lines:
    """A virtual_server by mark, by group, seldom by address."""
    kind = chance.random()
    if kind < 0.68:
        head = f"virtual_server fwmark {mark(chance)}"
    elif kind < 0.94:
        head = f"virtual_server group {chance.choice(GROUPS)}"
    else:
        head = f"virtual_server {address(chance)} {port(chance)}"
    inside = [chance.choice(_SERVER_LINES) for _ in range(chance.choice((0, 0, 0, 1, 1, 2, 3)))]
    for _ in range(chance.choice((0, 1, 1, 1, 1, 2, 3))):
        at = chance.randint(0, len(inside))
        inside[at:at] = real_server(chance)
    return [head + " {", *inside, "}"]


def group(chance: Random) -> Lines:
    """A virtual_server_group."""
    inside = []
    for _ in range(chance.choice((0, 1, 1, 2, 2, 3))):
        kind = chance.random()
        if kind < 0.5:
            inside.append(f"fwmark {mark(chance)}")
        elif kind < 0.75:
            inside.append(f"fwmark {mark(chance)} {chance.choice(('inet', 'inet6', 'ip'))}")
        elif kind < 0.96:
            inside.append(f"{entry_address(chance)} {port(chance)}")
        else:
            inside.append(chance.choice(("fwmark", "fwmark 5 fwmark 6", "lb_algo rr {", '"')))
    return [f"virtual_server_group {chance.choice(GROUPS)} {{", *inside, "}"]


def foreign(chance: Random) -> Lines:
    """A block that is no business of the checker, or of nobody."""
    inside = [chance.choice(_FOREIGN_LINES) for _ in range(chance.randint(0, 4))]
    if chance.random() < 0.2:
        inside += virtual_server(chance)
    return [chance.choice(_FOREIGN) + chance.choice((" {", " {", " {", "")), *inside, "}"]


def definition(chance: Random) -> Lines:
    """A definition; seldom one of several lines."""
    name = chance.choice(NAMES)
    kind = chance.random()
    if kind < 0.55:
        return [f"${name}={mark(chance)}"]
    if kind < 0.70:
        values = ("", "fwmark 3", "virtual_server fwmark 3 {", "$B", "${A}", "# x", "\\", "@x", "}")
        return [f"${name}={chance.choice(values)}"]
    if kind < 0.76:
        return [f"${name}" + chance.choice((" =", "= ", "", "-=", "= \\")) + "3"]
    block = chance.choice((virtual_server, group, real_server))(chance)
    return [f"${name}={chance.choice(('', ' '))}\\", *multiline(chance, block)]


def multiline(chance: Random, lines: Lines) -> Lines:
    """Lines as the rest of a definition of several lines."""
    ends = (" \\", " \\", "\\", "\t\\")
    return [line + chance.choice(ends) for line in lines[:-1]] + lines[-1:]


def sequence(chance: Random) -> Lines:
    """A ``~SEQ`` or ``~LST`` over something."""
    variable = chance.choice(NAMES)
    return [f"{opening(chance, variable)} {chance.choice(_REPEATED).format(v=variable)}"]


_REPEATED = (
    "virtual_server fwmark ${{{v}}} {{ real_server 192.0.2.1 80 }}",
    "virtual_server fwmark ${v} {{real_server 192.0.2.1 80}}",
    "virtual_server fwmark 1${{{v}}} {{ real_server ::1 80 {{ }} }}",
    *("fwmark ${{{v}}}", "fwmark ${v} inet", "$BLK", "${{BLK}}", "real_server 192.0.2.${{{v}}} 80"),
    *("$A=${{{v}}}", "include ${{{v}}}.conf", "~SEQ(A, 1, ${v}) fwmark ${{A}}${{{v}}}", "", "}}"),
    "~LST(B, 1, 2) virtual_server fwmark ${{{v}}}${{B}} {{ real_server 192.0.2.1 80 }}",
    "@director1 virtual_server fwmark ${{{v}}} {{ real_server 192.0.2.1 80 }}",
)
_RANGES = (
    *("1,3", "1, 3", "1,2,5", "3,1", "3,-1,1", "1,-1,3", "1,0,3", "5,5", "1", "", "1,2,3,4", "a,b"),
    *("9,11", "0x9,0xb", "010,012", "-2,2", "1,10,5", " 1 , 3 ", "1,3 x", "1,,3", "1,$M", "1;3"),
    *("1,100,200", "4294967294,4294967296", "2,+3", "1,2,9"),
)
_ENDLESS = "1,9223372036854775807,9223372036854775806"
"""What comes after the first overflows."""
_LISTS = (
    *("{v}, 1, 2", "{v},1", "{v}", "{v},", "{v}, 5 , 8,21", "{v},1 2,3", "{v},{{1}},{{2}}"),
    *("{{{v},A}},{{1,2}},{{3,4}}", "{{{v},A}},{{1}},{{3,4}}", "{{{v}}},{{1,2}}", "{{{v},A}},1,2"),
    *("{{{v},A}},{{1,2,3}}", "{{{v} , A}} , {{1 , 2}} , {{3,4}}", ",1,2", "{{}},{{}}", "{v},1,"),
    *("{v},x,y,5", "{{{v},M}},{{5,8", "{v},1,{{2}}", "{v} ,a.conf", "{v}, ,2", "{v},{{,5}}"),
)


_BROKEN = ("~SEQ", "~LST", "~SEQ(A", "~LST(", "~SEQ(A,1,3", "~LST({A", "~SEQ A(1,2)")


def opening(chance: Random, variable: str) -> str:
    """``~SEQ(…)`` or ``~LST(…)`` alone."""
    kind = chance.random()
    if kind < 0.6:
        word = chance.choice(("~SEQ", "~SEQ", "~SEQ", "~SEQx", "~SEQ ", "~SEQX", "~SEQx "))
        # Each one that hangs costs a second.
        values = _ENDLESS if chance.random() < 0.002 else chance.choice(_RANGES)
        return f"{word}({variable},{values})"
    if kind < 0.95:
        return f"~LST({chance.choice(_LISTS).format(v=variable)})"
    return chance.choice(_BROKEN)


def include(chance: Random) -> Lines:
    """An include of what may be there."""
    keyword = "include" + chance.choice(("", "", "", "", "", "", "r", "m", "w", "b", "a", "t", "x"))
    return [keyword + chance.choice((" ", " ", "\t", "  ", "\x0b")) + chance.choice(_PATTERNS)]


_PATTERNS = (
    *vocabulary.FILES,
    *("*.conf", "sub/*.conf", "conf.d/*", "conf.d/*.conf", "conf.d/.*", "conf.d", "none.conf"),
    *("{a,b}.conf", "{b,none}.conf", "{sub,conf.d}/{1,a}.conf", "*/*.conf", "[ab].conf", "x*"),
    *("none/*.conf", "*.none", "${_PWD}/a.conf", "a.conf b.conf", '"a.conf"', "?.conf", ""),
    *("\\a.conf", "{}", "{a", "a}.conf", "{a,{b,c}}.conf", "[^a].conf", "./a.conf", "sub/"),
    *("[a", "a[.]conf", "$M.conf", "${A}.conf", "~/a.conf", "../*/sub/*.conf", "sub//a.conf"),
    *("{,sub/}a.conf", "sub/{a,b}.conf", "[[:alpha:]].conf", "\\{a\\}.conf", "*/../a.conf"),
    *("sub/../a.conf", "[!a].conf", "su\\b/a.conf", "{a\\}.conf", "a.conf\\", ".*", "*/"),
)


def top_line(chance: Random) -> Lines:
    """A single line out of place."""
    return [chance.choice(_TOP_LINES)]


KINDS: tuple[tuple[Callable[[Random], Lines], int], ...] = (
    *((virtual_server, 40), (group, 18), (foreign, 8), (definition, 14), (sequence, 10)),
    *((include, 8), (top_line, 5), (real_server, 1)),
)


def document(chance: Random, most: int = 6) -> Lines:
    """Several blocks, one after the other."""
    makers, weights = zip(*KINDS, strict=True)
    lines: Lines = []
    for maker in chance.choices(makers, weights, k=chance.randint(1, most)):
        lines += maker(chance)
    return lines
