"""Which parts the daemon is made of, and who hears whom."""

from lvsmarkd.backends.backend import CommandBackend
from lvsmarkd.backends.choose import choose, is_firewalld, may_be_firewalld
from lvsmarkd.backends.firewalld.adapter import BusFirewalld
from lvsmarkd.backends.firewalld.presence import Presence
from lvsmarkd.backends.iptables.toolset import stamp as iptables_stamp
from lvsmarkd.backends.selector import BackendSelector
from lvsmarkd.daemon.app import App
from lvsmarkd.daemon.paths import DaemonPaths
from lvsmarkd.daemon.pause import Pause
from lvsmarkd.daemon.telemetry import Telemetry
from lvsmarkd.daemon.watchers import Watchers
from lvsmarkd.declarations.tables import BackendChoice, Firewall
from lvsmarkd.reconcile.inputs import InputReader
from lvsmarkd.reconcile.reconciler import Reconciler
from lvsmarkd.reconcile.remembered import Remembered


def wire(inputs: InputReader, paths: DaemonPaths) -> App:
    """Make the daemon, ready to run."""
    voice = Telemetry(lambda: inputs.settings.daemon.resync_seconds)
    presence = Presence(BusFirewalld())

    def firewall() -> Firewall:
        return inputs.settings.firewall

    def backend() -> str:
        return inputs.where.backend or str(firewall().backend)

    watchers = Watchers(
        voice,
        inputs.settings.daemon.resync_seconds,
        follow_keepalived=inputs.where.keepalived is None,
        follow_firewalld=may_be_firewalld(backend()),
        firewalld_expected=backend() == BackendChoice.FIREWALLD,
    )

    def find() -> CommandBackend:
        return choose(
            backend(),
            state_directory=paths.state,
            on_spawn=watchers.own_writers.add,
            settings=firewall(),
            presence=presence,
        )

    def stamp() -> object:
        return (iptables_stamp(), firewall(), is_firewalld(backend(), presence))

    reconciler = Reconciler(
        inputs,
        BackendSelector(find, stamp),
        on_call=voice.backend_call,
    )
    inputs.settings_file.on_reload = voice.reloaded
    inputs.remembered = Remembered(paths.state / "keepalived.json")
    return App(inputs, reconciler, paths, voice, watchers, Pause(paths.pause))
