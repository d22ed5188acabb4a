"""All rules together: what in a window is a secret, and which rules said so."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from rollout.domain import scanning_context, scanning_families
from rollout.domain.scanning_encodings import KINDS, compiled
from rollout.domain.scanning_families import FAMILIES, literals

ENGINE = 1  # rises when the code finds other things by the same rules
MOST_AHEAD = 2048

_LITERALS = literals(FAMILIES)
_SHAPES = compiled("|".join(re.escape(key.decode()) for key in _LITERALS))
_NAMES = compiled("|".join(scanning_context.ANCHORS))
RULES_VERSION = sha256(
    repr(
        [
            ENGINE,
            _SHAPES.pattern,
            _NAMES.pattern,
            [(f.name, f.anchors, f.pattern.pattern, f.back) for f in FAMILIES],
            [
                (name, value.pattern)
                for name, value in vars(scanning_context).items()
                if isinstance(value, re.Pattern)
            ],
            [(kind.name, kind.run.pattern) for kind in KINDS],
        ]
    ).encode()
).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Hit:
    """A secret in a window, from `start` to `end`; `shown` is its public beginning."""

    family: str
    start: int
    end: int
    is_certain: bool
    shown: str = ""


def hits(data: bytes, first: int, upto: int) -> Iterator[Hit]:
    """The secrets whose anchor is in `data[first:upto]`.

    What has a shape of its own is not found a second time by its name.
    """
    shaped: list[tuple[int, int]] = []
    for found in _SHAPES.finditer(data, first):
        start, end = found.span()
        if start >= upto + MOST_AHEAD:
            break
        for family in _LITERALS[data[start:end]]:
            span = scanning_families.match(family, data, start)
            if span is None:
                continue
            shaped.append(span)
            if start < upto:
                yield Hit(family.name, *span, True, data[start:end].decode())
    at = first
    while (found := _NAMES.search(data, at)) is not None:
        start = found.start()
        if start >= upto:
            break
        named = scanning_context.read(data, start)
        at = named.end if named else found.end() - 6  # a value may be a name, too
        if named and not any(s < named.end and named.start < e for s, e in shaped):
            yield Hit(named.family, named.start, named.end, named.is_certain)
