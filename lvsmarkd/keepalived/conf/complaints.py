"""What is wrong with a configuration: what we tell of it, and where keepalived itself warns."""

from msgspec import Struct, field

from lvsmarkd.model.origin import Origin, Problem


class Complaints(Struct):
    """In the order found.

    ``warned`` are the places of which keepalived logs a configuration error, whether that needs
    to be told or not: with ``reload_check_config``, one is enough to keep it from starting.
    """

    problems: list[Problem] = field(default_factory=list)
    warned: list[Origin] = field(default_factory=list)

    def tell(self, origin: Origin, message: str, marks: tuple[int, ...] = ()) -> None:
        """What keepalived warns of, and we do."""
        self.add(Problem(origin, message, marks))

    def add(self, problem: Problem) -> None:
        """The same, put together elsewhere."""
        self.warned.append(problem.origin)
        self.problems.append(problem)

    def remark(self, origin: Origin, message: str, marks: tuple[int, ...] = ()) -> None:
        """What we tell, and keepalived says nothing about."""
        self.problems.append(Problem(origin, message, marks))

    def warns(self, origin: Origin) -> None:
        """What keepalived warns of, and is in order for us."""
        self.warned.append(origin)
