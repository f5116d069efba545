"""What firewalld's errors on the bus mean."""

import re

from lvsmarkd.backends.firewalld.client.calls import BUS_NAME, BusError, CallFault, FirewalldError

_CODED = re.compile(r"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)(?:: (.*))?", re.DOTALL)
_DENIED = re.compile(r"Not Authorized\((?P<by>\w+)\): (?P<action>[\w.]+)")
_NOBODY = {
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
}


def refusal(name: str, text: str, method: str) -> FirewalldError | BusError:
    """The error for an error's name and first argument, in answer to a method.

    firewalld has one name for nearly all: ``CODE: detail`` is in the text, or the bare words of
    something that it did not expect itself (measured).
    """
    if name in _NOBODY:
        return BusError(CallFault.NO_OWNER, "firewalld is not running: systemctl start firewalld")
    if name == "org.freedesktop.DBus.Error.NoReply":
        return BusError(CallFault.NO_OWNER, f"firewalld ended while it was asked for {method}")
    if name == f"{BUS_NAME}.NotAuthorizedException":
        return _unauthorised(text, method)
    if name == "org.freedesktop.DBus.Error.AccessDenied":
        return BusError(
            CallFault.DENIED, f"the bus does not let {method} through to firewalld: {text}"
        )
    if name != f"{BUS_NAME}.Exception":
        return FirewalldError(name.rpartition(".")[2], text)
    coded = _CODED.fullmatch(text)
    code, detail = (coded[1], coded[2] or "") if coded else ("", text)
    if code == "ACCESS_DENIED":
        return BusError(
            CallFault.DENIED,
            f"firewalld refuses {method}, since it is locked down:"
            " add lvsmarkd to its lockdown-whitelist.xml, or firewall-cmd --lockdown-off",
        )
    return FirewalldError(code, detail)


def _unauthorised(text: str, method: str) -> BusError:
    denied = _DENIED.fullmatch(text)
    action = denied["action"] if denied else ""
    if denied and denied["by"] == "uid":
        advice = "without polkit it obeys root alone: run lvsmarkd as root, or install polkit"
    else:
        advice = (
            f"polkit does not allow the action {action or 'it needs'}:"
            " install lvsmarkd's rule for polkit (see /usr/share/doc/lvsmarkd/firewalld.md)"
        )
    return BusError(CallFault.DENIED, f"firewalld refuses {method}: {advice}", action)
