"""Which types firewalld's methods and settings have on the bus: values of ours have no such.

Source: firewalld.dbus(5), and the introspection of 1.3.3.
"""

from collections.abc import Mapping
from typing import Final

from lvsmarkd.backends.firewalld.client.calls import Interface

METHODS: Final[Mapping[Interface, Mapping[str, str]]] = {
    Interface.MAIN: {
        "getDefaultZone": "",
        "getServiceSettings2": "s",
        "queryPanicMode": "",
        "reload": "",
        "completeReload": "",
    },
    Interface.ZONE: {
        "getZones": "",
        "getActiveZones": "",
        "getZoneOfInterface": "s",
        "getZoneOfSource": "s",
        "getZoneSettings2": "s",
        "setZoneSettings2": "sa{sv}",
        "getRichRules": "s",
        "queryRichRule": "ss",
        "addRichRule": "ssi",
        "removeRichRule": "ss",
    },
    Interface.POLICY: {
        "getPolicies": "",
        "getActivePolicies": "",
        "getPolicySettings": "s",
        "setPolicySettings": "sa{sv}",
    },
    Interface.DIRECT: {"getAllRules": "", "getAllChains": "", "getAllPassthroughs": ""},
    Interface.IPSET: {"getIPSets": "", "getIPSetSettings": "s", "getEntries": "s"},
    Interface.CONFIG: {
        "getZoneNames": "",
        "getZoneByName": "s",
        "getPolicyNames": "",
        "getPolicyByName": "s",
        "addPolicy": "sa{sv}",
        "addZone2": "sa{sv}",
        "getIPSetByName": "s",
    },
    Interface.CONFIG_ZONE: {
        "getSettings2": "",
        "update2": "a{sv}",
        "addRichRule": "s",
        "removeRichRule": "s",
        "queryRichRule": "s",
        "getRichRules": "",
    },
    Interface.CONFIG_POLICY: {
        "getSettings": "",
        "update": "a{sv}",
        "loadDefaults": "",
        "remove": "",
    },
    Interface.CONFIG_DIRECT: {"getAllRules": "", "getAllChains": "", "getAllPassthroughs": ""},
    Interface.CONFIG_IPSET: {"getSettings": "", "getEntries": ""},
    Interface.PROPERTIES: {"Get": "ss", "GetAll": "s"},
}
"""The types of a method's arguments, one after the other."""

SETTINGS: Final[Mapping[str, str]] = {
    "version": "s",
    "short": "s",
    "description": "s",
    "target": "s",
    "services": "as",
    "ports": "a(ss)",
    "icmp_blocks": "as",
    "icmp_block_inversion": "b",
    "masquerade": "b",
    "forward": "b",
    "forward_ports": "a(ssss)",
    "interfaces": "as",
    "sources": "as",
    "protocols": "as",
    "source_ports": "a(ss)",
    "rules_str": "as",
    "rich_rules": "as",
    "priority": "i",
    "ingress_priority": "i",
    "egress_priority": "i",
    "ingress_zones": "as",
    "egress_zones": "as",
}
"""The types of the settings of zones and policies (a zone's rich rules are ``rules_str``)."""
