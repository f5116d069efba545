"""What was measured, to be told at the end."""

from dataclasses import dataclass, field

from tabulate import tabulate


@dataclass
class Figures:
    """Single figures, and a table of faults: each with lvsmarkd and without."""

    notes: dict[str, str] = field(default_factory=dict)
    faults: dict[str, dict[str, str]] = field(default_factory=dict)

    def note(self, what: str, figure: str) -> None:
        self.notes[what] = figure

    def fault(self, what: str, side: str, figure: str) -> None:
        """What a fault cost, ``with`` or ``without`` lvsmarkd."""
        self.faults.setdefault(what, {})[side] = figure

    def add(self, others: "Figures") -> None:
        """Those of another process."""
        self.notes |= others.notes
        for what, sides in others.faults.items():
            self.faults.setdefault(what, {}).update(sides)

    def __str__(self) -> str:
        parts = []
        if self.notes:
            parts.append(tabulate(self.notes.items()))
        if self.faults:
            rows = [
                (what, sides.get("without", "-"), sides.get("with", "-"))
                for what, sides in self.faults.items()
            ]
            parts.append(tabulate(rows, headers=["fault", "without lvsmarkd", "with lvsmarkd"]))
        return "".join(f"{part}\n\n" for part in parts)
