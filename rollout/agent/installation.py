"""The settings file of the installation, kept true to the portal's word."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import structlog

from portal import clock
from rollout import settings_file
from rollout.agent.config import Config
from rollout.agent.portal import Away, Portal, Said
from rollout.agent.state import State
from rollout.domain import kill_file
from rollout.domain.flags import ENABLED, Value
from rollout.domain.installations import (
    RUNS_ROOT,
    SettingsState,
    Wanted,
    Word,
    wanted,
)
from rollout.domain.settings_export import BLOCK, SECTION

LEVERS_S = 180.0

log = structlog.get_logger(__name__)


class Exporter:
    """Asks the portal, and writes what follows; says `false` whenever it is in doubt.

    `heard_at` is when the portal last confirmed the word, on the monotonic clock; None
    when it has to do so first.
    """

    def __init__(
        self, config: Config, portal: Portal, state: State, *, dry_run: bool
    ) -> None:
        self.config = config
        self.place = config.installation
        self.portal = portal
        self.state = state
        self.dry_run = dry_run
        self.word: Word | None = None
        self.heard_at: float | None = None
        self.killed_at = 0.0
        self.has_levers: Callable[[], bool] = lambda: False
        self.opens_at = 0.0
        self.is_older = False
        self.problem = ""
        self.wanted: Wanted | None = None
        self._restore()

    def _restore(self) -> None:
        known = self.state.installation()
        try:
            self.word = Word.from_json(known["word"])
            age = clock.now().timestamp() - float(known["heard_at"])
            must_hear = bool(known["must_hear"])
        except (KeyError, TypeError, ValueError):
            return
        if age >= 0 and not must_hear:
            self.heard_at = time.monotonic() - age

    @property
    def is_killed(self) -> bool:
        """Whether the kill file on this host stops the rollout."""
        path = self.place.kill_file
        if path is None:
            return False
        # What is put aside to become an act counts until it is one; it is read last.
        aside = path.with_name(path.name + kill_file.ASIDE)
        return any(
            kill_file.kills(_killed(each), self.portal.rollout)
            for each in (path, aside)
        )

    @property
    def is_stopping_runs(self) -> bool:
        """Whether running runs have to stop, too: the switch, not a stage, is why."""
        assert self.wanted is not None
        if self.wanted.state == SettingsState.KILLED:
            return True
        is_heard = self.wanted.state in (SettingsState.ENABLED, SettingsState.DISABLED)
        return is_heard and self.word is not None and self.word.is_engaged

    @property
    def is_enabled(self) -> bool:
        """Whether Option C may go on here, now."""
        return self.wanted is not None and self.wanted.is_enabled and not self.problem

    @property
    def settings_state(self) -> SettingsState:
        """Why the file says what it says."""
        if self.problem:
            return SettingsState.UNWRITABLE
        return self.wanted.state if self.wanted else SettingsState.UNHEARD

    async def ask(self) -> None:
        """Ask the portal; a word that has gone back is not taken."""
        asked_at = time.monotonic()
        known = {"team": self.place.team, "environment": self.place.environment}
        # Whoever has to hear a word first is not content with "as you have it".
        is_known = self.word is not None and not self.is_older
        etag = self.word.etag if is_known and self.word else ""
        try:
            answer = await self.portal.settings(known, etag)
            said = self._word_of(answer)
        except (Away, Said, ValueError, KeyError) as trouble:
            log.debug("settings_not_heard", trouble=str(trouble))
            return
        if self.word is not None and said.is_older_than(self.word):
            if not self.is_older:
                log.error(
                    "settings_older",
                    epoch=said.epoch,
                    revision=said.revision,
                    known_epoch=self.word.epoch,
                    known_revision=self.word.revision,
                )
            self.is_older = True
            return
        self.is_older = False
        self.word = said
        if asked_at > self.killed_at:
            self.heard_at = asked_at

    def _word_of(self, answer: httpx.Response) -> Word:
        flags: dict[str, Value] = {}
        if answer.status_code == 304 and self.word is not None:
            flags = dict(self.word.flags)
        else:
            found = answer.json()
            if not isinstance(found, dict) or not isinstance(found.get(ENABLED), bool):
                raise ValueError("no block of flags")
            flags = {key: self._expanded(value) for key, value in found.items()}
        return Word(
            epoch=int(answer.headers["X-Epoch"]),
            revision=int(answer.headers["X-Revision"]),
            is_engaged=answer.headers.get("X-Switch") == "engaged",
            flags=flags,
            etag=answer.headers.get("ETag", ""),
        )

    @staticmethod
    def _expanded(value: Value) -> Value:
        if isinstance(value, str) and value.startswith("~"):
            return str(Path(value).expanduser())
        return value

    def apply(self) -> None:
        """Have the file say what it should now; what is wrong is in `problem`."""
        now = time.monotonic()
        found = wanted(
            self.word,
            unheard_s=None if self.heard_at is None else now - self.heard_at,
            limit_s=self.config.dead_man_limit_s,
            is_killed=self.is_killed,
            is_older=self.is_older,
            runs_root=str(self.place.runs_root),
        )
        found = self._after_the_levers(found, now)
        if found.state in (SettingsState.KILLED, SettingsState.UNHEARD):
            self.heard_at = None  # only a later word opens again
        if found.state == SettingsState.KILLED:
            self.killed_at = now
        if self.wanted is None or found != self.wanted:
            log.info(
                "settings",
                state=found.state,
                enabled=found.is_enabled,
                epoch=self.word.epoch if self.word else None,
                revision=self.word.revision if self.word else None,
                dry_run=self.dry_run,
            )
        self.wanted = found
        if self.dry_run:
            return
        self._keep()
        self._write(found.flags)

    def _after_the_levers(self, found: Wanted, now: float) -> Wanted:
        """The file opens last: when no manifest is switched off any more.

        One whose lock is never given back does not hold up the others for ever.
        """
        if not found.is_enabled:
            self.opens_at = now + LEVERS_S
        elif self.has_levers() and now < self.opens_at:
            shut = {**found.flags, ENABLED: False}
            return Wanted(SettingsState.DISABLED, shut)
        return found

    def shut(self) -> None:
        """The agent ends: an installation without one is not governed."""
        self.heard_at = None
        self._keep()
        if self.wanted is not None:
            self._write({**self.wanted.flags, ENABLED: False})
            log.info("settings", state="stopped", enabled=False)

    def _keep(self) -> None:
        if self.word is None:
            return
        age = None if self.heard_at is None else time.monotonic() - self.heard_at
        # In steps, so that the disk is not written to for every word.
        step = max(1.0, self.config.dead_man_limit_s / 4)
        at = clock.now().timestamp() - (age or 0)
        self.state.keep_installation(
            {
                "word": self.word.to_json(),
                "heard_at": at // step * step,
                "must_hear": age is None,
            }
        )

    def _write(self, flags: dict[str, Value]) -> None:
        path = self.place.settings_file
        try:
            if self._block(path) != flags:
                settings_file.write(path, flags)
                log.info("settings_written", path=str(path), enabled=flags[ENABLED])
            self.problem = ""
        except settings_file.CannotWrite as error:
            if str(error) != self.problem:
                log.error("settings_not_written", trouble=str(error))
            self.problem = str(error)

    @property
    def is_file_enabled(self) -> bool:
        """Whether the file lets Option C run: the research system needs a clear no."""
        block = self._block(self.place.settings_file)
        return block is None or block[ENABLED] is not False

    @staticmethod
    def _block(path: Path) -> Any:
        """What the file says now; None when it cannot be told."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))[SECTION][BLOCK]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return found if isinstance(found, dict) and _is_exact(found) else None

    def problems(self) -> list[str]:
        """What people should know."""
        found = [self.problem] if self.problem else []
        if self.is_older and self.word is not None:
            known = f"{self.word.epoch}/{self.word.revision}"
            found.append(
                f"The portal speaks of an older epoch or revision than {known}: it was "
                "set back, or this is another one."
            )
        root = self.word.flags.get(RUNS_ROOT) if self.word else None
        if root is not None and root != str(self.place.runs_root):
            found.append(
                f"The portal's runs root {root} is not this agent's: "
                f"{self.place.runs_root}."
            )
        return found


def _killed(path: Path) -> dict[str, str]:
    try:
        return kill_file.parse(path.read_text(errors="replace"))
    except FileNotFoundError:
        return {}
    except OSError:
        return kill_file.parse("")


def _is_exact(block: dict[str, Any]) -> bool:
    """Python takes 1 for true; the research system's reader need not."""
    return isinstance(block.get(ENABLED), bool)
