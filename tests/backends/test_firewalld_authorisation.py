"""Who may ask firewalld what, with the real polkitd and the rule that is shipped."""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copy

import pytest

from lvsmarkd.backends.firewalld.client import bus as _bus  # noqa: F401 - no other user could read it
from lvsmarkd.backends.firewalld.client.adapter import BusFirewalld
from lvsmarkd.backends.firewalld.client.calls import (
    CONFIG_PATH,
    BusError,
    CallFault,
    FirewalldError,
    Interface,
    RunState,
)
from tests.harness.firewalld import RealFirewalld
from tests.harness.netns import run

pytestmark = pytest.mark.netns
PACKAGING = Path(__file__).parents[2] / "packaging"
RULE = PACKAGING / "polkit" / "49-lvsmarkd.rules"
OURS, OTHERS = 64990, 64991
ACTION = "org.fedoraproject.FirewallD1."
VRRP = 'rule protocol value="vrrp" accept'


@pytest.fixture(params=["nftables"])
def firewalld_backend(request: pytest.FixtureRequest) -> str:
    """One is enough: who may ask does not depend on it."""
    return str(request.param)


@pytest.fixture
def users(_mounts: None, tmp_path: Path) -> Iterator[None]:
    """The shipped user, and another, on a machine that has none of them."""
    declared = (PACKAGING / "sysusers.d" / "lvsmarkd.conf").read_text()
    names = re.findall(r"^u (\S+) -", declared, re.MULTILINE)
    assert names == ["lvsmarkd"]
    lines = [
        f"{name}:x:{number}:{number}::/:/usr/sbin/nologin\n"
        for name, number in ((names[0], OURS), ("somebody", OTHERS))
    ]
    passwd = tmp_path / "passwd"
    copy("/etc/passwd", passwd)
    with passwd.open("a") as file:
        file.writelines(lines)
    run("mount", "--bind", str(passwd), "/etc/passwd")
    yield
    run("umount", "/etc/passwd")


def as_user(number: int, work: Callable[[BusFirewalld], object]) -> object:
    """Have a child that is this user ask; gives its answer, or what it was refused with."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(number, number, number)
        os.setresuid(number, number, number)
        answer: object = "it failed"
        try:
            with BusFirewalld() as ours:
                answer = work(ours)
        except BusError as error:
            answer = [error.fault, error.action, str(error)]
        except FirewalldError as error:
            answer = [error.code, "", error.detail]
        finally:
            os.write(writer, json.dumps(answer).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    said: object = json.loads(told)
    return said


def refused(number: int, work: Callable[[BusFirewalld], object]) -> tuple[str, str]:
    """The action that was missing, and what was said."""
    answer = as_user(number, work)
    assert isinstance(answer, list), answer
    assert answer[0] == CallFault.DENIED, answer
    return answer[1], answer[2]


def read(ours: BusFirewalld) -> object:
    return ours.call(Interface.ZONE, "getRichRules", "public")


def read_policy(ours: BusFirewalld) -> object:
    return ours.call(Interface.POLICY, "getPolicySettings", "allow-host-ipv6")


def read_permanent(ours: BusFirewalld) -> object:
    path = ours.call(Interface.CONFIG, "getPolicyByName", "allow-host-ipv6", path=CONFIG_PATH)
    return ours.call(Interface.CONFIG_POLICY, "getSettings", path=str(path))


def read_direct(ours: BusFirewalld) -> object:
    return ours.call(Interface.DIRECT, "getAllRules")


def write(ours: BusFirewalld) -> object:
    return ours.call(Interface.ZONE, "addRichRule", "public", VRRP, 0)


def write_permanent(ours: BusFirewalld) -> object:
    settings = {"ingress_zones": ["ANY"], "egress_zones": ["HOST"], "rich_rules": [VRRP]}
    path = ours.call(Interface.CONFIG, "addPolicy", "lvsmarkd", settings, path=CONFIG_PATH)
    ours.call(Interface.CONFIG_POLICY, "update", {"rich_rules": []}, path=str(path))
    ours.call(Interface.CONFIG_POLICY, "remove", path=str(path))
    return "done"


def version(ours: BusFirewalld) -> object:
    return ours.property("version")


def reload(ours: BusFirewalld) -> object:
    return ours.call(Interface.MAIN, "reload")


WORKS = {
    read: "config.info",
    read_policy: "config.info",
    read_direct: "direct.info",
    version: "config",
    read_permanent: "config",
    write: "config",
    write_permanent: "config",
    reload: "config",
}
"""What the backend does, and the action that firewalld asks for."""


def test_with_the_shipped_rule_our_user_may_do_all_that_is_needed_and_nobody_else(
    users: None, real_firewalld: RealFirewalld
) -> None:
    real_firewalld.start_polkit(RULE)
    assert as_user(OURS, BusFirewalld.state) == RunState.RUNNING
    for work in WORKS:
        answer = as_user(OURS, work)
        assert answer is None or CallFault.DENIED not in answer, (work, answer)  # type: ignore[operator] # a list or a text
    assert as_user(OURS, write) == "public", "the rule of before was lost with the reload"
    for work, action in WORKS.items():
        assert refused(OTHERS, work)[0] == ACTION + action


def test_the_shipped_rule_gives_nothing_that_is_not_needed(
    users: None, real_firewalld: RealFirewalld
) -> None:
    real_firewalld.start_polkit(RULE)
    main = ("/org/fedoraproject/FirewallD1", "org.fedoraproject.FirewallD1")
    for method, action in (
        (("direct.passthrough", "string:ipv4", "array:string:-F"), "direct"),
        (("policies.enableLockdown",), "policies"),
    ):
        with pytest.raises(AssertionError, match=rf"polkit\): {ACTION}{action}"):
            run(
                *("setpriv", f"--reuid={OURS}", f"--regid={OURS}", "--clear-groups"),
                *("dbus-send", "--system", "--print-reply", f"--dest={main[1]}", main[0]),
                *(f"{main[1]}.{method[0]}", *method[1:]),
            )


def test_without_the_rule_a_refusal_names_the_missing_action(
    users: None, real_firewalld: RealFirewalld
) -> None:
    real_firewalld.start_polkit()
    assert as_user(OURS, BusFirewalld.state) == RunState.RUNNING
    for work, action in WORKS.items():
        missing, said = refused(OURS, work)
        assert missing == ACTION + action
        assert missing in said
        assert "lvsmarkd/firewalld.md" in said


def test_a_rule_that_lets_read_alone_is_told_from_one_that_lets_write(
    users: None, real_firewalld: RealFirewalld, tmp_path: Path
) -> None:
    narrow = tmp_path / RULE.name
    lines = RULE.read_text().splitlines(keepends=True)
    narrow.write_text("".join(line for line in lines if f'case "{ACTION}config":' not in line))
    real_firewalld.start_polkit(narrow)
    allowed = {work for work, action in WORKS.items() if action != "config"}
    for work in allowed:
        assert isinstance(as_user(OURS, work), list | dict)
    for work in WORKS.keys() - allowed:
        assert refused(OURS, work)[0] == ACTION + "config"


def test_without_polkit_firewalld_obeys_root_alone(
    users: None, real_firewalld: RealFirewalld
) -> None:
    assert as_user(OURS, BusFirewalld.state) == RunState.DENIED
    action, said = refused(OURS, read)
    assert action == ACTION + "config.info"
    assert "run lvsmarkd as root, or install polkit" in said
    with BusFirewalld() as root:
        assert root.state() is RunState.RUNNING


def test_a_lockdown_is_named(users: None, real_firewalld: RealFirewalld) -> None:
    real_firewalld.start_polkit(RULE)
    real_firewalld.cmd("--lockdown-on")
    assert isinstance(as_user(OURS, read), list)
    action, said = refused(OURS, write_permanent)  # it does not guard all it should (1.3.3)
    assert action == ""
    assert "lockdown-whitelist.xml" in said


def test_a_polkit_that_ends_and_comes_is_no_matter(
    users: None, real_firewalld: RealFirewalld
) -> None:
    real_firewalld.start_polkit(RULE)
    assert as_user(OURS, write) == "public"
    real_firewalld.kill_polkit()
    assert refused(OURS, read)[0] == ACTION + "config.info"
    real_firewalld.start_polkit(RULE)
    assert as_user(OURS, read) == [VRRP]
