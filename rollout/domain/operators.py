"""What a rule can ask of one attribute of a context.

An operator takes its operand apart once, when a rule is written or loaded, and says
there what is wrong with it; a test never fails: what it cannot read fulfils nothing.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import ge, gt, le, lt
from typing import Any

import re2
from semver import Version

LONGEST_EXPRESSION = 500

Test = Callable[[Any], bool]
Compare = Callable[[Any, Any], bool]


@dataclass(frozen=True, slots=True)
class Operator:
    """How an operand becomes a test; raises `ValueError` with what is wrong."""

    compile: Callable[[Any], Test]
    means: str


def _equals(operand: Any) -> Test:
    kind = type(_one(operand))
    return lambda found: type(found) is kind and found == operand


def _is_in(operand: Any) -> Test:
    wanted = frozenset((type(each), _one(each)) for each in _several(operand))
    return lambda found: (
        not isinstance(found, list | dict) and (type(found), found) in wanted
    )


def _unless(compile_: Callable[[Any], Test]) -> Callable[[Any], Test]:
    """The opposite, except that what is missing fulfils nothing here either."""

    def compiled(operand: Any) -> Test:
        test = compile_(operand)
        return lambda found: found is not None and not test(found)

    return compiled


def _contains(operand: Any) -> Test:
    wanted = _text(operand)
    return lambda found: isinstance(found, str | list) and wanted in found


def _prefix(operand: Any) -> Test:
    wanted = _text(operand)
    return lambda found: isinstance(found, str) and found.startswith(wanted)


def _suffix(operand: Any) -> Test:
    wanted = _text(operand)
    return lambda found: isinstance(found, str) and found.endswith(wanted)


def _matches(operand: Any) -> Test:
    wanted = _text(operand)
    if len(wanted) > LONGEST_EXPRESSION:
        raise ValueError(f"an expression is at most {LONGEST_EXPRESSION} long")
    options = re2.Options()
    options.log_errors = False
    try:
        expression = re2.compile(wanted, options)
    except re2.error as error:
        said = error.args[0]
        said = said.decode() if isinstance(said, bytes) else str(said)
        raise ValueError(f"RE2 cannot take this expression: {said}") from None
    return lambda found: isinstance(found, str) and bool(expression.search(found))


def _in_network(operand: Any) -> Test:
    networks = [_network(each) for each in _several(operand)]

    def test(found: Any) -> bool:
        if not isinstance(found, str):
            return False
        try:
            address = ipaddress.ip_address(found)
        except ValueError:
            return False
        return any(address in network for network in networks)

    return test


def _network(text: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(_text(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is no network (such as 10.0.0.0/8): {error}") from (
            None
        )


def _ordered(read: Callable[[Any], Any], compare: Compare) -> Callable[[Any], Test]:
    """A comparison of what `read` makes of both sides."""

    def compiled(operand: Any) -> Test:
        bound = read(operand)

        def test(found: Any) -> bool:
            try:
                return compare(read(found), bound)
            except ValueError:
                return False

        return test

    return compiled


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")
    return value


def _version(value: Any) -> Version:
    try:
        return Version.parse(_text(value).removeprefix("v"))
    except ValueError:
        raise ValueError(f"{value!r} is no semantic version (1.2.3)") from None


def _moment(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        raise ValueError(f"{value!r} is no date (2026-01-31T12:00:00Z)") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _one(operand: Any) -> Any:
    if operand is None or isinstance(operand, list | dict):
        raise ValueError("it takes one value")
    return operand


def _text(operand: Any) -> str:
    if not isinstance(operand, str) or not operand:
        raise ValueError("it takes a text that is not empty")
    return operand


def _several(operand: Any) -> list[Any]:
    if not isinstance(operand, list) or not operand:
        raise ValueError("it takes a list that is not empty")
    return operand


OPERATORS: dict[str, Operator] = {
    "equals": Operator(_equals, "the same value of the same type"),
    "not_equals": Operator(_unless(_equals), "there, and another value"),
    "in": Operator(_is_in, "one of a list"),
    "not_in": Operator(_unless(_is_in), "there, and none of a list"),
    "contains": Operator(_contains, "a text with this part, or a list with this item"),
    "prefix": Operator(_prefix, "a text that begins so"),
    "suffix": Operator(_suffix, "a text that ends so"),
    "matches": Operator(_matches, "a text in which an RE2 expression is found"),
    "in_network": Operator(_in_network, "an address in one of a list of CIDR blocks"),
    "below": Operator(_ordered(_number, lt), "a smaller number"),
    "at_most": Operator(_ordered(_number, le), "a number, this or smaller"),
    "at_least": Operator(_ordered(_number, ge), "a number, this or larger"),
    "above": Operator(_ordered(_number, gt), "a larger number"),
    "semver_below": Operator(_ordered(_version, lt), "an older semantic version"),
    "semver_at_least": Operator(_ordered(_version, ge), "this version or a newer one"),
    "before": Operator(_ordered(_moment, lt), "a date before this (ISO 8601)"),
    "not_before": Operator(_ordered(_moment, ge), "this date or a later one"),
}
