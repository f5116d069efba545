"""The firewall-cmd that tests ask answers as the one that is installed."""

import subprocess

import pytest

from tests.harness.firewall_cmd import Ended, firewall_cmd
from tests.harness.firewalld import RealFirewalld


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
@pytest.mark.parametrize(
    "arguments",
    [
        "--state",
        "--list-all-zones",
        "--permanent --list-all-policies",
        "--add-port=80/tcp",
        "--remove-rich-rule=rubbish",
        "--zone=nowhere --list-all",
        "--no-such-option",
        "--help",
    ],
)
def test_it_answers_as_one_that_is_started_anew(
    arguments: str, real_firewalld: RealFirewalld
) -> None:
    words = tuple(arguments.split())
    anew = subprocess.run(
        ["firewall-cmd", *words],
        env=real_firewalld.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    real_firewalld.cmd("--reload")
    assert firewall_cmd(words, real_firewalld.environment) == Ended(
        anew.returncode, anew.stdout, anew.stderr
    )
