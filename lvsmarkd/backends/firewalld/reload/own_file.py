"""A file of our policy over which firewalld could not load its configuration.

It goes on with its stock configuration then: nothing that the operator has is in force, nor
anything of ours, and over the bus it takes nothing for good (RUNNING_BUT_FAILED; 1.3.3, measured).
The file is ours, so it gives way, and a reload brings back what all others have. The policy is
written anew by firewalld itself, as any that is missing.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.backends.backup import Backup
from lvsmarkd.backends.firewalld.client.calls import (
    BusError,
    FirewalldClient,
    FirewalldError,
    RunState,
)
from lvsmarkd.backends.firewalld.client.states import failure
from lvsmarkd.backends.firewalld.planes.files import broken_policy, policy_file
from lvsmarkd.backends.firewalld.planes.listing import read_permanent_of_failed
from lvsmarkd.backends.firewalld.planes.own_rules import OUR_POLICY
from lvsmarkd.backends.firewalld.planes.reader import (
    CHAIN_KEYS,
    Choices,
    FirewalldReader,
    FirewalldState,
)
from lvsmarkd.backends.firewalld.reload.reloader import Reloader
from lvsmarkd.model.rule import ChainKey, Plane
from lvsmarkd.model.snapshot import Chain
from lvsmarkd.netfilter.errors import FirewallError, Trouble


class OwnFile(Struct):
    """That of our policy. It is looked at where firewalld has failed, and only there."""

    firewalld: FirewalldClient
    backup: Backup
    choices: Choices
    _in_the_way: bool = False
    """It was seen to be broken, by the last reading."""

    def known(self, state: RunState) -> Mapping[ChainKey, Chain]:
        """What is permanent of ours, where that is known of a firewalld that cannot be asked: a
        file that is broken brings no rule.
        """
        failed = state is RunState.FAILED and self.choices.by_policy
        fault = broken_policy(self.choices.etc) if failed else ""
        self._in_the_way = bool(fault)
        if not fault:
            return {}
        broken = Chain(exists=True, container=f"firewalld's {OUR_POLICY}", fault=fault)
        return {key: broken for key in CHAIN_KEYS if key.plane is Plane.PERMANENT}

    def give_way(
        self, reader: FirewalldReader, reloader: Callable[[FirewalldState], Reloader]
    ) -> None:
        """Where it was seen to be broken, keep a copy of it, remove it and reload firewalld.

        Raises FirewallError: BUSY where a reload is not allowed or would take something from
        others, GONE where the file cannot be copied or removed, REJECTED where firewalld stumbles
        over others' files, too.
        """
        if not self._in_the_way:
            return
        self._in_the_way = False
        try:
            state = self.firewalld.state()
            if state is not RunState.FAILED or not broken_policy(self.choices.etc):
                return  # somebody was faster
            permanent = read_permanent_of_failed(self.firewalld)
            seen = replace(reader.look(state), permanent=permanent)
            reload = replace(reloader(seen), permanent=read_permanent_of_failed)
            if blocker := reload.reload_blocker(seen):
                raise FirewallError(Trouble.BUSY, f"{self._by_hand}. Not done by itself: {blocker}")
            copy = self._remove()
            reload.run(f"the broken file of its {OUR_POLICY} is removed, a copy is {copy}", seen)
        except (BusError, FirewalldError) as error:
            raise failure(error, "the broken file of our policy is to give way") from error

    def _remove(self) -> str:
        path = policy_file(self.choices.etc)
        try:
            copy = self.backup.keep(path.name, path.read_bytes())
            path.unlink()
        except OSError as error:
            raise FirewallError(
                Trouble.GONE,
                f"{self._by_hand}. lvsmarkd could not: {error.strerror}",
            ) from error
        return str(copy)

    @property
    def _by_hand(self) -> str:
        return f"remove {policy_file(self.choices.etc)}, and run firewall-cmd --reload"
