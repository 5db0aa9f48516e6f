"""What files from outside say, checked by a schema: all that is wrong with one in a single sentence."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from edgeconnect.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Model = TypeVar("Model", bound=BaseModel)

_YAML_BYTES = 100_000  # hundred times the longest config
_SHOWN = 60  # characters of a wrong value


def checked(kind: type[Model], values: dict[str, Any], where: str) -> Model:
    """A `kind` from its fields' values; all faults in one InputError that starts with `where`."""
    try:
        return kind(**values)
    except ValidationError as error:
        faults = "; ".join(map(_sentence, error.errors()))
        raise InputError(f"{where}: {faults}") from None


def parse_json(text: str, where: str) -> dict[str, Any]:
    """A JSON object; InputError that starts with `where` for anything else, and for a name given twice.

    text: the whole document. where: the file and line, for the sentence.
    """
    try:
        values = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: expected a JSON object, got: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{where}: expected a JSON object, got {type(values).__name__}")
    return values


def read_yaml(file: Path) -> dict[str, Any]:
    """The fields of a YAML config file; InputError where it is no mapping of plain values."""
    try:
        if not file.is_file() and file.exists():
            raise InputError(f"{file}: expected a YAML file, got a folder, pipe or device")
        with file.open("rb") as stream:
            content = stream.read(_YAML_BYTES + 1)
        if len(content) > _YAML_BYTES:
            raise InputError(f"{file}: expected at most {_YAML_BYTES} bytes of training options, got more")
        values = yaml.load(content.decode("utf-8"), _PlainLoader)
    except InputError:
        raise
    except Exception as error:  # the constructors of explicit tags raise whatever their values lead to
        reason = " ".join(str(error).split())
        raise InputError(f"{file}: expected a YAML file of training options, got {reason}") from None
    if not isinstance(values, dict):
        raise InputError(f"{file}: expected `name: value` lines, got {type(values).__name__}")
    for key, value in values.items():
        if isinstance(value, str) and "\0" in value:  # no path and no name has it
            raise InputError(f"{file}: {key}: expected text, got {value!r:.{_SHOWN}} with NUL in it")
    return {str(key).replace("-", "_"): value for key, value in values.items()}


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} twice")
    return values


def _sentence(error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "value_error":
        return message  # names its fields itself
    if error["type"] == "missing":
        return f"{'.'.join(map(str, error['loc']))}: expected a value, got none"
    came = repr(error["input"])
    came = came if len(came) <= _SHOWN else f"{came[:_SHOWN]}..."
    return f"{'.'.join(map(str, error['loc']))}: {message}, got {came}"


class _PlainLoader(yaml.SafeLoader):
    """YAML of texts, numbers, lists and mappings: no dates, no base 60, no aliases, which can grow huge."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (as in the class above)
        first: [
            (tag, pattern) for tag, pattern in found if tag.rpartition(":")[2] in ("bool", "null", "merge")
        ]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        """The next node; an alias is an error."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, f"an alias (*{event.anchor})", event.start_mark)
        return super().compose_node(parent, index)


_NUMBERS = {
    "int": r"[-+]?(?:0|[1-9]\d{0,17})$",
    "float": r"[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN)$",
}
for _tag, _pattern in _NUMBERS.items():
    _PlainLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list("-+.0123456789")
    )
