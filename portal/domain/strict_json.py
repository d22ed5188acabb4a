"""Reading JSON from strangers: what is taken can be kept and hashed exactly."""

import json
import re
from typing import Any, NoReturn

from portal.errors import Invalid, Malformed, TooLarge

MOST_ERRORS = 20
DEEPEST = 64
LARGEST_INTEGER = 2**53 - 1

_STRUCTURE = re.compile(rb'[\[\]{}]|"(?:[^"\\]|\\.)*"', re.DOTALL)


def read(raw: bytes, *, limit: int) -> Any:
    """The JSON value in `raw`.

    Raises `TooLarge` beyond `limit` bytes; `Malformed` for what is not UTF-8 JSON, is
    nested deeper than 64 levels, names a key twice, or holds NaN or an infinity; and
    `Invalid` for what cannot be kept exactly: integers beyond 2^53, lone surrogates,
    NUL characters.
    """
    if len(raw) > limit:
        raise TooLarge(
            f"This is {len(raw)} bytes long; at most {limit} are taken.", limit=limit
        )
    _check_depth(raw)
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_without_doubles,
            parse_constant=_no_constant,
        )
    except UnicodeDecodeError as error:
        raise Malformed(f"This is not UTF-8 at byte {error.start}.") from None
    except json.JSONDecodeError as error:
        raise Malformed(
            f"This is not JSON: {error.msg} at line {error.lineno}, "
            f"column {error.colno}."
        ) from None
    except ValueError as error:
        if isinstance(error, _Doubled):
            raise Malformed(f"The key {error.key!r} stands there twice.") from None
        raise Malformed("A number in this is too long to be read.") from None
    check(value)
    return value


def check(value: Any) -> None:
    """Refuse a JSON value that cannot be kept exactly (`Invalid`), as `read` does."""
    if errors := list(_unkeepable(value, "")):
        raise Invalid(
            "Some values in this cannot be kept exactly.",
            code="NOT_CANONICAL",
            errors=errors[:MOST_ERRORS],
        )


class _Doubled(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _Doubled(next(key for key in keys if keys.count(key) > 1))
    return found


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not a JSON value.")


def _check_depth(raw: bytes) -> None:
    """Before any parser recurses: one pass over brackets outside strings."""
    depth = 0
    for token in _STRUCTURE.finditer(raw):
        first = raw[token.start()]
        if first in b"[{":
            depth += 1
            if depth > DEEPEST:
                raise Malformed(f"This is nested deeper than {DEEPEST} levels.")
        elif first in b"]}":
            depth -= 1


def _unkeepable(value: Any, pointer: str) -> Any:
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
            yield {"pointer": pointer, "detail": "an integer beyond 2^53"}
        elif isinstance(value, float) and value in (float("inf"), float("-inf")):
            yield {"pointer": pointer, "detail": "a number beyond all bounds"}
    elif isinstance(value, str):
        if (why := _unkeepable_text(value)) is not None:
            yield {"pointer": pointer, "detail": why}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unkeepable(item, f"{pointer}/{index}")
    else:
        for key, item in value.items():
            place = f"{pointer}/{escaped(key)}"
            if (why := _unkeepable_text(key)) is not None:
                yield {"pointer": pointer, "detail": f"a key with {why}"}
            else:
                yield from _unkeepable(item, place)


def _unkeepable_text(text: str) -> str | None:
    if "\0" in text:
        return "a NUL character"
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        return "a lone surrogate"
    return None


def escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
