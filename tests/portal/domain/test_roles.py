import pytest

from portal.domain.roles import (
    GRANTS,
    HOST_GRANTS,
    SCOPE_GRANTS,
    SYSTEM_GRANTS,
    May,
    Role,
    roles_that,
    who_may,
)

TOWARDS_EXPOSURE = {May.CONFIRM_EXPOSURE, May.APPROVE_CHANGE, May.CONFIRM_ACCESS}
SIGNING = {May.SIGN_AS_ARCHITECT, May.SIGN_AS_QA, May.WAIVE, May.OBSERVE_DRILL}


@pytest.mark.parametrize("grants", [*SCOPE_GRANTS.values(), SYSTEM_GRANTS, HOST_GRANTS])
def test_neither_tokens_nor_machines_sign_approve_or_confirm(grants):
    assert not grants & (TOWARDS_EXPOSURE | SIGNING)


@pytest.mark.parametrize(
    "act", [May.ENGAGE_SWITCH, May.HOLD, May.FALL_BACK, May.DIRECT_RUN, May.ROLL_BACK]
)
def test_everybody_who_works_here_may_act_towards_safety(act):
    assert set(roles_that(act)) == {
        Role.ARCHITECT,
        Role.QA,
        Role.ENGINEER,
        Role.OPERATOR,
    }


def test_the_two_signatures_belong_to_different_roles():
    assert roles_that(May.SIGN_AS_ARCHITECT) == [Role.ARCHITECT]
    assert roles_that(May.SIGN_AS_QA) == [Role.QA]


def test_an_auditor_sees_everything_and_changes_nothing():
    assert GRANTS[Role.AUDITOR] == {May.READ}


def test_only_administrators_manage_access():
    assert roles_that(May.MANAGE_ACCESS) == [Role.ADMINISTRATOR]


def test_who_may_do_something_is_said_in_a_sentence():
    assert who_may(May.ASSEMBLE_PACK) == "an engineer or an operator"
    assert who_may(May.CONDUCT_DRILL) == "QA, an engineer or an operator"
    assert who_may(May.SIGN_AS_QA) == "QA"
