"""What a configuration must not say."""

import pytest

from portal.errors import Invalid
from rollout.domain.compilation import configuration_in
from rollout.domain.configuration import check, completed, normalised
from rollout.domain.flags import ENABLED, MODE_DEFAULT, NO_WEB, WAVE1_AGENTS
from tests.rollout.domain.configurations import (
    BASELINE,
    a_configuration,
    a_rule,
    is_team,
    snapshot_of,
)

AGENTS = f"/flags/{WAVE1_AGENTS}"
MODE = f"/flags/{MODE_DEFAULT}"
STAGE = "/stages/offline-baseline"
HANG, CITATIONS = "/triggers/silent-hang", "/triggers/citations-failing"
TWO_WAYS = [
    {"name": "few", "value": 2, "weight": 50},
    {"name": "many", "value": 4, "weight": 50},
]


def test_the_baseline_can_be():
    check(BASELINE)

    assert normalised(BASELINE) == BASELINE


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        (("replace", f"{AGENTS}/default", 51), f"{AGENTS}/default"),
        (("replace", f"{AGENTS}/default", "6"), f"{AGENTS}/default"),
        (("replace", f"{HANG}/threshold", 0.5), f"{HANG}/threshold"),
        (("replace", f"{CITATIONS}/at_least", None), f"{CITATIONS}/at_least"),
        (("replace", f"{HANG}/action", "explode"), f"{HANG}/action"),
        (("replace", f"{HANG}/cooldown_s", -1), f"{HANG}/cooldown_s"),
        (("replace", f"{AGENTS}/default", True), f"{AGENTS}/default"),
        (("replace", f"{AGENTS}/minimum", 60), f"{AGENTS}/minimum"),
        (("replace", f"{AGENTS}/minimum", 3), f"{STAGE}/plan/caps/{WAVE1_AGENTS}"),
        (("replace", f"{AGENTS}/options", ["x"]), f"{AGENTS}/options"),
        (("replace", f"{MODE}/options", ["quick"]), f"{MODE}/default"),
        (("replace", f"{MODE}/options", []), f"{MODE}/options"),
        (("replace", f"{MODE}/minimum", 1), f"{MODE}/minimum"),
        (("remove", f"/flags/{NO_WEB}", None), f"/flags/{NO_WEB}"),
        (("remove", f"/flags/{ENABLED}", None), f"/flags/{ENABLED}"),
        (("replace", f"/flags/{ENABLED}/default", True), f"/flags/{ENABLED}/default"),
        (
            ("add", f"/flags/{ENABLED}/rules/-", a_rule(True)),
            f"/flags/{ENABLED}/rules",
        ),
        (("replace", f"/flags/{NO_WEB}/is_nullable", True), f"/flags/{NO_WEB}/type"),
        (("add", f"{AGENTS}/rules/-", a_rule(51)), f"{AGENTS}/rules/0/value"),
        (
            ("add", f"{AGENTS}/rules/-", a_rule(5, percentage=120)),
            f"{AGENTS}/rules/0/percentage",
        ),
        (
            ("add", f"{AGENTS}/rules/-", a_rule(5, percentage=0.001)),
            f"{AGENTS}/rules/0/percentage",
        ),
        (
            ("add", f"{AGENTS}/rules/-", a_rule(5) | {"variants": TWO_WAYS}),
            f"{AGENTS}/rules/0",
        ),
        (
            ("add", f"{AGENTS}/rules/-", a_rule(variants=TWO_WAYS * 2)),
            f"{AGENTS}/rules/0/variants",
        ),
        (
            ("add", f"{AGENTS}/rules/-", a_rule(variants=TWO_WAYS[:1])),
            f"{AGENTS}/rules/0/variants",
        ),
        (
            (
                "add",
                f"{AGENTS}/rules/-",
                a_rule(
                    5, {"attribute": "team", "operator": "matches", "value": "(?=x)"}
                ),
            ),
            f"{AGENTS}/rules/0/conditions/0",
        ),
        (
            ("add", f"{AGENTS}/rules/-", a_rule(5, {"segment": "nobody"})),
            f"{AGENTS}/rules/0/conditions/0",
        ),
        (
            ("add", "/segments/everybody", {"description": "", "conditions": []}),
            "/segments/everybody/conditions",
        ),
        (
            (
                "add",
                "/segments/nested",
                {"description": "", "conditions": [{"segment": "nested"}]},
            ),
            "/segments/nested/conditions/0",
        ),
        (
            ("add", f"{AGENTS}/prerequisites/-", {"flag": "NOPE", "values": [1]}),
            f"{AGENTS}/prerequisites/0/flag",
        ),
        (
            ("add", f"{AGENTS}/prerequisites/-", {"flag": NO_WEB, "values": ["on"]}),
            f"{AGENTS}/prerequisites/0/values",
        ),
        (
            ("add", f"{AGENTS}/prerequisites/-", {"flag": WAVE1_AGENTS, "values": [1]}),
            f"{AGENTS}/prerequisites",
        ),
        (("replace", f"{AGENTS}/expires_on", "0000-01-01"), f"{AGENTS}/expires_on"),
        (("replace", f"{AGENTS}/description", "a\u0000b"), f"{AGENTS}/description"),
        (
            ("add", "/flags/PAI_DR_NO_WEB", BASELINE["flags"][NO_WEB]),
            "/flags/PAI_DR_NO_WEB",
        ),
        (
            ("add", f"{AGENTS}/rules/-", a_rule(5, description="x" * 201)),
            f"{AGENTS}/rules/0/description",
        ),
        (
            ("add", f"{AGENTS}/rules/-", a_rule(5, {"segment": ["x"]})),
            f"{AGENTS}/rules/0/conditions/0",
        ),
        (("replace", f"{STAGE}/coverage", 101), f"{STAGE}/coverage"),
        (("replace", f"{STAGE}/coverage", 1.005), f"{STAGE}/coverage"),
        (("add", f"{STAGE}/plan/nonsense", 1), f"{STAGE}/plan"),
        (("replace", f"{STAGE}/plan/modes", ["fast"]), f"{STAGE}/plan/modes"),
        (("replace", f"{STAGE}/plan/teams", 5), f"{STAGE}/plan/teams"),
        (("replace", f"{STAGE}/plan/caps", {"NOPE": 1}), f"{STAGE}/plan/caps/NOPE"),
    ],
)
def test_what_cannot_be_is_refused_with_the_place(patch, pointer):
    with pytest.raises(Invalid) as refusal:
        check(a_configuration(patch))

    assert pointer in [each["pointer"] for each in refusal.value.facts["errors"]]


def test_prerequisites_that_go_round_are_refused():
    circle = a_configuration(
        (
            "add",
            f"{AGENTS}/prerequisites/-",
            {"flag": MODE_DEFAULT, "values": ["deep"]},
        ),
        ("add", f"{MODE}/prerequisites/-", {"flag": NO_WEB, "values": [True]}),
        (
            "add",
            f"/flags/{NO_WEB}/prerequisites/-",
            {"flag": WAVE1_AGENTS, "values": [6]},
        ),
    )

    with pytest.raises(Invalid, match="go round") as refusal:
        check(circle)

    assert refusal.value.code == "CONFIGURATION_INVALID"


def test_a_snapshot_gives_its_configuration_back():
    wanted = a_configuration(
        (
            "add",
            "/segments/friends",
            {"description": "", "conditions": [is_team("alpha")]},
        ),
        (
            "add",
            f"{AGENTS}/rules/-",
            a_rule(3, {"segment": "friends"}, percentage=12.5),
        ),
        ("add", f"{AGENTS}/rules/-", a_rule(variants=TWO_WAYS, description="try both")),
        ("add", f"{AGENTS}/prerequisites/-", {"flag": NO_WEB, "values": [True]}),
        ("replace", f"{STAGE}/coverage", 33.33),
    )
    check(wanted)

    assert configuration_in(snapshot_of(wanted).content, now=BASELINE) == wanted


def test_a_configuration_from_before_there_were_triggers_leaves_them_be():
    old = {name: each for name, each in BASELINE.items() if name != "triggers"}

    assert completed(old, now=BASELINE) == BASELINE
    assert completed({**old, "triggers": {}}, now=BASELINE)["triggers"] == {}
    assert completed("none", now=BASELINE) == "none"


def test_a_snapshot_that_knows_less_of_a_plan_gives_a_whole_one_back():
    content = dict(snapshot_of(BASELINE).content)
    content["stages"] = [
        {
            **stage,
            "plan": {k: v for k, v in stage["plan"].items() if k != "max_open_s"},
        }
        for stage in content["stages"]
    ]

    restored = configuration_in(content, now=BASELINE)

    check(restored)
    key = "offline-baseline"
    assert restored["stages"][key] == BASELINE["stages"][key]
