"""The same job where firewalld runs: both planes, the kernel's word, what a reload would break."""

import json

from demo.stage import Stage, StageError, run, until
from demo.telling import CLI, act, arrives, done, heard, repaired, show

CONFIGURATION = """\
vrrp_instance VI_1 {
    interface vip0
    virtual_router_id 51
    virtual_ipaddress {
        192.0.2.10
    }
}
virtual_server fwmark 80 {                     # `accept`: firewalld refuses what nobody opened
    # lvsmarkd: to VI_1 tcp 80,443 accept
    lb_kind DR
    real_server 198.51.100.1 80 { weight 1 }
}
"""
LIST = "firewall-cmd --policy=lvsmarkd --list-rich-rules"
LIST_PERMANENT = "firewall-cmd --permanent --policy=lvsmarkd --list-rich-rules"
CHAIN = "inet firewalld mangle_PRE_policy_lvsmarkd_post"
WEB = 'rule priority="10965" family="ipv4" destination address="192.0.2.10"'
WEB += ' port port="80" protocol="tcp" mark set=80'


def _in_kernel() -> bool:
    """Whether packets meet the rule for port 80."""
    try:
        return "tcp dport 80 meta mark set 0x00000050" in run(
            "nft", "list", "chain", *CHAIN.split()
        )
    except StageError:
        return False  # firewalld is just making its tables anew


def _kept(stage: Stage) -> bool:
    """Whether the next reload or boot brings it."""
    policy = stage.firewalld.etc / "policies" / "lvsmarkd.xml"
    return policy.exists() and '<port port="80" protocol="tcp"/>\n    <mark' in policy.read_text()


def _handle() -> str:
    """Of our rule for port 80, in the kernel."""
    listing = json.loads(run("nft", "-j", "-a", "list", "chain", *CHAIN.split()))
    rules = [each["rule"] for each in listing["nftables"] if "rule" in each]
    return str(next(rule["handle"] for rule in rules if '"right": 80}' in json.dumps(rule)))


def play(stage: Stage) -> None:
    """All acts."""
    act("firewalld runs here now, on a bus of its own; lvsmarkd finds it (backend = auto)")
    stage.config.write_text(CONFIGURATION)
    stage.start_firewalld()
    show("firewall-cmd --state")
    show(f"{CLI} plan --config {stage.settings}", "firewall-cmd", "--add-rich-rule")

    act("the daemon starts: in force, and permanent")
    print("(that firewalld is masked or disabled at boot is said of this machine's own unit)")
    stage.start()
    heard(stage)
    show(LIST)
    show(LIST_PERMANENT)
    arrives(stage, "192.0.2.10", 80, 443)

    act("somebody removes a rule, in force and for good")
    away = f"--policy=lvsmarkd --remove-rich-rule='{WEB}'"
    repaired(stage, f"firewall-cmd {away}", _in_kernel)
    repaired(stage, f"firewall-cmd --permanent {away}", lambda: _kept(stage), "in its file again")

    act("somebody deletes one behind firewalld's back: it goes on listing it, the kernel knows")
    repaired(stage, f"nft delete rule {CHAIN} handle {_handle()}", _in_kernel)
    arrives(stage, "192.0.2.10", 80, 443)

    act("a careless admin: a mark by hand, in force only; the next reload would take it away")
    other = "rule family=ipv4 destination address=192.0.2.11 port port=21 protocol=tcp mark set=21"
    with stage.config.open("a") as file:
        file.write("virtual_server fwmark 21 {\n    lb_kind DR\n")
        file.write("    real_server 198.51.100.1 21 { weight 1 }\n}\n")
    heard(stage)
    done(stage, f"firewall-cmd --add-rich-rule='{other}'")
    show(f"{CLI} marks --config {stage.settings}")

    act("…and reloads firewalld")
    done(stage, "firewall-cmd --reload")
    until("our rules after the reload", lambda: _kept(stage) and _in_kernel())
    arrives(stage, "192.0.2.10", 80, 443)

    act("firewalld is stopped: iptables keeps the rules until it is back")
    stage.stop_firewalld()
    until("rules in iptables", lambda: "LVSMARKD" in run("iptables-save", "-t", "mangle"))
    heard(stage)
    show("iptables-save -t mangle", "-A LVSMARKD")
    arrives(stage, "192.0.2.10", 80, 443)
    stage.resume_firewalld()
    until("rules in firewalld", _in_kernel)
    until("iptables without ours", lambda: "LVSMARKD" not in run("iptables-save"))
    heard(stage)
    arrives(stage, "192.0.2.10", 80, 443)

    act("the daemon stops; `lvsmarkd purge` takes its policy out of firewalld")
    stage.stop()
    show(f"{CLI} purge --config {stage.settings}")
    show("firewall-cmd --permanent --get-policies")
