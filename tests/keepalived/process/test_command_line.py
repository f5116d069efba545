"""keepalived's command line, as getopt_long reads it."""

import pytest

from lvsmarkd.keepalived.process.command_line import KeepalivedOptions, options_of


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", KeepalivedOptions()),
        ("-f /k.conf", KeepalivedOptions(config="/k.conf")),
        ("-f/k.conf", KeepalivedOptions(config="/k.conf")),
        ("--use-file /k.conf", KeepalivedOptions(config="/k.conf")),
        ("--use-file=/k.conf", KeepalivedOptions(config="/k.conf")),
        ("--use /k.conf", KeepalivedOptions(config="/k.conf")),
        ("--use=/k=1.conf", KeepalivedOptions(config="/k=1.conf")),
        ("-f a -f b", KeepalivedOptions(config="b")),
        ("-nlDf /k.conf", KeepalivedOptions(config="/k.conf")),
        ("-nlDf/k.conf -P", KeepalivedOptions(config="/k.conf", checker=False)),
        ("-fi x", KeepalivedOptions(config="i")),
        ("-i director1 -s blue", KeepalivedOptions(config_id="director1", net_namespace="blue")),
        ("--config-id=d --namespace=blue", KeepalivedOptions(config_id="d", net_namespace="blue")),
        # Prefixes of several options: config-id, config-test, config-fd.
        ("--config-i d", KeepalivedOptions(config_id="d")),
        ("-p /run/a.pid -r /run/-f -c -i", KeepalivedOptions(pid_file="/run/a.pid")),
        ("--vrrp_pid -f --checkers_pid=-i", KeepalivedOptions()),
        ("-S 7 -u 022 -A tcp:-f -b -P", KeepalivedOptions()),
        # An optional value is only ever glued.
        ("-M /core -f a", KeepalivedOptions(config="a")),
        ("-M/core/%P -g/log/P -f a", KeepalivedOptions(config="a")),
        ("-g -P", KeepalivedOptions(checker=False)),
        ("--log-file --vrrp", KeepalivedOptions(checker=False)),
        ("--vrrp", KeepalivedOptions(checker=False)),
        ("--vrrp --all", KeepalivedOptions()),
        ("--all --vrrp", KeepalivedOptions(checker=False)),
        ("-C", KeepalivedOptions()),
        ("-x -f a", KeepalivedOptions(config="a")),
        # Other arguments are moved behind the options; `--` ends these.
        ("what - -f a", KeepalivedOptions(config="a")),
        ("-n -- -f a", KeepalivedOptions()),
        ("-f -- -i x", KeepalivedOptions(config="--", config_id="x")),
        ("-f", KeepalivedOptions()),
        ("-t", KeepalivedOptions(daemon=False)),
        ("-t/log -f a", KeepalivedOptions(config="a", daemon=False)),
        ("-nt", KeepalivedOptions(daemon=False)),
        ("--config-test=/log --config-fd=7", KeepalivedOptions(daemon=False)),
        ("--config-fd 7 -f a", KeepalivedOptions(config="a")),
        ("--signum=DATA", KeepalivedOptions(daemon=False)),
        ("--signum DATA", KeepalivedOptions(daemon=False)),
        ("-v", KeepalivedOptions(daemon=False)),
        ("--ver", KeepalivedOptions(daemon=False)),
        ("-h", KeepalivedOptions(daemon=False)),
        ("-T -f a", KeepalivedOptions(config="a", daemon=False)),
        ("--dont-f -f a", KeepalivedOptions(config="a")),
        ("--dont-r", KeepalivedOptions()),
        ("--unheard-of -f a", KeepalivedOptions(config="a")),
    ],
)
def test_a_command_line_means_what_it_means_to_keepalived(
    line: str, expected: KeepalivedOptions
) -> None:
    assert options_of(["keepalived", *line.split()]) == expected


def test_an_empty_value_is_none() -> None:
    assert options_of(["keepalived", "--use-file=", "-s", ""]) == KeepalivedOptions()


def test_nothing_at_all() -> None:
    assert options_of([]) == KeepalivedOptions()
