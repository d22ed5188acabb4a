"""Who may do what: one table, asked inside every act.

The table is decision 2 of the design. `docs/reference/permissions.md` is
rendered from it.
"""

from enum import StrEnum


class Role(StrEnum):
    """What a person is here for."""

    ARCHITECT = "architect"
    QA = "qa"
    ENGINEER = "engineer"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


class May(StrEnum):
    """One kind of act, as the table of permissions knows it."""

    READ = "read"
    ENGAGE_SWITCH = "engage_switch"
    HOLD = "hold"
    FALL_BACK = "fall_back"
    TAKE_FALLBACK = "take_fallback"
    DIRECT_RUN = "direct_run"
    ROLL_BACK = "roll_back"
    REQUEST_EXPOSURE = "request_exposure"
    CONFIRM_EXPOSURE = "confirm_exposure"
    PROPOSE_CHANGE = "propose_change"
    APPROVE_CHANGE = "approve_change"
    APPROVE_LOW_RISK_CHANGE = "approve_low_risk_change"
    PROPOSE_ALLOWANCE = "propose_allowance"
    ALLOW_FINDING = "allow_finding"
    TAKE_BLOCKED = "take_blocked"
    RUN_VERIFICATION = "run_verification"
    CONDUCT_DRILL = "conduct_drill"
    OBSERVE_DRILL = "observe_drill"
    OPEN_INCIDENT = "open_incident"
    WORK_INCIDENT = "work_incident"
    SIGN_AS_ARCHITECT = "sign_as_architect"
    SIGN_AS_QA = "sign_as_qa"
    ASSEMBLE_PACK = "assemble_pack"
    PROPOSE_WAIVER = "propose_waiver"
    WAIVE = "waive"
    MANAGE_ACCESS = "manage_access"
    CONFIRM_ACCESS = "confirm_access"
    DECIDE = "decide"
    REPORT_RUNS = "report_runs"
    READ_DIRECTIVES = "read_directives"
    INGEST = "ingest"
    REQUEUE_JOB = "requeue_job"
    MANAGE_ENDPOINTS = "manage_endpoints"
    REDELIVER = "redeliver"
    SEAL = "seal"


# What only ever leads towards safety: an emergency waits for nobody.
SAFETY = {
    May.ENGAGE_SWITCH,
    May.HOLD,
    May.FALL_BACK,
    May.TAKE_FALLBACK,
    May.DIRECT_RUN,
    May.ROLL_BACK,
    May.OPEN_INCIDENT,
}

GRANTS: dict[Role, frozenset[May]] = {
    Role.ARCHITECT: frozenset(
        SAFETY
        | {
            May.READ,
            May.REQUEST_EXPOSURE,
            May.CONFIRM_EXPOSURE,
            May.PROPOSE_CHANGE,
            May.APPROVE_CHANGE,
            May.PROPOSE_ALLOWANCE,
            May.TAKE_BLOCKED,
            May.ALLOW_FINDING,
            May.APPROVE_LOW_RISK_CHANGE,
            May.OBSERVE_DRILL,
            May.WORK_INCIDENT,
            May.SIGN_AS_ARCHITECT,
            May.WAIVE,
            May.CONFIRM_ACCESS,
            May.MANAGE_ENDPOINTS,
            May.REDELIVER,
        }
    ),
    Role.QA: frozenset(
        SAFETY
        | {
            May.READ,
            May.CONFIRM_EXPOSURE,
            May.APPROVE_CHANGE,
            May.APPROVE_LOW_RISK_CHANGE,
            May.PROPOSE_ALLOWANCE,
            May.TAKE_BLOCKED,
            May.ALLOW_FINDING,
            May.RUN_VERIFICATION,
            May.CONDUCT_DRILL,
            May.OBSERVE_DRILL,
            May.WORK_INCIDENT,
            May.SIGN_AS_QA,
            May.WAIVE,
        }
    ),
    Role.ENGINEER: frozenset(
        SAFETY
        | {
            May.READ,
            May.REQUEST_EXPOSURE,
            May.PROPOSE_CHANGE,
            May.APPROVE_LOW_RISK_CHANGE,
            May.PROPOSE_ALLOWANCE,
            May.TAKE_BLOCKED,
            May.RUN_VERIFICATION,
            May.CONDUCT_DRILL,
            May.OBSERVE_DRILL,
            May.WORK_INCIDENT,
            May.ASSEMBLE_PACK,
            May.PROPOSE_WAIVER,
            May.INGEST,
            May.REQUEUE_JOB,
            May.REDELIVER,
        }
    ),
    Role.OPERATOR: frozenset(
        SAFETY
        | {
            May.READ,
            May.REQUEST_EXPOSURE,
            May.PROPOSE_CHANGE,
            May.PROPOSE_ALLOWANCE,
            May.TAKE_BLOCKED,
            May.RUN_VERIFICATION,
            May.CONDUCT_DRILL,
            May.OBSERVE_DRILL,
            May.WORK_INCIDENT,
            May.ASSEMBLE_PACK,
            May.PROPOSE_WAIVER,
            May.INGEST,
            May.REQUEUE_JOB,
            May.REDELIVER,
        }
    ),
    Role.AUDITOR: frozenset({May.READ}),
    Role.ADMINISTRATOR: frozenset(
        {
            May.READ,
            May.MANAGE_ACCESS,
            May.CONFIRM_ACCESS,
            May.MANAGE_ENDPOINTS,
            May.REDELIVER,
        }
    ),
}


class Scope(StrEnum):
    """What a token is good for. No scope signs, approves or confirms."""

    DECIDE = "decide"
    REPORT_RUNS = "report-runs"
    READ = "read"
    OPERATE = "operate"
    KILL = "kill"


SCOPE_GRANTS: dict[Scope, frozenset[May]] = {
    # Whoever asked which workflow a run gets is who sends its request to the other one.
    Scope.DECIDE: frozenset({May.DECIDE, May.TAKE_FALLBACK}),
    Scope.REPORT_RUNS: frozenset({May.REPORT_RUNS, May.READ_DIRECTIVES}),
    Scope.READ: frozenset({May.READ}),
    Scope.OPERATE: frozenset(
        {
            May.HOLD,
            May.FALL_BACK,
            May.TAKE_FALLBACK,
            May.DIRECT_RUN,
            May.ROLL_BACK,
            May.REQUEST_EXPOSURE,
            May.PROPOSE_CHANGE,
            May.REDELIVER,
            May.PROPOSE_ALLOWANCE,
            May.ASSEMBLE_PACK,
            May.PROPOSE_WAIVER,
        }
    ),
    Scope.KILL: frozenset({May.ENGAGE_SWITCH}),
}

# What the machine does by itself (jobs, watchdog, triggers), and what somebody with
# a shell on the host may do: everything towards safety, nothing towards exposure.
SYSTEM_GRANTS: frozenset[May] = frozenset(
    SAFETY
    | {May.READ, May.INGEST, May.DECIDE, May.REPORT_RUNS, May.READ_DIRECTIVES}
    | {May.RUN_VERIFICATION, May.CONDUCT_DRILL, May.ASSEMBLE_PACK, May.SEAL}
)
HOST_GRANTS: frozenset[May] = SYSTEM_GRANTS | {
    May.MANAGE_ACCESS,
    May.REQUEUE_JOB,
    May.REDELIVER,
    May.TAKE_BLOCKED,  # whoever has the host has its disk
    May.PROPOSE_CHANGE,  # what takes a second person also takes a first one with a name
}


def roles_that(act: May) -> list[Role]:
    """The roles that may do this, in the order of the table."""
    return [role for role, grants in GRANTS.items() if act in grants]


def who_may(act: May) -> str:
    """Who may do this, as a sentence says it: `QA, an engineer or an operator`."""
    roles = roles_that(act)
    *most, last = ["QA" if role == Role.QA else f"an {role}" for role in roles]
    return f"{', '.join(most)} or {last}" if most else last
