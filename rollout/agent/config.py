"""The agent's one configuration file: TOML, checked to the last key."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from portal.errors import Invalid
from rollout.domain import baseline

DRIVERS = ("task", "fixture")
_NEEDED = object()


@dataclass(frozen=True, slots=True)
class PortalConfig:
    """Where the portal is, and who the agent is there."""

    url: str
    token: str
    rollout: str


@dataclass(frozen=True, slots=True)
class Installation:
    """What the agent governs: one research system with one settings file."""

    team: str | None
    environment: str | None
    query_class: str | None
    integration_root: Path
    settings_file: Path
    runs_root: Path
    kill_file: Path | None


@dataclass(frozen=True, slots=True)
class Cli:
    """How the research system is told something; seconds and bytes are limits."""

    command: tuple[str, ...]
    fallback: tuple[str, ...]
    watchdog: tuple[str, ...]
    time_limit_s: float
    output_limit_bytes: int


@dataclass(frozen=True, slots=True)
class Drive:
    """Whether and how runs are ticked."""

    is_on: bool
    driver: str
    at_once: int
    tick_limit_s: float
    interrupt_after_s: float
    pause_s: float
    waiting_s: float


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds between two looks."""

    settings_s: float
    rescan_s: float
    report_s: float
    settle_s: float


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that the file says."""

    name: str
    state: Path
    disable_on_stop: bool
    dead_man_limit_s: float
    largest_file_bytes: int
    portal: PortalConfig
    installation: Installation
    cli: Cli
    drive: Drive
    every: Intervals


class _Table:
    """One table of the file; every key is taken once, and what is left is unknown."""

    def __init__(self, raw: Any, name: str, errors: list[str]) -> None:
        self.name = name
        self.errors = errors
        self.left: dict[str, Any] = {}
        if isinstance(raw, Mapping):
            self.left = dict(raw)
        elif raw is not None:
            errors.append(f"{name} has to be a table")

    def take(
        self,
        key: str,
        is_right: Callable[[Any], bool],
        wanted: str,
        default: Any = _NEEDED,
    ) -> Any:
        """The value of a key, or its default."""
        if key not in self.left:
            if default is _NEEDED:
                self.errors.append(f"{self._of(key)} is missing: {wanted}")
                return None
            return default
        value = self.left.pop(key)
        if not is_right(value):
            self.errors.append(f"{self._of(key)} has to be {wanted}")
            return None if default is _NEEDED else default
        return value

    def text(self, key: str, default: Any = _NEEDED) -> Any:
        return self.take(key, _is_text, "a text that is not empty", default)

    def path(self, key: str, default: Any = _NEEDED) -> Any:
        found = self.take(key, _is_path, "an absolute path, or one from ~", default)
        return Path(found).expanduser() if isinstance(found, str) else found

    def seconds(self, key: str, default: float, least: float, most: float) -> float:
        wanted = f"a number of seconds from {least:g} to {most:g}"
        return float(self.take(key, _between(least, most), wanted, default))

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        wanted = f"a whole number from {least} to {most}"
        is_right = _between(least, most)
        return self.take(
            key, lambda v: isinstance(v, int) and is_right(v), wanted, default
        )

    def flag(self, key: str, default: bool) -> bool:
        return self.take(key, lambda v: isinstance(v, bool), "true or false", default)

    def argv(self, key: str, default: Any = _NEEDED) -> tuple[str, ...]:
        found = self.take(key, _is_argv, 'a list such as ["bun", "cli.ts"]', default)
        return tuple(found or ())

    def end(self) -> None:
        """Whatever was not taken is a mistake."""
        self.errors += [f"{self._of(key)} is not known" for key in sorted(self.left)]

    def _of(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _is_path(value: Any) -> bool:
    return _is_text(value) and (value.startswith("/") or value.startswith("~"))


def _is_argv(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _is_url(value: Any) -> bool:
    if not _is_text(value):
        return False
    parts = urlsplit(value)
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and parts.username is None
        and not (parts.query or parts.fragment)
    )


def _between(least: float, most: float) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and least <= value <= most
    )


def load(path: Path) -> Config:
    """The configuration in a file; `Invalid` says everything that is wrong with it."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} is no TOML: {error}.") from None
    errors: list[str] = []
    config = _config(raw, errors)
    if errors:
        raise Invalid(f"{path}: {'; '.join(errors)}.")
    return config


def _config(raw: dict[str, Any], errors: list[str]) -> Config:
    top = _Table(raw, "", errors)
    tables = {
        name: _Table(top.left.pop(name, None), name, errors)
        for name in ("portal", "installation", "cli", "drive", "every")
    }
    drive = _drive(tables["drive"])
    config = Config(
        name=top.take("name", _is_name, "letters, digits, `-`, `_` and `.`"),
        state=top.path("state"),
        disable_on_stop=top.flag("disable_on_stop", True),
        dead_man_limit_s=top.seconds("dead_man_limit_s", 60, 1, 86_400),
        largest_file_bytes=top.whole("largest_file_bytes", 256 * 2**20, 1, 2**40),
        portal=_portal(tables["portal"]),
        installation=_installation(tables["installation"]),
        cli=_cli(tables["cli"]),
        drive=drive,
        every=_every(tables["every"]),
    )
    for table in (*tables.values(), top):
        table.end()
    if config.dead_man_limit_s <= config.every.settings_s:
        errors.append("dead_man_limit_s has to be longer than every.settings_s")
    return config


def _is_name(value: Any) -> bool:
    return _is_text(value) and len(value) <= 100 and _is_plain(value)


def _is_plain(value: str) -> bool:
    return all(
        letter.isascii() and (letter.isalnum() or letter in "-_.") for letter in value
    )


def _portal(table: _Table) -> PortalConfig:
    url = table.take("url", _is_url, "an address such as https://portal.example.org")
    token = table.text("token", None)
    token_file = table.path("token_file", None)
    if (token is None) == (token_file is None):
        table.errors.append("portal needs either token or token_file")
    elif token_file is not None:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            table.errors.append(f"portal.token_file cannot be read: {error}")
    if token is not None and not (token.isascii() and _is_text(token)):
        table.errors.append("the token has to be one line of plain letters")
    return PortalConfig(
        url=(url or "").rstrip("/"),
        token=token or "",
        rollout=table.text("rollout", baseline.ROLLOUT),
    )


def _installation(table: _Table) -> Installation:
    root = table.path("integration_root")
    return Installation(
        team=table.text("team", None),
        environment=table.text("environment", None),
        query_class=table.text("query_class", None),
        integration_root=root,
        settings_file=table.path(
            "settings_file", (root or Path("/")) / "settings.json"
        ),
        runs_root=table.path("runs_root"),
        kill_file=table.path("kill_file", None),
    )


def _cli(table: _Table) -> Cli:
    return Cli(
        command=table.argv("command"),
        fallback=table.argv("fallback", ()),
        watchdog=table.argv("watchdog", ()),
        time_limit_s=table.seconds("time_limit_s", 60, 1, 3600),
        output_limit_bytes=table.whole("output_limit_bytes", 64 * 2**20, 1024, 2**33),
    )


def _drive(table: _Table) -> Drive:
    return Drive(
        is_on=table.flag("is_on", False),
        driver=table.take("driver", DRIVERS.__contains__, " or ".join(DRIVERS), "task"),
        at_once=table.whole("at_once", 4, 1, 1000),
        tick_limit_s=table.seconds("tick_limit_s", 900, 1, 86_400),
        interrupt_after_s=table.seconds("interrupt_after_s", 30, 0, 3600),
        pause_s=table.seconds("pause_s", 0.5, 0.05, 3600),
        waiting_s=table.seconds("waiting_s", 30, 0.1, 3600),
    )


def _every(table: _Table) -> Intervals:
    return Intervals(
        settings_s=table.seconds("settings_s", 2, 0.2, 3600),
        rescan_s=table.seconds("rescan_s", 60, 1, 86_400),
        report_s=table.seconds("report_s", 10, 0.5, 50),
        settle_s=table.seconds("settle_s", 10, 0.1, 3600),
    )
