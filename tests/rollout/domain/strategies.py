"""Configurations and contexts of all kinds, for property-based tests."""

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from rollout.domain.flags import MODE_DEFAULT, NO_WEB, WAVE1_AGENTS, WAVE2_AGENTS
from tests.rollout.domain.configurations import BASELINE, is_team

TEAMS = ["alpha", "beta", "gamma"]
VALUES = {
    WAVE1_AGENTS: st.integers(1, 9),
    WAVE2_AGENTS: st.integers(1, 9),
    NO_WEB: st.booleans(),
    MODE_DEFAULT: st.sampled_from(["quick", "standard", "deep"]),
}


@st.composite
def _rules(draw: st.DrawFn, key: str) -> list[dict[str, Any]]:
    rules = []
    for _ in range(draw(st.integers(0, 3))):
        conditions = draw(
            st.lists(
                st.one_of(
                    st.sampled_from(TEAMS).map(is_team),
                    st.just({"segment": "some"}),
                    st.just({"not_segment": "some"}),
                ),
                max_size=1,
            )
        )
        rule: dict[str, Any] = {"description": "", "conditions": conditions}
        rule["percentage"] = draw(st.sampled_from([None, 0, 25, 50.5, 100]))
        if draw(st.booleans()):
            rule["value"] = draw(VALUES[key])
        else:
            weight = draw(st.integers(0, 100))
            rule["variants"] = [
                {"name": "one", "value": draw(VALUES[key]), "weight": weight},
                {"name": "other", "value": draw(VALUES[key]), "weight": 100 - weight},
            ]
        rules.append(rule)
    return rules


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """The baseline with other defaults, rules, prerequisites, caps and coverage."""
    made = deepcopy(BASELINE)
    for key, values in VALUES.items():
        flag = made["flags"][key]
        flag["default"] = draw(values)
        flag["rules"] = draw(_rules(key))
    if draw(st.booleans()):
        made["flags"][WAVE1_AGENTS]["prerequisites"] = [
            {"flag": NO_WEB, "values": [draw(st.booleans())]}
        ]
    if draw(st.booleans()):
        made["flags"][WAVE1_AGENTS]["maximum"] = draw(st.integers(9, 50))
    team = draw(st.sampled_from(TEAMS))
    made["segments"]["some"] = {"description": "", "conditions": [is_team(team)]}
    stage = made["stages"]["offline-baseline"]
    stage["coverage"] = draw(st.sampled_from([0, 12.34, 50, 100]))
    stage["plan"]["caps"] = draw(
        st.sampled_from([{}, {WAVE1_AGENTS: 2}, {WAVE1_AGENTS: 5, WAVE2_AGENTS: 3}])
    )
    teams = [["alpha"], ["alpha", "beta"], ["*"]]
    stage["plan"]["teams"] = draw(st.sampled_from(teams))
    return made


contexts = st.fixed_dictionaries(
    {
        "run_id": st.integers(0, 10_000).map("run-{}".format),
        "team": st.sampled_from([*TEAMS, "delta"]),
        "mode": st.just("standard"),
        "query_class": st.just("fixture_replay"),
        "sensitivity": st.just("no_web"),
    }
)
