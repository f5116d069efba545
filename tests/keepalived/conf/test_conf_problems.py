"""What is said about a configuration that keepalived reads otherwise than it looks."""

from pathlib import Path

import pytest

from lvsmarkd.keepalived import read
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.running import Build
from tests.keepalived.cases import CONFIG_ID, V6, Case, grouped, instance, server

_PAIR = "virtual_server_group G {\n fwmark 21 inet\n fwmark 22 inet6\n}\n"

# Text, the line of the first problem, words of it, the marks it is about.
SAID = [
    (server("21x"), 1, "as 21", (21,)),
    (server("0x15"), 1, "write 21, in decimal", ()),
    (server("web"), 1, "as 0", ()),
    (server(0), 1, "no mark", ()),
    (server(4294967296), 1, "drops it", ()),
    (server("21 22"), 1, "passes over '22'", (21,)),
    (server(21).replace("virtual_server", "virtual_sever"), 1, "write virtual_server", (21,)),
    (server(21).replace("fwmark", "FWMARK"), 1, "lower case", (21,)),
    (server(21, "www.example.org"), 1, "no real_server in it is usable", (21,)),
    (server(21, V6, inside="ip_family inet"), 1, "is inet6, the service inet", (21,)),
    (server(21, inside="ip_family ipv6"), 2, "inet or inet6", (21,)),
    (server(21, inside="snat {\n }"), 2, "ends the virtual_server around it", (21,)),
    ("vrrp_instance A {\n" + server(21) + "}\n", 2, "inside the block of 'vrrp_instance A'", (21,)),
    (server(8, inside=server(21)), 2, "inside the block of virtual_server", (21,)),
    ("site {\n" + server(21) + "}\n", 1, "'site' opens no block at top level", ()),
    (server(21) + "}\n", 6, "closes nothing", ()),
    ("virtual_server fwmark 21\n real_server ::1 80 {\n }\n}\n", 2, "'{' of virtual_server", (21,)),
    ("virtual_server fwmark {\n}\n", 1, "crashes", ()),
    ("virtual_server_group G {\n fwmark\n}\n" + grouped("G"), 2, "exits", ()),
    (server(21, inside="delay_loop"), 2, "exits", ()),
    (_PAIR + server(8), 1, "no virtual_server uses group G", (21, 22)),
    (_PAIR + grouped("G"), 5, "holds both families", (21, 22)),
    (_PAIR.replace(" inet\n", "\n") + grouped("G"), 5, "is inet6 and this", (21, 22)),
    (grouped("H"), 1, "no usable virtual_server_group H", ()),
    (_PAIR + _PAIR + grouped("G", inside="lb_kind TUN"), 5, "stands at", (21, 22)),
    ("virtual_server_group G { fwmark 21 fwmark 22 }\n", 1, "no family", (21, 22)),
    (
        "virtual_server_group G {\n fwmark 21 inet 22\n}\n" + grouped("G"),
        2,
        "passes over '22'",
        (21,),
    ),
    ("virtual_server_group G {\n fwmark 21 inet x\n}\n" + grouped("G"), 2, "passes over", (21,)),
    (
        "virtual_server_group G {\n fwmark 21\n}\n" + grouped("G") + grouped("G", V6),
        9,
        "group of its own",
        (21,),
    ),
    (
        server(21).replace("80 {", "80 {\n TCP_CHECK {\n fwmark 21\n }"),
        5,
        "marks its own packets",
        (21,),
    ),
    (
        "virtual_server group G {\n fwmark 21\n real_server ::1 80 {\n }\n}\n",
        2,
        "nothing inside",
        (21,),
    ),
    (
        "vrrp_instance A {\n virtual_ipaddress {\n fwmark 21\n }\n}\n" + server(8),
        3,
        "no address",
        (21,),
    ),
    ("$X=$X\n" + server("${X}"), 2, "hangs", ()),
    ("~SEQ(n) x\n" + server(21), 1, "no sequence", ()),
    (server("${_RANDOM}"), 1, "another number at each start", ()),
    (server(21).replace("80 {", "80 {\n HTTP_GET {\n }"), 5, "no url with a path", ()),
    ("virtual_server T\n}\n" + server(8), 2, "may crash", ()),
    ('virtual_server T 80 "{"\n}\n' + server(8), 2, "may crash", ()),
    (
        'virtual_server fwmark 21 {\n real_server f 80 "{"\n weight 3\n }\n}\n' + server(8),
        3,
        "may crash",
        (),
    ),
    (
        "virtual_server_group G {\n 1.0.2.9-192.0.2.1 80\n fwmark 21\n}\n" + grouped("G"),
        2,
        "may not come to what follows",
        (),
    ),
    ("\\!\n" + server(8), 0, "escaped", ()),
    (server(21) + "# " + "x" * 1100, 6, "1023 bytes", ()),
    (server(21) + "#\0\n", 6, "NUL", ()),
    ("\ufeff" + server(21), 1, "begins with a byte order mark", (21,)),
    ("include gone.conf\n" + server(8), 1, "is not there", ()),
]


def problems_of(text: str, directory: Path) -> tuple[Problem, ...]:
    return read(Case("", text).write(directory), CONFIG_ID).problems


@pytest.mark.parametrize(("text", "line", "words", "marks"), SAID, ids=[said[2] for said in SAID])
def test_a_problem_names_the_line_and_the_marks(
    text: str, line: int, words: str, marks: tuple[int, ...], tmp_path: Path
) -> None:
    problems = problems_of(text, tmp_path)

    told = [problem for problem in problems if words in problem.message]
    assert told, problems
    assert (told[0].origin.line, told[0].marks) == (line, marks)
    assert all(problem.origin.file.startswith(str(tmp_path)) for problem in problems)


@pytest.mark.parametrize(
    "text",
    [
        server(21),
        "vrrp_instance V {\n interface eth0\n}\n",
        "# a comment\n" + server(21),
        "global_defs {\n}\n",
        "\n" + server(21),
        "include a\n",
    ],
)
def test_a_byte_order_mark_is_told_without_its_escape(text: str, tmp_path: Path) -> None:
    told = [problem.message for problem in problems_of("\ufeff" + text, tmp_path)]

    assert sum("begins with a byte order mark" in message for message in told) == 1, told
    assert not any("ufeff" in message for message in told), told


@pytest.mark.parametrize(
    "text",
    [
        server(21),
        server("021") + server(21, V6, inside="protocol TCP\n delay_loop 6"),
        "vrrp_script x {\n script y\n}\n" + instance("virtual_ipaddress {\n 192.0.2.1\n }"),
        "global_defs {\n router_id x\n}\n" + server(21, inside="weight 0x10"),
        "virtual_server 192.0.2.1 80 {\n real_server 192.0.2.300 80 {\n }\n}\n",
        "@nobody virtual_server fwmark 0x21 {\n" + server(21),
        "virtual_server_group G {\n 192.0.2.1 80\n}\n",
        "include conf.d/*.conf\n" + server(21),
    ],
)
def test_what_does_not_matter_to_marks_is_not_mentioned(text: str, tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    assert problems_of(text, tmp_path) == ()


def test_an_error_is_told_once_and_not_again_for_what_follows_from_it(tmp_path: Path) -> None:
    inside = "snat {\n from 192.0.2.1\n }\n another line"
    problems = problems_of(server(21, inside=inside) + server(8), tmp_path)

    assert [problem.origin.line for problem in problems] == [2, 1]


def test_a_fatal_line_leaves_nothing_programmed(tmp_path: Path) -> None:
    problems = problems_of(server(21) + "virtual_server {\n}\n", tmp_path)

    assert [problem.fatal for problem in problems] == [True]


def test_what_an_unknown_block_drags_along_is_not_told_line_by_line(tmp_path: Path) -> None:
    text = server(21, inside="source_rules {\n rule 5\n other 6\n }\n colour blue") + server(8)
    text += server(9, inside="colour blue")

    told = problems_of(text, tmp_path)
    assert [problem.origin.line for problem in told if "colour" in problem.message] == [16]


def test_what_is_taken_for_granted_is_a_note(tmp_path: Path) -> None:
    text = "virtual_server fwmark 21 {\n real_server 192.0.2.1 80 {\n }\n}\n"
    assert [problem.note for problem in problems_of(text, tmp_path)] == [True]


def test_a_word_is_judged_by_the_version_that_reads_it(tmp_path: Path) -> None:
    text = server(21).replace("80 {", "80 {\n SSL_GET {\n tls_compliant\n url {\n path /\n }\n }")
    path = Case("", text).write(tmp_path)

    [old] = read(path, CONFIG_ID).problems
    assert "install 2.2.8 or newer" in old.message
    assert read(path, CONFIG_ID, dialect=Dialect(Build((2, 2, 8)))).problems == ()
