"""The table of codes says all that the code can say, and nothing else."""

import ast
from functools import cache
from http import HTTPStatus

import pytest

from drills.domain import refusals as of_drills
from portal import errors
from portal.api.problems import CODES as BY_STATUS
from portal.api.problems import STATUS
from portal.domain import refusals as of_portal
from portal.errors import problem
from rollout.domain import refusals as of_rollout
from rollout.domain.runs import RefusalCode
from tests.test_architecture import modules

KNOWN = of_portal.CODES | of_rollout.CODES | of_drills.CODES

# Said by pages, commands and workers, and by what others verify; never over the API.
SAID_ELSEWHERE = {
    "on pages": {
        *("CANNOT_DELEGATE_TO_ONESELF", "CANNOT_GRANT_TO_ONESELF", "CODE_REQUIRED"),
        *("CODE_WRONG", "DELEGATION_ENDED", "EVIDENCE_CHANGED", "GLASS_IS_BROKEN"),
        *("INSTALLATION_IS_OVER", "INVOLVED", "JUDGEMENT_INCOMPLETE", "KEY_SPENT"),
        *("LOOK_AGAIN", "NO_EMERGENCY", "PACK_INCOMPLETE", "PACK_SUPERSEDED"),
        *("PASSWORD_REQUIRED", "PASSWORD_WRONG", "PERSON_EXISTS", "REVIEWER_INVOLVED"),
        *("REVIEW_LATE", "ROLE_HELD", "ROUND_CLOSED", "SIGNED_ALREADY"),
        *("STATEMENT_CHANGED", "TOO_MANY_CODES"),
    },
    "by commands and workers": {
        *("AGENT_RUNS_ALREADY", "CHANGED_WHILE_READ", "LEDGER_CONTRADICTED"),
        *("NO_CHECKPOINT", "NO_KEY", "NO_ORIGIN", "NO_SEALER_KEY"),
        *("SETTINGS_FILE_UNUSABLE", "SINK_AWAY", "UNKNOWN_JOB"),
    },
    "by receivers of webhooks": {"SECRET_INVALID", "SIGNATURE_INVALID"},
}
# Refusals whose class is not in `portal.errors`, by the status of what they are.
OWN_CLASSES = {"BadToken": 401, "WrongCode": 403}


@cache
def said_in_the_source() -> dict[str, set[int]]:
    """Each code that is written somewhere, with the statuses that it comes with."""
    found: dict[str, set[int]] = {code: set() for code in BY_STATUS.values()}
    found |= {str(code): {409} for code in RefusalCode}
    for status, code in BY_STATUS.items():
        found[code].add(int(status))
    for _, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                for given in node.keywords:
                    if given.arg == "code" and is_code(given.value):
                        said = found.setdefault(given.value.value, set())
                        said |= statuses_of(ast.unparse(node.func))
            elif isinstance(node, ast.ClassDef) and is_refusal(node):
                for each in node.body:
                    if isinstance(each, ast.Assign) and is_code(each.value):
                        said = found.setdefault(each.value.value, set())
                        for base in node.bases:
                            name = ast.unparse(base)
                            said |= statuses_of(name if name in vars(errors) else "")
    return found


def is_refusal(node: ast.ClassDef) -> bool:
    return any(
        isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "code"
        for each in node.body
    )


def is_code(node: ast.AST) -> bool:
    said = node.value if isinstance(node, ast.Constant) else None
    return isinstance(said, str) and said.isupper()


def statuses_of(name: str) -> set[int]:
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and kind is not errors.Refusal:
        return {int(STATUS[kind])}
    return {OWN_CLASSES[name]} if name in OWN_CLASSES else set()


def test_every_code_of_the_source_stands_in_the_table_or_is_said_elsewhere():
    elsewhere = set().union(*SAID_ELSEWHERE.values())

    assert set(said_in_the_source()) - elsewhere == set(KNOWN)
    assert not elsewhere & set(KNOWN)


@pytest.mark.django_db
def test_the_type_of_a_problem_leads_to_what_it_means(client):
    page = client.get("/api/docs").content.decode()

    for code in KNOWN:
        status = HTTPStatus(KNOWN[code].statuses[0])
        said = problem(status, code=code, detail="", path="/", request_id="")["type"]
        path, _, anchor = str(said).partition("#")
        assert path == "/api/docs"
        assert f'<tr id="{anchor}">' in page


def test_no_app_takes_a_code_of_another():
    sizes = [len(each.CODES) for each in (of_portal, of_rollout, of_drills)]

    assert sum(sizes) == len(KNOWN)


@pytest.mark.parametrize("code", KNOWN)
def test_a_code_comes_with_the_statuses_that_the_table_says(code):
    said = said_in_the_source()[code]

    assert said <= set(KNOWN[code].statuses)
