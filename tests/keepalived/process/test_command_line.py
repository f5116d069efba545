"""keepalived's command line, as getopt_long reads it."""

import pytest

from lvsmarkd.keepalived.process.command_line import Options, options_of


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", Options()),
        ("-f /k.conf", Options(config="/k.conf")),
        ("-f/k.conf", Options(config="/k.conf")),
        ("--use-file /k.conf", Options(config="/k.conf")),
        ("--use-file=/k.conf", Options(config="/k.conf")),
        ("--use /k.conf", Options(config="/k.conf")),
        ("--use=/k=1.conf", Options(config="/k=1.conf")),
        ("-f a -f b", Options(config="b")),
        ("-nlDf /k.conf", Options(config="/k.conf")),
        ("-nlDf/k.conf -P", Options(config="/k.conf", checker=False)),
        ("-fi x", Options(config="i")),
        ("-i director1 -s blue", Options(config_id="director1", net_namespace="blue")),
        ("--config-id=d --namespace=blue", Options(config_id="d", net_namespace="blue")),
        # Prefixes of several options: config-id, config-test, config-fd.
        ("--config-i d", Options(config_id="d")),
        ("-p /run/a.pid -r /run/-f -c -i", Options(pid_file="/run/a.pid")),
        ("--vrrp_pid -f --checkers_pid=-i", Options()),
        ("-S 7 -u 022 -A tcp:-f -b -P", Options()),
        # An optional value is only ever glued.
        ("-M /core -f a", Options(config="a")),
        ("-M/core/%P -g/log/P -f a", Options(config="a")),
        ("-g -P", Options(checker=False)),
        ("--log-file --vrrp", Options(checker=False)),
        ("--vrrp", Options(checker=False)),
        ("--vrrp --all", Options()),
        ("--all --vrrp", Options(checker=False)),
        ("-C", Options()),
        ("-x -f a", Options(config="a")),
        # Other arguments are moved behind the options; `--` ends these.
        ("what - -f a", Options(config="a")),
        ("-n -- -f a", Options()),
        ("-f -- -i x", Options(config="--", config_id="x")),
        ("-f", Options()),
        ("-t", Options(daemon=False)),
        ("-t/log -f a", Options(config="a", daemon=False)),
        ("-nt", Options(daemon=False)),
        ("--config-test=/log --config-fd=7", Options(daemon=False)),
        ("--config-fd 7 -f a", Options(config="a")),
        ("--signum=DATA", Options(daemon=False)),
        ("--signum DATA", Options(daemon=False)),
        ("-v", Options(daemon=False)),
        ("--ver", Options(daemon=False)),
        ("-h", Options(daemon=False)),
        ("-T -f a", Options(config="a", daemon=False)),
        ("--dont-f -f a", Options(config="a")),
        ("--dont-r", Options()),
        ("--unheard-of -f a", Options(config="a")),
    ],
)
def test_a_command_line_means_what_it_means_to_keepalived(line: str, expected: Options) -> None:
    assert options_of(["keepalived", *line.split()]) == expected


def test_an_empty_value_is_none() -> None:
    assert options_of(["keepalived", "--use-file=", "-s", ""]) == Options()


def test_nothing_at_all() -> None:
    assert options_of([]) == Options()
