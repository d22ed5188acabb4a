"""The flags of one installation, as its settings file has them.

The research system takes a missing key for its own default, and anything but `false`
for "enabled". So the switch is always there, and always a real boolean.
"""

from collections.abc import Mapping
from typing import Any

from portal.domain.redaction import redact
from portal.errors import Invalid
from rollout.domain import baseline
from rollout.domain.contexts import Context
from rollout.domain.evaluation import Values, forced_for, limited
from rollout.domain.flags import ENABLED, FlagSpec, Value
from rollout.domain.snapshots import CompiledFlag, Snapshot

SECTION, BLOCK = "deepResearchCli", "flags"
# What the research system knows, and the clamps that it has itself.
_KNOWN: dict[str, FlagSpec] = {spec.key: spec for spec, _ in baseline.FLAGS}


def settings_export(
    snapshot: Snapshot, *, team: str | None = None, environment: str | None = None
) -> dict[str, Value]:
    """The block for the installation of a team in an environment (decision 7).

    What is left out is the installation's own business: a path that begins with `~`,
    which only it can expand, and an address with a secret in it, for secrets are
    never sent.
    """
    is_enabled = admits(snapshot, team=team, environment=environment)
    context = Context(run_id="", team=team, environment=environment)
    values = Values(snapshot, context.asked(), is_enabled=lambda: is_enabled)
    found = {
        flag.spec.key: _KNOWN[flag.spec.key].clamp(_value(snapshot, flag, values))
        for flag in snapshot.flags
        if flag.spec.key in _KNOWN
    }
    kept = {key: value for key, value in found.items() if not _is_its_own(value)}
    return {**kept, ENABLED: is_enabled}


def admits(
    snapshot: Snapshot, *, team: str | None = None, environment: str | None = None
) -> bool:
    """Whether any run of this installation could get Option C now.

    Mode and query class are the runs' own: it is enough that the stage admits one.
    """
    stage = snapshot.stage
    if snapshot.is_switch_engaged or stage is None:
        return False
    asked = {
        "team": team,
        "environment": environment,
        "mode": next(iter(stage.plan.modes), None),
        "query_class": next(iter(stage.plan.query_classes), None),
    }
    is_admitted = not stage.plan.not_admitted(asked)
    return is_admitted and stage.is_admitting and stage.share > 0


def _value(snapshot: Snapshot, flag: CompiledFlag, values: Values) -> Value:
    """The value without a run; what would take a bucket keeps the default."""
    try:
        return values.of(flag).value
    except Invalid:
        forced = forced_for(snapshot, is_no_web=False)
        return limited(flag.spec, flag.spec.default, forced)[0]


def _is_its_own(value: Value) -> bool:
    return isinstance(value, str) and (value.startswith("~") or redact(value) != value)


def placed(settings: Mapping[str, Any], block: Mapping[str, Value]) -> dict[str, Any]:
    """An installation's settings with this block in its place, the rest as it was."""
    section = settings.get(SECTION)
    return {
        **settings,
        SECTION: {**(section if isinstance(section, dict) else {}), BLOCK: dict(block)},
    }
