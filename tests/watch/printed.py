"""A listener in a process of its own: it prints what is told."""

from lvsmarkd.model.wake import Wake


class Printed:
    def up(self, _name: str) -> None:
        print("up", flush=True)  # noqa: T201 - that is its job

    def down(self, name: str, reason: str) -> None:
        print(name, reason, flush=True)  # noqa: T201 - that is its job

    def overrun(self, _name: str) -> None:
        raise AssertionError

    def wake(self, _wake: Wake) -> None:
        print("wake", flush=True)  # noqa: T201 - that is its job
