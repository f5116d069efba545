"""All that is wrong with a table, where msgspec alone would stop at the first fault."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, TypeGuard, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from lvsmarkd.model.refusal import RefusalError, either, nearest, shown


class SettingFault(Struct, frozen=True):
    """What is wrong with the value of a key (``mark[0].ports[1]``), in a sentence."""

    key: str
    message: str


def faults(found: object, kind: Any, key: str = "") -> Iterator[SettingFault]:  # noqa: ANN401 - a type expression has no type
    """The faults of a value read from TOML, which is to be of a kind.

    A kind is a Struct or what msgspec.convert takes, with Meta around it whose
    ``description`` says what is expected and whose ``extra["check"]``, if any, decides.
    """
    meta = _meta(kind)
    check = (meta.extra or {}).get("check")
    base = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if check is not None:
        try:
            check(found)
        except RefusalError as refusal:
            yield SettingFault(key, str(refusal))
    elif _is_table(base):
        yield from _table_faults(found, base, key)
    elif get_origin(base) in {Union, UnionType}:
        single, many = get_args(base)
        yield from faults(found, many if isinstance(found, list) else single, key)
    elif get_origin(base) in {list, tuple}:
        yield from _list_faults(found, get_args(base)[0], meta, key)
    else:
        try:
            msgspec.convert(found, kind)
        except msgspec.ValidationError:
            yield SettingFault(key, str(RefusalError(found, meta.description or "")))


def _table_faults(found: object, kind: type[msgspec.Struct], key: str) -> Iterator[SettingFault]:
    if not isinstance(found, dict):
        yield SettingFault(key, str(RefusalError(found, f"a table [{key}]")))
        return
    kinds = get_type_hints(kind, include_extras=True)
    for name, value in found.items():
        if name in kinds:
            yield from faults(value, kinds[name], _joined(key, name))
        else:
            near = nearest(name, kinds)
            hint = f"did you mean {shown(near)}?" if near else f"known here: {either(kinds)}"
            yield SettingFault(
                _joined(key, name), f"found {shown(name)}, which is no setting: {hint}"
            )
    for name in _required(kind):
        if name not in found:
            expected = _meta(kinds[name]).description or ""
            yield SettingFault(_joined(key, name), str(RefusalError(None, expected)))


def _list_faults(found: object, kind: Any, meta: msgspec.Meta, key: str) -> Iterator[SettingFault]:  # noqa: ANN401 - as above
    if not isinstance(found, list):
        hint = f"write [{shown(found)}]" if isinstance(found, str) else ""
        if isinstance(found, dict):
            hint = f"write [[{key}]]"
        yield SettingFault(key, str(RefusalError(found, meta.description or "a list", hint)))
        return
    if len(found) < (meta.min_length or 0):
        yield SettingFault(key, str(RefusalError(found, meta.description or "")))
    for at, item in enumerate(found):
        yield from faults(item, kind, f"{key}[{at}]")


def _meta(kind: Any) -> msgspec.Meta:  # noqa: ANN401 - as above
    known = getattr(kind, "__metadata__", ())
    return next((each for each in known if isinstance(each, msgspec.Meta)), msgspec.Meta())


def _is_table(kind: object) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _required(kind: type[msgspec.Struct]) -> list[str]:
    """The keys that must be there."""
    return [each.name for each in msgspec.structs.fields(kind) if each.required]


def _joined(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
