"""Another client of firewalld: edits at random, at runtime and for good, and tells what it did.

It is run by the system's Python and speaks by dbus-python, so that it shares nothing with ours.
Arguments: how many edits, a seed. At its end it prints what it must find in place, as JSON.
"""

import json
import random
import sys
import time

import dbus

PAUSE = 0.06
"""Seconds at most between two edits, so that looks and writes of lvsmarkd fall between them."""
NAME = "org.fedoraproject.FirewallD1"
ROOT = "/org/fedoraproject/FirewallD1"
ZONES = ("public", "internal", "dmz")
OURS = (
    'rule priority="10965" family="ipv4" destination address="{}" port port="80" protocol="tcp"'
    " mark set={}"
)
SPELLINGS = ("192.0.2.10", "192.0.2.10/32", "192.0.2.0/24", "192.0.2.77")


class Editor:
    """Keeps what is expected of its own rules: by plane and zone."""

    def __init__(self, seed):
        self.bus = dbus.SystemBus()
        self.random = random.Random(seed)
        self.expected = {plane: {zone: set() for zone in ZONES} for plane in ("now", "then")}
        self.number = 0
        self.refused = 0

    def call(self, interface, method, *arguments, path=ROOT):
        thing = dbus.Interface(self.bus.get_object(NAME, path, introspect=False), interface)
        return thing.get_dbus_method(method)(*arguments)

    def zone_object(self, zone):
        return self.call(f"{NAME}.config", "getZoneByName", zone, path=f"{ROOT}/config")

    def policy_object(self):
        return self.call(f"{NAME}.config", "getPolicyByName", "lvsmarkd", path=f"{ROOT}/config")

    def harm(self, interface, method, *arguments, path=ROOT):
        """What concerns rules of lvsmarkd's: it may be refused, since these come and go."""
        try:
            self.call(interface, method, *arguments, path=path)
        except dbus.DBusException:
            self.refused += 1

    def edit(self):
        kind = self.random.choices(
            ("mine", "mine_for_good", "ours", "ours_for_good", "policy", "policy_for_good", "frame",
             "gone", "reload", "clear"),
            (26, 20, 14, 12, 10, 10, 3, 1, 2, 2),
        )[0]  # fmt: skip
        getattr(self, kind)(self.random.choice(ZONES))

    def rule(self):
        self.number += 1
        last = self.random.randrange(1, 255)
        element = self.random.choice(("accept", f"mark set={self.number}", "log accept"))
        return (
            f'rule family="ipv4" source address="203.0.113.{last}"'
            f' port port="{self.number}" protocol="tcp" {element}'
        )

    def mine(self, zone):
        there = self.expected["now"][zone]
        if there and self.random.random() < 0.4:
            rule = self.random.choice(sorted(there))
            self.call(f"{NAME}.zone", "removeRichRule", zone, rule)
            there.discard(rule)
        else:
            rule = self.rule()
            self.call(f"{NAME}.zone", "addRichRule", zone, rule, dbus.Int32(0))
            there.add(rule)

    def mine_for_good(self, zone):
        there = self.expected["then"][zone]
        if there and self.random.random() < 0.4:
            rule = self.random.choice(sorted(there))
            self.call(f"{NAME}.config.zone", "removeRichRule", rule, path=self.zone_object(zone))
            there.discard(rule)
        else:
            rule = self.rule()
            self.call(f"{NAME}.config.zone", "addRichRule", rule, path=self.zone_object(zone))
            there.add(rule)

    def one_of_ours(self):
        mark = self.random.choice(("80", "0x50", "1", "99"))
        return OURS.format(self.random.choice(SPELLINGS), mark)

    def ours(self, zone):
        if self.random.random() < 0.5:
            self.harm(f"{NAME}.zone", "addRichRule", zone, self.one_of_ours(), dbus.Int32(0))
        else:
            self.harm(f"{NAME}.zone", "removeRichRule", zone, self.one_of_ours())

    def ours_for_good(self, zone):
        method = self.random.choice(("addRichRule", "removeRichRule"))
        self.harm(f"{NAME}.config.zone", method, self.one_of_ours(), path=self.zone_object(zone))

    def some(self):
        rules = [self.one_of_ours() for _ in range(self.random.randrange(4))]
        if self.random.random() < 0.3:
            rules.append('rule family="ipv4" source address="203.0.113.250" drop')
        return dbus.Dictionary(
            {"rich_rules": dbus.Array(sorted(set(rules)), signature="s")}, signature="sv"
        )

    def policy(self, _zone):
        self.harm(f"{NAME}.policy", "setPolicySettings", "lvsmarkd", self.some())

    def policy_for_good(self, _zone):
        self.on_policy("update", self.some())

    def frame(self, _zone):
        settings = self.random.choice(
            (
                {"target": "DROP"},
                {"priority": dbus.Int32(-5)},
                {"ingress_zones": dbus.Array(["dmz"], signature="s")},
            )
        )
        self.on_policy("update", dbus.Dictionary(settings, signature="sv"))

    def gone(self, _zone):
        self.on_policy("remove")

    def on_policy(self, method, *arguments):
        try:
            path = self.policy_object()
        except dbus.DBusException:
            self.refused += 1
            return
        self.harm(f"{NAME}.config.policy", method, *arguments, path=path)

    def clear(self, zone):
        """All rules of a zone that are not the editor's own."""
        for rule in self.call(f"{NAME}.zone", "getRichRules", zone):
            if str(rule) not in self.expected["now"][zone]:
                self.harm(f"{NAME}.zone", "removeRichRule", zone, rule)

    def reload(self, _zone):
        self.call(NAME, "reload")
        self.expected["now"] = {zone: set(rules) for zone, rules in self.expected["then"].items()}


def main():
    edits, seed = map(int, sys.argv[1:])
    editor = Editor(seed)
    for _ in range(edits):
        editor.edit()
        time.sleep(editor.random.random() * PAUSE)
    expected = {
        plane: {zone: sorted(rules) for zone, rules in zones.items()}
        for plane, zones in editor.expected.items()
    }
    print(json.dumps({"expected": expected, "refused": editor.refused}))


main()
