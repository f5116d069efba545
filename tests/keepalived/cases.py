"""Configurations, and the services that keepalived programmes for each.

Every one of them is also put to the real keepalived (test_conf_oracle.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lvsmarkd.model.running import Build, Version

CONFIG_ID = "director1"
MAIN = "keepalived.conf"


@dataclass(frozen=True, slots=True)
class Case:
    """A configuration; ``services`` is what comes of it, as in ``"inet 5, inet6 7"``.

    ``since`` has what comes of it from a version on, where that is another. ``reserved`` are the
    services by marks that keepalived hands out itself.
    """

    name: str
    text: str
    services: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    executable: str = ""
    reserved: str = ""
    since: Mapping[Version, str] = field(default_factory=dict)

    def expected_of(self, build: Build) -> frozenset[tuple[str, int]]:
        """The services of which the configuration says the marks."""
        reached = [since for since in self.since if since <= build.version]
        return _pairs(self.since[max(reached)] if reached else self.services)

    @property
    def expected_reserved(self) -> frozenset[tuple[str, int]]:
        return _pairs(self.reserved)

    def write(self, directory: Path) -> Path:
        for name, text in {MAIN: self.text, **self.files}.items():
            file = directory / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode())
        if self.executable:
            (directory / self.executable).chmod(0o755)
        return directory / MAIN


def _pairs(text: str) -> frozenset[tuple[str, int]]:
    pairs = (pair.split() for pair in text.split(",") if pair)
    return frozenset((family, int(mark)) for family, mark in pairs)


def server(mark: str | int, real: str = "198.51.100.7", *, inside: str = "") -> str:
    """A plain virtual server by mark, with one real server."""
    return (
        f"virtual_server fwmark {mark} {{ lb_kind NAT\n {inside}\n"
        f" real_server {real} 80 {{\n }}\n}}\n"
    )


def grouped(group: str, real: str = "198.51.100.7", *, inside: str = "") -> str:
    """A virtual server by group."""
    return (
        f"virtual_server group {group} {{ lb_kind NAT\n  {inside}\n"
        f"  real_server {real} 80 {{\n  }}\n}}\n"
    )


def _flat(block: str) -> str:
    """A block on one line; what stands before its first real_server would take that in."""
    return block.replace(" lb_kind NAT", "").replace("\n", " ")


def instance(inside: str, name: str = "VI_1", *, router: int = 51) -> str:
    """A vrrp_instance that keepalived starts with, if ``inside`` has an address."""
    head = f"vrrp_instance {name} {{\n interface eth0\n virtual_router_id {router}\n"
    return f"{head} {inside}\n}}\n"


V6 = "2001:db8::7"

_FILLED = 1023
"""Bytes that fill keepalived's buffer."""

NUMBERS = [
    Case("plain", server(21), "inet 21"),
    Case("largest", server(4294967295), "inet 4294967295"),
    Case("too large", server(4294967296) + server(8), "inet 8"),
    Case("beyond 64 bits", server("9" * 40) + server(8), "inet 8"),
    Case("negative", server("-3") + server(8), "inet 8"),
    Case("negative that wraps around to 1", server(-(2**64 - 1)), "inet 1"),
    Case("negative that wraps around to 3", server(-(2**64 - 3)), "inet 3"),
    Case("leading zeros are decimal", server("0021"), "inet 21"),
    Case("plus sign", server("+21"), "inet 21"),
    Case("quoted with blanks", server('" 21 "'), "inet 21"),
    Case("letters after the digits", server("21x"), "inet 21"),
    Case("a range", server("21-25"), "inet 21"),
    Case("a mask", server("21/0xff"), "inet 21"),
    Case("hexadecimal", server("0x15") + server(8), "inet 8"),
    Case("a word", server("web") + server(8), "inet 8"),
    Case("an apostrophe", server("'21'") + server(8), "inet 8"),
    Case("zero", server(0) + server(8), "inet 8"),
    Case("two marks on a line", server("21 22"), "inet 21"),
    Case("no number", "virtual_server fwmark {\n}\n" + server(8)),
    Case("nothing at all", "virtual_server {\n}\n" + server(8)),
    Case("capitals", "virtual_server FWMARK 21 {\n real_server 198.51.100.7 80 {\n }\n}\n"),
]

LEXICAL = [
    Case("hash glued to the number", server("21#22"), "inet 21"),
    Case("bang glued to the number", server("21!22"), "inet 21"),
    Case("comment characters in quotes", server(21, inside='quorum_up "/bin/x # !"'), "inet 21"),
    Case("escaped hash", server("21\\#2"), "inet 21"),
    Case("unclosed quote hides the brace", server('21 "') + server(8), "inet 21, inet 8"),
    Case("quotes end a word", server('"21"'), "inet 21"),
    Case("quoted keywords", server(21).replace("virtual_server", '"virtual_server"'), "inet 21"),
    Case(
        "tabs and carriage returns", server(21).replace(" ", "\t").replace("\n", "\r\n"), "inet 21"
    ),
    Case("no-break space", server(21).replace("fwmark 21", "fwmark\u00a021") + server(8), "inet 8"),
    Case("byte order mark", "\ufeff" + server(21) + server(8), "inet 8"),
    Case("backslash at the end", server("21 \\") + server(8), "inet 21, inet 8"),
    Case("no newline at the end", server(21).rstrip(), "inet 21"),
    Case(
        "no newline at the end, and reload_check_config",
        "global_defs {\n reload_check_config\n}\n" + server(21, inside="lb_algo rr") + "$A=1",
        "inet 21",
    ),
    Case(
        "a quote that is not closed, and reload_check_config",
        "global_defs {\n reload_check_config\n}\n" + server(21, inside='lb_algo rr "'),
    ),
    Case(
        "a quote in a comment, and reload_check_config",
        "global_defs {\n reload_check_config\n}\n" + server(21, inside='lb_algo rr # "'),
        "inet 21",
    ),
    Case(
        "a quote out of a definition, and reload_check_config",
        'global_defs {\n reload_check_config\n}\n$Q=a"\n' + server(21, inside="lb_algo rr"),
    ),
    Case(
        "a sequence that is none, and reload_check_config",
        "global_defs {\n reload_check_config\n}\n~SEQ(N) x\n" + server(21, inside="lb_algo rr"),
    ),
    Case(
        "a long comment, and reload_check_config",
        f"global_defs {{\n reload_check_config\n}}\n# {'x' * 1100}\n"
        + server(21, inside="lb_algo rr"),
        "",
    ),
    Case("one line", "virtual_server fwmark 21{real_server 198.51.100.7 80{weight 1}}", "inet 21"),
    Case(
        "two blocks on a line",
        "virtual_server fwmark 21 { real_server 198.51.100.7 80 { } } "
        "virtual_server fwmark 22 { real_server 198.51.100.7 80 { } }",
        "inet 21, inet 22",
    ),
    Case(
        "brace some lines later",
        server(21).replace(" {", " # web\n\n ! still web\n{", 1),
        "inet 21",
    ),
    Case("brace in quotes", server(21, inside='quorum_up "echo {"') + server(8), "inet 21, inet 8"),
    Case("non-ASCII comments", "# Lastverteilung für … 負荷\n" + server(21), "inet 21"),
]

BLOCKS = [
    Case(
        "brace missing after a header",
        "virtual_server fwmark 21\n real_server 198.51.100.7 80 {\n }\n}\n" + server(8),
        "inet 21, inet 8",
    ),
    Case("closing brace missing", server(21)[:-2] + server(8), "inet 21"),
    Case("cut off in a real server", server(21) + server(8)[:-4], "inet 21, inet 8"),
    Case("one closing brace too many", server(21) + "}\n" + server(8), "inet 21, inet 8"),
    Case(
        "unknown block at top level", "site {\n" + server(21) + "}\n" + server(8), "inet 21, inet 8"
    ),
    Case(
        "unknown block in a virtual server ends it early",
        server(21, inside="snat {\n from any\n }") + server(8),
        "inet 8",
    ),
    Case(
        "unknown block after the real server",
        "virtual_server fwmark 21 {\n real_server 198.51.100.7 80 {\n }\n snat {\n }\n}\n"
        + server(8),
        "inet 21, inet 8",
    ),
    Case("unknown keyword", server(21, inside="colour blue"), "inet 21"),
    Case(
        "two keywords on a line",
        "virtual_server fwmark 21 {\n lb_algo rr real_server ::1 80 {\n }\n}\n",
    ),
    Case(
        "inside a vrrp_instance", "vrrp_instance A {\n" + server(21) + "}\n" + server(8), "inet 8"
    ),
    Case("inside global_defs", "global_defs {\n" + server(21) + "}\n" + server(8), "inet 8"),
    Case("inside a virtual server", server(21, inside=server(22)) + server(8), "inet 21, inet 8"),
    Case("global keyword without a block", "instance one\n" + server(21), "inet 21"),
    Case("vrrp keyword without its brace", "vrrp_script a\n" + server(21), "inet 21"),
    Case(
        "invalid address skips the block", "virtual_server 192.0.2.300 80 {\n" + server(21) + "}\n"
    ),
    Case(
        "real server without braces ends with its service",
        "virtual_server fwmark 21 {\n real_server 198.51.100.7 80\n}\n" + server(8),
        "inet 21",
    ),
    Case(
        "health check's own mark",
        server(21).replace("80 {", "80 {\n TCP_CHECK {\n connect_port 81\n fwmark 5\n }"),
        "inet 21",
    ),
    Case(
        "web check without a url",
        server(21).replace("80 {", "80 {\n HTTP_GET {\n }"),
        since={(2, 2, 8): "inet 21"},
    ),
    Case(
        "invalid header without its brace, after a virtual server without a real one",
        "virtual_server fwmark 21 {\n}\nvirtual_server T\n real_server 8.1.1.7 80 {\n }\n}\n",
        "inet 21",
        since={(2, 2, 8): ""},
    ),
    Case(
        "script that is set already, without its word",
        server(21, inside='quorum_up x\n quorum_up"/x'),
    ),
    Case(
        "script whose quote is left open, twice",
        server(21, inside='quorum_up"x\n quorum_up"x') + server(8),
        "inet 8, inet 21",
    ),
    Case(
        "script with a quote in quotes, twice",
        server(21, inside='quorum_up "it\'s"\n quorum_up"x') + server(8),
        "inet 8, inet 21",
    ),
    Case(
        "script that is set already, of an empty word glued to it",
        server(21, inside='quorum_up x\n quorum_up""') + server(8),
        "inet 8, inet 21",
    ),
    Case("script without its word", server(21, inside="quorum_up") + server(8)),
    Case(
        "check without its script, then a web check without a url",
        server(21).replace("80 {", "80 {\n MISC_CHECK {\n }\n HTTP_GET {\n }"),
        since={(2, 2, 8): "inet 21"},
    ),
    Case(
        "bfd_instance of a name that there is already: its block is skipped",
        "bfd_instance b {\n}\nbfd_instance b {\n site {\n }\n" + server(21) + "}\n" + server(8),
        "inet 8",
    ),
    Case("bfd_instance without a name", server(8) + "bfd_instance\n"),
    Case("quoted brace of a server", 'virtual_server "{"\n' + server(8)),
    Case(
        "web check whose url has no path",
        server(21).replace("80 {", "80 {\n HTTP_GET {\n url {\n }\n }"),
        since={(2, 2, 8): "inet 21"},
    ),
    Case(
        "script of an empty word", server(21, inside='quorum_up ""') + server(8), "inet 21, inet 8"
    ),
    Case(
        "script without its word, after an open quote",
        server(21, inside='quorum_up"/x') + server(8),
        "inet 21, inet 8",
    ),
    Case(
        "invalid real server with a quoted brace, after a valid one",
        "virtual_server fwmark 21 {\n real_server 198.51.100.7 80 {\n }\n"
        ' real_server www.example.org 80 "{"\n weight 3\n }\n}\n' + server(8),
        "inet 21, inet 8",
    ),
    Case(
        "invalid header with a quoted brace, after a virtual server",
        server(21) + 'virtual_server T 80 "{"\n real_server ::1 80 {\n }\n}\n' + server(8),
        "inet 21, inet 8",
    ),
    Case(
        "invalid header without its brace, after a virtual server",
        server(21) + "virtual_server T\n real_server ::1 80 {\n }\n}\n" + server(8),
        "inet 21, inet 8",
    ),
    Case(
        "quoted brace of a group",
        'virtual_server_group G "{"\n fwmark 21\n}\n' + grouped("G"),
        "inet 21",
    ),
    Case(
        "quoted brace of a group, and its first line",
        'virtual_server_group G "{" fwmark 21\n fwmark 22\n}\n' + grouped("G"),
        "inet 21, inet 22",
    ),
    Case("keyword without its word", server(21, inside="delay_loop") + server(8)),
    Case("values of a rule", "static_rules {\n fwmark 5 table 9\n}\n" + server(21), "inet 21"),
]

FAMILIES = [
    Case("IPv6 real server", server(21, V6), "inet6 21"),
    Case("a mark in both families", server(21) + server(21, V6), "inet 21, inet6 21"),
    Case("twice the same", server(21) + server(21), "inet 21"),
    Case("ip_family first", server(21, inside="ip_family inet6") + server(8), "inet 8"),
    Case(
        "ip_family with tunnels", server(21, V6, inside="lb_kind TUN\n ip_family inet"), "inet 21"
    ),
    Case("tunnels of one family", server(21, V6, inside="lb_kind TUN"), "inet6 21"),
    Case(
        "tunnels of both families",
        server(21, V6, inside="lb_kind TUN\n real_server 198.51.100.8 80 {\n }"),
        "inet 21",
    ),
    Case(
        "tunnel set on the real server",
        server(21).replace("80 {", "80 {\n lvs_method TUN").replace("198.51.100.7", V6)
        + server(22, inside="real_server ::1 80 {\n lvs_method TUN\n }"),
        "inet6 21, inet 22",
    ),
    Case(
        "forwarding after the real server",
        server(21, V6).replace("}\n}", "}\n lb_kind TUN\n}"),
        "inet6 21",
    ),
    Case("granularity by netmask", server(21, V6, inside="persistence_granularity 255.255.255.0")),
    Case(
        "granularity by prefix",
        server(21, inside="persistence_granularity 64") + server(8),
        "inet 8",
    ),
    Case("granularity out of range", server(21, inside="persistence_granularity 200"), "inet 21"),
    Case(
        "sorry server decides among tunnels",
        server(
            21, V6, inside="lb_kind TUN\n sorry_server 198.51.100.9 80\n sorry_server_lvs_method DR"
        ),
        "inet 21",
    ),
    Case("second family is dropped", server(21, inside="real_server ::1 80 {\n }"), "inet6 21"),
]

REAL_SERVERS = [
    Case("none", "virtual_server fwmark 21 {\n lb_algo rr\n}\n" + server(8), "inet 8"),
    Case("sorry server only", "virtual_server fwmark 21 {\n sorry_server 198.51.100.9 80\n}\n"),
    Case("a name is no address", server(21, "www.example.org") + server(8), "inet 8"),
    Case("port with garbage", server(21).replace(" 80 ", " 80abc "), "inet 21"),
    Case("port out of range", server(21).replace(" 80 ", " 70000 ") + server(8), "inet 8"),
    Case("port of zeros", server(21).replace(" 80 ", " 000 "), "inet 21"),
    Case("no port", server(21).replace(" 80 ", " "), "inet 21"),
    Case("address with a mask", server(21, "198.51.100.7/24"), "inet 21"),
    Case("weight 0 and alpha", server(21, inside="alpha\n weight 1\n quorum 9"), "inet 21"),
]

GROUPS = [
    Case(
        "group",
        "virtual_server_group G {\n fwmark 21\n fwmark 22\n}\n" + grouped("G"),
        "inet 21, inet 22",
    ),
    Case(
        "group after its use",
        grouped("G", V6) + "virtual_server_group G {\n fwmark 21\n}\n",
        "inet6 21",
    ),
    Case("unused group", "virtual_server_group G {\n fwmark 21\n}\n" + server(8), "inet 8"),
    Case("unknown group", grouped("H") + server(8), "inet 8"),
    Case(
        "of two groups with one name the first wins",
        "virtual_server_group G {\n fwmark 21\n}\nvirtual_server_group G {\n fwmark 22\n}\n"
        + grouped("G"),
        "inet 21",
    ),
    Case(
        "an empty group leaves its name to the next",
        "virtual_server_group G {\n}\nvirtual_server_group G {\n fwmark 22\n}\n" + grouped("G"),
        "inet 22",
    ),
    Case(
        "families on the lines, reached by tunnels",
        "virtual_server_group G {\n fwmark 21 inet\n fwmark 22 inet6\n}\n"
        + grouped("G", inside="lb_kind TUN"),
        "inet 21, inet6 22",
    ),
    Case(
        "both families and a real server of one",
        "virtual_server_group G {\n fwmark 21 inet\n fwmark 22 inet6\n}\n"
        + grouped("G")
        + server(8),
        "inet 8",
    ),
    Case(
        "both families and a mark without one",
        "virtual_server_group G {\n fwmark 21 inet\n fwmark 22 inet6\n fwmark 23\n}\n"
        + grouped("G", inside="lb_kind TUN")
        + server(8),
        "inet 8",
    ),
    Case(
        "other family",
        "virtual_server_group G {\n fwmark 21 inet6\n}\n" + grouped("G") + server(8),
        "inet 8",
    ),
    Case(
        "tunnels to a group without families",
        "virtual_server_group G {\n fwmark 21\n}\n" + grouped("G", V6, inside="lb_kind TUN"),
        "inet 21",
    ),
    Case(
        "family of the other entry",
        "virtual_server_group G {\n fwmark 21\n fwmark 22 inet6\n}\n"
        + grouped("G", inside="lb_kind TUN"),
        "inet6 21, inet6 22",
    ),
    Case(
        "an address gives the family",
        "virtual_server_group G {\n 192.0.2.1 80\n fwmark 21\n}\n" + grouped("G", V6) + server(8),
        "inet 8",
    ),
    Case(
        "invalid addresses give no family",
        "virtual_server_group G {\n 192.0.2.1/24 80\n 192.0.2.9-3 80\n 192.0.2.9-192.0.2.1 80\n"
        " 192.0.2.1-300 80\n 192.0.2.1 99999\n fwmark 21\n}\n" + grouped("G", V6),
        "inet6 21",
    ),
    Case(
        "a range to a hexadecimal number gives the family",
        "virtual_server_group G {\n ::-0x9\n fwmark 21\n}\n" + grouped("G") + server(8),
        "inet 8",
    ),
    Case(
        "address ranges and prefixes give the family",
        "virtual_server_group G {\n 192.0.2.1-9 80\n 192.0.2.0/24 80\n 192.0.2.1-192.0.2.9 80\n"
        " fwmark 21\n}\n" + grouped("G", V6) + server(8),
        "inet 8",
    ),
    Case(
        "unknown family",
        "virtual_server_group G {\n fwmark 21 ip\n fwmark 22\n}\n" + grouped("G"),
        "inet 22",
    ),
    Case(
        "two entries on a line",
        "virtual_server_group G { fwmark 21 fwmark 22 }\n" + grouped("G") + server(8),
        "inet 8",
    ),
    Case(
        "one entry on one line", "virtual_server_group G { fwmark 21 }\n" + grouped("G"), "inet 21"
    ),
    Case(
        "comment on the closing line",
        "virtual_server_group G {\n fwmark 21\n} # end\n" + grouped("G"),
        "inet 21",
    ),
    Case("brace missing", "virtual_server_group G\n fwmark 21\n}\n" + grouped("G")),
    Case(
        "IPv4, then IPv6 through one group",
        "virtual_server_group G {\n fwmark 21\n}\n" + grouped("G") + grouped("G", V6),
        "inet 21",
    ),
    Case(
        "IPv6, then IPv4 through one group",
        "virtual_server_group G {\n fwmark 21\n}\n" + grouped("G", V6) + grouped("G"),
        "inet 21, inet6 21",
    ),
    Case(
        "group not closed as its braces count",
        "virtual_server_group G {\n fwmark 21\n lb_algo rr {\n}\n" + grouped("G"),
    ),
    Case(
        "group named fwmark",
        "virtual_server_group fwmark {\n fwmark 21\n}\n" + grouped("fwmark"),
        "inet 21",
    ),
    Case(
        "entry out of range",
        "virtual_server_group G {\n fwmark -1\n fwmark 22\n}\n" + grouped("G"),
        "inet 22",
    ),
    Case(
        "entry of zero",
        "virtual_server_group G {\n fwmark x\n fwmark 22\n}\n" + grouped("G"),
        "inet 22",
    ),
    Case(
        "entry without number", "virtual_server_group G {\n fwmark\n}\n" + grouped("G") + server(8)
    ),
    Case("group without a name", "virtual_server group {\n}\n" + server(8)),
]

EXPANSIONS = [
    Case(
        "a piece that fills the buffer ends a definition of several lines, too",
        "$V=virtual_server fwmark 21 { \\\n"
        + "real_server 198.51.100.7".ljust(_FILLED - len("80 {\\"))
        + "80 {\\ }\n }\n$V\n }\n"
        + server(8),
        "inet 21",
        since={(2, 4, 0): "inet 8"},
    ),
    Case(
        "a line that grows by a letter each time that it is looked at",
        "$B=\\${A}\\\n\n$A=$B${_HASH}\n$A\n" + server(8),
        "inet 8",
    ),
    Case(
        "a line that comes back to what it was, each time that it is looked at",
        "$B=\\\n${A} \\\nalpha\n$A=$B ${_HASH}\n$A\n" + server(8),
        "",
        since={(2, 4, 0): "inet 8"},
    ),
    Case(
        "an empty line of a definition ends the one that its first line begins",
        "$M=\\\n$K=\\\\\n\n${M}\n" + server(8),
        "inet 8",
    ),
    Case(
        "a sequence without text ends the definition that it stands in",
        "$M=\\\n$K=\\\\\n~SEQ(N,1,2)\n$M\n" + server(8) + "}\n" + server(21),
        "inet 8, inet 21",
    ),
    Case(
        "a line that fills the buffer ends a definition of several lines",
        "$V=virtual_server fwmark 21 { \\\n"
        + "real_server 198.51.100.7".ljust(_FILLED - len("80 {\\"))
        + "80 {\\\n }\n }\n$V\n }\n"
        + server(8),
        "inet 21",
        since={(2, 4, 0): "inet 8"},
    ),
    Case("condition that holds", "@director1 " + server(21), "inet 21"),
    Case(
        "conditions on every line",
        "@director2 virtual_server fwmark 21 {\n@^director2 virtual_server fwmark 22 {\n"
        "@director1 real_server 198.51.100.7 80 {\n@director1 }\n@^x }\n" + server(8),
        "inet 22, inet 8",
    ),
    Case(
        "condition alone or with a blank", "@director1\n@ director1 x {\n" + server(21), "inet 21"
    ),
    Case("negated nothing", "@^ " + server(21), "inet 21"),
    Case("two conditions", "@director1 @director1 " + server(21) + server(8), "inet 8"),
    Case("definition", "$M=21\n" + server("${M}") + server("$M"), "inet 21"),
    Case("definition joined to text", "$M=2\n" + server("${M}1"), "inet 21"),
    Case(
        "definition glued to a brace",
        "$M=21\n" + server("$M").replace("$M {", "$M{") + server(8),
        "inet 8",
    ),
    Case(
        "definition redefined",
        "$M=21\n" + server("$M") + "$M=22\n" + server("$M"),
        "inet 21, inet 22",
    ),
    Case("definition after its use", server("$M") + "$M=21\n" + server(8), "inet 8"),
    Case("definitions in definitions", "$A=2${B}\n$B=1\n" + server("$A"), "inet 21"),
    Case(
        "definition of a header",
        "$H=virtual_server fwmark 21 {\n$H\n real_server 198.51.100.7 80\n}\n}\n",
        "inet 21",
    ),
    Case(
        "definition of a keyword",
        "$F=fwmark 21\nvirtual_server $F {\n real_server 198.51.100.7 80 {\n}\n}\n",
        "inet 21",
    ),
    Case("blank before the equals sign", "$M =21\n" + server("$M") + server(8), "inet 8"),
    Case("blank after the equals sign", "$M=  21\n" + server("$M"), "inet 21"),
    Case("quoted use", "$M=21\n" + server('"$M"') + server(8), "inet 8"),
    Case("comment from a definition", server("21${_HASH}5"), "inet 21"),
    Case(
        "condition and definition", "@director1 $M=21\n@director2 $M=22\n" + server("$M"), "inet 21"
    ),
    Case("undefined", server("${NONE}") + server(8), "inet 8"),
    Case("built-in instance", "@director1 $M=21\n$N=${_INSTANCE}\n" + server("$M"), "inet 21"),
    Case("escaped bang at the start of a line", "\\!\n" + server(8)),
    Case("escaped hash at the start of a line", "\\# x/y\n" + server(8), "inet 8"),
    Case("comment that ends in a backslash", server("21 # web \\") + server(8), "inet 21, inet 8"),
    Case(
        "family before a comment that ends in a backslash",
        "virtual_server_group G {\n fwmark 21 inet # \\\n fwmark 22\n}\n" + grouped("G"),
        "inet 22",
        since={(2, 4, 0): "inet 21, inet 22"},
    ),
    Case(
        "definition of several lines",
        "$V=virtual_server fwmark ${M} { \\\n real_server 198.51.100.7 80 { \\\n } \\\n }\n"
        "$M=21\n$V\n$M=22\n$V\n",
        "inet 21, inet 22",
    ),
    Case(
        "definition of several lines ended by a comment",
        "$V=virtual_server fwmark 21 { \\\n real_server 198.51.100.7 80 { \\\n # end\n }\n }\n"
        "$V\n}\n}\n",
        "inet 21",
    ),
    Case(
        "definition of several lines in the middle of a line",
        "$A=21 { \\\n real_server 198.51.100.7 80\nvirtual_server fwmark $A x\n}\n" + server(8),
        "inet 8",
    ),
    Case(
        "definitions of several lines, nested",
        "$R=real_server 198.51.100.7 80 { \\\n weight 1 \\\n }\n"
        "$V=virtual_server fwmark 21 { \\\n $R \\\n }\n$V\n",
        "inet 21",
    ),
    Case("definition of several lines that has one", "$M=\\\n 21\n" + server("${M}"), "inet 21"),
    Case(
        "sequence",
        "~SEQ(n, 21, 23) virtual_server fwmark ${n} { real_server 198.51.100.${n} 80 { } }\n",
        "inet 21, inet 22, inet 23",
    ),
    Case(
        "sequence with a step, downwards",
        "virtual_server_group G {\n ~SEQ(n, 29, -4, 20) fwmark $n\n}\n" + grouped("G"),
        "inet 29, inet 25, inet 21",
    ),
    Case(
        "sequence of one number",
        "virtual_server_group G {\n ~SEQ(n, 3) fwmark 2${n}\n}\n" + grouped("G"),
        "inet 21, inet 22, inet 23",
    ),
    Case(
        "sequence in hexadecimal",
        "virtual_server_group G {\n ~SEQx(n, 9, 0xb) fwmark 2${n}\n}\n" + grouped("G"),
        "inet 29, inet 2",
    ),
    Case(
        "sequences, nested",
        "virtual_server_group G {\n ~SEQ(a, 1, 2) ~SEQ(b, 5, 6) fwmark ${a}${b}\n}\n"
        + grouped("G"),
        "inet 15, inet 16, inet 25, inet 26",
    ),
    Case(
        "sequence with definitions in its numbers",
        "$L=22\nvirtual_server_group G {\n ~SEQ(n, 21, $L) fwmark $n\n}\n" + grouped("G"),
        "inet 21, inet 22",
    ),
    Case("sequence that is none", "~SEQ(n) x\n~SEQ n\n~SEQUENCE(a,1,2) x\n" + server(8), "inet 8"),
    Case(
        "list",
        "virtual_server_group G {\n ~LST(n, 21, 25) fwmark $n\n}\n" + grouped("G"),
        "inet 21, inet 25",
    ),
    Case(
        "list that is broken, then a sequence",
        "~LST\n~SEQ(n, 21, 22) " + _flat(server("$n")) + "\n" + server(8),
        "inet 21, inet 22, inet 8",
    ),
    Case(
        "list that is broken after a sequence",
        "~SEQ(n, 21, 22) " + _flat(server("$n")) + "\n~LST\n" + server(8),
        "inet 21, inet 22, inet 8",
    ),
    Case(
        "sequence of definitions of several lines",
        "~SEQ(n, 1, 2) $B=\\\n" + server(21) + server(8),
        "inet 8",
    ),
    Case(
        "list of several values",
        "~LST({n, r}, {21, 198.51.100.7}, {22, 2001:db8::7}, {23}) "
        "virtual_server fwmark $n { real_server $r 80 { } }\n",
        "inet 21, inet6 22",
    ),
    Case(
        "sequence in a definition of several lines",
        "$G=virtual_server_group G { \\\n ~SEQ(n, 21, 22) fwmark $n \\\n }\n$G\n" + grouped("G"),
        "inet 21, inet 22",
    ),
    Case(
        "definition of several lines in a sequence",
        "$V=virtual_server fwmark ${n} { \\\n real_server 198.51.100.7 80 { \\\n } \\\n }\n"
        "~SEQ(n, 21, 22) $V\n",
        "inet 21, inet 22",
    ),
]

INCLUDES = [
    Case("include", "include a.conf\n", "inet 21", {"a.conf": server(21)}),
    Case(
        "relative to the including file",
        "include sub/a.conf\n" + server(8),
        "inet 21, inet 8",
        {"sub/a.conf": "include b.conf\n", "sub/b.conf": server(21), "b.conf": server(22)},
    ),
    Case(
        "wildcard, in order",
        "include conf.d/*.conf\n" + server("$M"),
        "inet 21, inet 22",
        {
            "conf.d/2.conf": "$M=22\n",
            "conf.d/1.conf": server(21) + "$M=1\n",
            "conf.d/.3.conf": server(23),
        },
    ),
    Case(
        "braces",
        "include {b,a}.conf\n",
        "inet 21, inet 22",
        {"a.conf": server(21), "b.conf": server(22)},
    ),
    Case("missing", "include nowhere.conf\n" + server(8), "inet 8"),
    Case("missing, readable only", "includer nowhere.conf\n" + server(8), "inet 8"),
    Case("missing, on which it exits", "includem nowhere.conf\n" + server(8)),
    Case(
        "wildcard without a match",
        "include conf.d/*.conf\n" + server(8),
        "inet 8",
        {"conf.d/x": ""},
    ),
    Case(
        "wildcard without a match, on which it exits",
        "includew conf.d/*.conf\n" + server(8),
        "",
        {"conf.d/x": ""},
    ),
    Case("one of several missing", "includeb {a,b}.conf\n" + server(8), "", {"a.conf": server(21)}),
    Case(
        "one of several missing, readable only",
        "includer {a,b}.conf\n",
        "inet 21",
        {"a.conf": server(21)},
    ),
    Case(
        "includet is no keyword", "includet a.conf\n" + server(8), "inet 8", {"a.conf": server(21)}
    ),
    Case(
        "quotes are part of the name",
        'include "a.conf"\n' + server(8),
        "inet 8",
        {"a.conf": server(21)},
    ),
    Case(
        "two names are one", "include a.conf a.conf\n" + server(8), "inet 8", {"a.conf": server(21)}
    ),
    Case("executable", "include *.d\n", "inet 22", {"a.d": server(21), "b.d": server(22)}, "a.d"),
    Case(
        "executable, on which it exits",
        "includer a.d\n" + server(8),
        "",
        {"a.d": server(21)},
        "a.d",
    ),
    Case("directory", "include sub\n" + server(8), "inet 8", {"sub/a.conf": server(21)}),
    Case(
        "inside a block",
        "virtual_server fwmark 21 {\n include real\n}\n",
        "inet6 21",
        {"real": f"real_server {V6} 80 {{\n}}\n"},
    ),
    Case(
        "half a block",
        "include head\n real_server 198.51.100.7 80 {\n }\n}\n" + server(8),
        "inet 21, inet 8",
        {"head": "virtual_server fwmark 21 {\n"},
    ),
    Case(
        "under a condition",
        "@director1 include a\n@x include b\n",
        "inet 21",
        {"a": server(21), "b": server(22)},
    ),
    Case("by a definition", "$D=sub\ninclude ${D}/a\n", "inet 21", {"sub/a": server(21)}),
    Case("by the directory", "include ${_PWD}/sub/a\n", "inet 21", {"sub/a": server(21)}),
    Case(
        "under a condition, and so read twice",
        "$M=21\n@director1 include a\n",
        "inet 21, inet 22",
        {"a": server("$M") + "$M=22\n"},
    ),
    Case(
        "by a sequence: the last one first",
        "~SEQ(n, 1, 2) include ${n}\n" + server("$M"),
        "inet 21",
        {"1": "$M=21\n", "2": "$M=22\n"},
    ),
    Case(
        "of the directory itself and the one above",
        "includer .*\n" + server(8),
        "",
        {"a": server(21)},
    ),
    Case(
        "escaped brace",
        "include {a\\}.conf\n" + server(8),
        "inet 21, inet 8",
        {"{a}.conf": server(21)},
    ),
    Case("escaped letters", "include a\\.conf\n", "inet 21", {"a.conf": server(21)}),
    Case(
        "escaped hash in a name",
        "include a\\#\n" + server(8),
        "inet 21, inet 8",
        {"a#": server(21)},
    ),
    Case("nothing", "$F=\nincludem ${F}\n" + server(8), "inet 8"),
    Case(
        "missing, on which global_defs lets it exit",
        "global_defs {\n include_check\n}\ninclude nowhere.conf\n" + server(8),
    ),
    Case(
        "missing, on which global_defs does not let it exit",
        "global_defs {\n include_check read wildcard_match\n}\ninclude nowhere.conf\n" + server(8),
        "inet 8",
    ),
    Case("definitions go out", "include a\n" + server("$M"), "inet 21", {"a": "$M=21\n"}),
]

_ADDRESSES = "virtual_server_group G {\n 192.0.2.1 80\n 192.0.2.8-9 443\n}\n"
_SIX = "virtual_server_group S {\n 2001:db8::1 80\n}\n"
_BOTH = "virtual_server_group B {\n 192.0.2.1 80\n 2001:db8::1 80\n}\n"
_MARKS = "virtual_server_group M {\n fwmark 21\n}\n"
_MIXED = "virtual_server_group X {\n 192.0.2.1 80\n fwmark 21\n}\n"


def automatic(lines: str = "nftables_ipvs") -> str:
    """global_defs with a few lines."""
    return f"global_defs {{\n{lines}\n}}\n"


_ON = automatic()

RESERVED = [
    Case("no automatic marks", _ADDRESSES + grouped("G") + server(8), "inet 8"),
    Case("automatic mark", _ON + _ADDRESSES + grouped("G"), reserved="inet 1000"),
    Case("automatic mark, defined last", _ADDRESSES + grouped("G") + _ON, reserved="inet 1000"),
    Case(
        "one automatic mark for each protocol",
        _ON
        + _ADDRESSES
        + grouped("G", inside="protocol tcp")
        + grouped("G", inside="protocol Udp")
        + grouped("G", inside="protocol SCTP")
        + grouped("G", inside="protocol DCCP"),
        reserved="inet 1000, inet 1001, inet 1002",
    ),
    Case(
        "the last protocol counts",
        _ON
        + _ADDRESSES
        + grouped("G", inside="protocol UDP\n protocol TCP")
        + grouped("G", inside="protocol TCP")
        + grouped("G", inside="protocol TCP\n protocol ICMP"),
        reserved="inet 1000",
    ),
    Case(
        "automatic marks in the order of use",
        _ON + _ADDRESSES + _SIX + grouped("S", V6) + grouped("G"),
        reserved="inet6 1000, inet 1001",
    ),
    Case("unused groups have no automatic mark", _ON + _ADDRESSES + server(8), "inet 8"),
    Case(
        "dropped servers have no automatic mark",
        _ON + _ADDRESSES + _SIX + grouped("S") + grouped("G", "www.example.org") + grouped("G"),
        reserved="inet 1000",
    ),
    Case(
        "automatic mark of both families",
        _ON + _BOTH + grouped("B", inside="lb_kind TUN"),
        reserved="inet 1000, inet6 1000",
    ),
    Case(
        "an IPv6 tunnel to IPv4 addresses",
        _ON + _ADDRESSES + grouped("G", V6, inside="lb_kind TUN"),
        reserved="inet 1000",
    ),
    Case("marks of its own leave a group alone", _ON + _MARKS + grouped("M"), "inet 21"),
    Case("so does one beside addresses", _ON + _MIXED + grouped("X"), "inet 21"),
    Case(
        "so does mark 0",
        _ON + _MIXED.replace("21", "x") + grouped("X") + server(8),
        "inet 8",
    ),
    Case(
        "first automatic mark",
        automatic("nftables_ipvs\n nftables_ipvs_start_fwmark 77") + _ADDRESSES + grouped("G"),
        reserved="inet 77",
    ),
    Case(
        "first automatic mark too early",
        automatic("nftables_ipvs_start_fwmark 77\n nftables_ipvs") + _ADDRESSES + grouped("G"),
        reserved="inet 1000",
    ),
    Case(
        "first automatic mark alone",
        automatic("nftables_ipvs_start_fwmark 77") + _ADDRESSES + grouped("G") + server(8),
        "inet 8",
    ),
    Case(
        "first automatic marks that are none",
        automatic(
            "nftables_ipvs t\n nftables_ipvs_start_fwmark 77\n nftables_ipvs_start_fwmark 78x\n"
            " nftables_ipvs_start_fwmark 0\n nftables_ipvs_start_fwmark -5\n"
            " nftables_ipvs_start_fwmark 0x50\n nftables_ipvs_start_fwmark 4294967296\n"
            " nftables_ipvs u"
        )
        + _ADDRESSES
        + grouped("G"),
        reserved="inet 77",
    ),
    Case(
        "no first automatic mark",
        automatic("nftables_ipvs\n nftables_ipvs_start_fwmark") + _ADDRESSES + grouped("G"),
    ),
    Case(
        "no priority of automatic marks",
        automatic("nftables_ipvs_priority") + server(8),
    ),
    Case(
        "after the last mark it begins anew",
        automatic("nftables_ipvs\n nftables_ipvs_start_fwmark 4294967295")
        + _ADDRESSES
        + grouped("G", inside="protocol TCP")
        + grouped("G", inside="protocol UDP")
        + _SIX
        + grouped("S", V6),
        reserved="inet 4294967295, inet6 4294967295",
    ),
    Case(
        "a name that is too long",
        automatic(f"nftables_ipvs {'x' * 256}") + _ADDRESSES + grouped("G") + server(8),
        "inet 8",
    ),
    Case(
        "global_defs twice",
        automatic("nftables_ipvs")
        + automatic("nftables_ipvs_start_fwmark 9")
        + _BOTH
        + grouped("B", inside="lb_kind TUN"),
        reserved="inet 9, inet6 9",
    ),
    Case(
        "an automatic mark that is in use",
        _ON + _ADDRESSES + grouped("G") + server(1000) + server(1000, V6),
        "inet 1000, inet6 1000",
        reserved="inet 1000",
    ),
    Case(
        "automatic marks by a definition",
        "$N=nftables_ipvs\n" + automatic("$N") + _ADDRESSES + grouped("G"),
        reserved="inet 1000",
    ),
    Case(
        "outside of global_defs",
        "nftables_ipvs\n" + _ADDRESSES + grouped("G") + server(8),
        "inet 8",
    ),
    Case(
        "automatic marks alone, and the parent sees no server",
        _ON + "virtual_server_group G {\n 192.0.2.1 80\n lb_algo rr {\n}\n" + grouped("G"),
    ),
]

MAIL_HOST = "connect_ip 198.51.100.7"
MAIL_TIMEOUT = "connect_timeout 3"


def checked(*checks: str, real: str = "198.51.100.7") -> str:
    """A virtual server by mark 21, whose real server has checks."""
    inside = "".join(f" {check}\n" for check in checks)
    return f"virtual_server fwmark 21 {{\n real_server {real} 80 {{\n{inside} }}\n}}\n"


def mail(*hosts: str, inside: str = "") -> str:
    """An SMTP_CHECK with hosts in it."""
    blocks = "".join(f" host {{\n {host}\n }}\n" for host in hosts)
    return f"SMTP_CHECK {{\n {inside}\n{blocks} }}"


def looping(name: str, text: str) -> Case:
    """One on which keepalived hangs from 2.3.0 to 2.3.3."""
    return Case(name, text + server(8), BOTH, since={(2, 3, 0): "", (2, 3, 4): BOTH})


BOTH = "inet 8, inet 21"

VERSIONS = [
    Case(
        "a quote in a check's script that is left open before an escaped letter",
        checked('MISC_CHECK {\n misc_path"\\!\n }') + server(8),
        BOTH,
    ),
    Case(
        "a quote in a check's script that is left open before an octal number",
        checked('MISC_CHECK {\n misc_path"\\101\n }') + server(8),
        BOTH,
        since={(2, 3, 2): ""},
    ),
    Case(
        "a quote in a check's script that is left open behind one",
        checked('MISC_CHECK {\n misc_path"\\!x\n }') + server(8),
    ),
    Case("a check by SMTP", checked(mail()) + server(8), BOTH),
    looping("a check by SMTP of a host", checked(mail(MAIL_HOST))),
    looping("a check by SMTP of a host's port", checked(mail("connect_port 25"))),
    looping("a check by SMTP with a timeout, of a host", checked(mail("", inside=MAIL_TIMEOUT))),
    looping("a check by SMTP of two hosts", checked(mail("", ""))),
    Case(
        "a check by SMTP of a host whose address is taken back",
        checked(mail(f"{MAIL_HOST}\n connect_ip x")) + server(8),
        BOTH,
    ),
    looping(
        "a check by SMTP of a host whose port is not",
        checked(mail("connect_port 25\n connect_port x")),
    ),
    Case(
        "a check by SMTP of a host, and nothing that counts",
        checked(mail("fwmark 0", inside="bindto x")) + server(8),
        BOTH,
    ),
    looping(
        "a check by SMTP of a host, from an address of another family",
        checked(mail(f"{MAIL_HOST}\n bindto ::1")),
    ),
    Case("a check by SMTP of a host that says nothing", checked(mail("")) + server(8), BOTH),
    Case(
        "a check by SMTP of a host, and another check",
        checked(mail(MAIL_HOST), "TCP_CHECK {\n }") + server(8),
        BOTH,
    ),
    Case(
        "a check by SMTP of a host, and one without its script",
        checked(mail(MAIL_HOST), "MISC_CHECK {\n }") + server(8),
        BOTH,
    ),
    looping(
        "a check by SMTP of a host, and one of a file",
        checked(mail(MAIL_HOST), "FILE_CHECK {\n track_file f\n }"),
    ),
    Case(
        "a check by SMTP of a host, of a server of another family",
        "virtual_server fwmark 21 {\n ip_family inet\n real_server 198.51.100.7 80 {\n }\n"
        f" real_server 2001:db8::7 80 {{\n {mail(MAIL_HOST)}\n }}\n}}\n" + server(8),
        BOTH,
    ),
    Case(
        "and one of its family after it",
        "virtual_server fwmark 21 {\n ip_family inet\n"
        f" real_server 2001:db8::7 80 {{\n {mail(MAIL_HOST)}\n }}\n"
        " real_server 198.51.100.7 80 {\n }\n}\n" + server(8),
        BOTH,
    ),
    Case(
        "a word missing in an invalid server without its brace",
        server(8) + "virtual_server www.example.org 80\n lb_kind\n}\n",
        "",
        since={(2, 2, 8): "inet 8"},
    ),
    Case(
        "a word missing in an invalid real server without its brace",
        server(8) + "virtual_server fwmark 21 {\n real_server 198.51.100.7 80 {\n }\n"
        " real_server www.example.org 80\n lvs_method\n }\n}\n",
        "",
        since={(2, 2, 8): BOTH},
    ),
    Case(
        "a sorry server that takes over at the start",
        "virtual_server fwmark 21 {\n sorry_server 198.51.100.99 80\n"
        " real_server 198.51.100.7 80 {\n weight 0\n }\n}\n" + server(8),
        BOTH,
    ),
    Case(
        "a control character in a script's line takes the blank along",
        server(21, inside='quorum_up""\\c x') + server(8),
        "",
        since={(2, 3, 2): BOTH},
    ),
    Case(
        "a brace in quotes in place of a port",
        'virtual_server fwmark 21 {\n real_server 198.51.100.7 "{"\n }\n}\n' + server(8),
    ),
]

CASES = [
    *VERSIONS,
    *NUMBERS,
    *LEXICAL,
    *BLOCKS,
    *FAMILIES,
    *REAL_SERVERS,
    *GROUPS,
    *EXPANSIONS,
    *INCLUDES,
    *RESERVED,
]
