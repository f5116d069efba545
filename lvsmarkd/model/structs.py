"""Dataclasses that cost next to nothing to define: `dataclass`, `field`, `replace` as the
standard library has them, made by msgspec.

The standard decorator writes source for the methods of each class and compiles it at every
import: 0.45 ms and 16 KiB a class. msgspec's Structs have theirs in C: 0.03 ms and 4 KiB, and
their objects are made and replaced seven to fifteen times as fast (docs/decisions/0010-values.md).
To a type checker these are the standard ones, and it goes on to check what `replace` is given,
which it does for no other kind of class.

What a Struct has not (a field that is left out of comparison, `repr` or construction; a base
class) is left to the standard library.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:
    from typing import Any, Generic

    import msgspec

    class _Field(dict[str, Any]):
        """What was asked of a field."""

        def is_plain(self) -> bool:
            return self.keys() <= {"default", "default_factory"}

    def field(**asked: Any) -> Any:  # noqa: ANN401 - any field's
        """As dataclasses.field."""
        return _Field(asked)

    def dataclass(*, slots: bool, **options: bool) -> Any:  # noqa: ANN401 - a decorator of any class
        """As dataclasses.dataclass, always with slots: a Struct is nothing else."""
        if not slots:
            raise TypeError("slots=True is to be said")

        def make(cls: type) -> type:
            fields = {name: each for name, each in vars(cls).items() if isinstance(each, _Field)}
            based = any(base not in {object, Generic} for base in cls.__bases__)
            if based or not all(each.is_plain() for each in fields.values()):
                return _standard(cls, fields, options)
            return _struct(cls, fields, options)

        return make

    def _struct(cls: type, fields: dict[str, _Field], options: dict[str, bool]) -> type:
        names = {k: v for k, v in vars(cls).items() if k not in {"__dict__", "__weakref__"}}
        names |= {name: msgspec.field(**asked) for name, asked in fields.items()}
        bases = (msgspec.Struct, *(base for base in cls.__bases__ if base is not object))
        return type(msgspec.Struct)(cls.__name__, bases, names, **options)

    def _standard(cls: type, fields: dict[str, _Field], options: dict[str, bool]) -> type:
        import dataclasses  # noqa: PLC0415 - slow, and few programs come here

        for name, asked in fields.items():
            setattr(cls, name, dataclasses.field(**asked))
        return dataclasses.dataclass(cls, slots=True, **options)

    def replace(value: Any, /, **changes: Any) -> Any:  # noqa: ANN401 - any value's
        """As dataclasses.replace."""
        if isinstance(value, msgspec.Struct):
            return msgspec.structs.replace(value, **changes)
        import dataclasses  # noqa: PLC0415 - as above

        return dataclasses.replace(value, **changes)


__all__ = ["dataclass", "field", "replace"]
