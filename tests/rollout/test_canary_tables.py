"""The tables of the canary, as the command computes them from the code in use."""

import json

import pytest
from django.core.management import call_command


@pytest.fixture
def tables(capsys):
    call_command("canary_tables", "--json")
    return json.loads(capsys.readouterr().out)


def test_the_tables_are_the_known_ones(tables):
    assert tables["first_all_pass"] == {
        "0.70": 11,
        "0.80": 17,
        "0.85": 24,
        "0.90": 36,
        "0.95": 74,
        "0.98": 188,
    }
    assert tables["failures_allowed"]["0.90"] == {
        "50": 0,
        "100": 2,
        "200": 8,
        "300": 15,
    }
    assert tables["failures_allowed"]["0.95"]["50"] is None
    assert tables["false_promotion"]["0.90"] == pytest.approx(0.038, abs=5e-4)
    assert all(0 < error <= 0.05 for error in tables["false_promotion"].values())
    assert tables["rollback_min_failures"]["0.85"] == {
        "0.05": {"10": 6, "20": 9, "50": 17},
        "0.10": {"10": 6, "20": 9, "50": 16},
        "0.20": {"10": 5, "20": 8, "50": 15},
    }


def test_people_get_the_same_numbers_as_a_table(capsys, tables):
    call_command("canary_tables")

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["0.90", "36", "0", "2", "8", "15", "0.038"] in lines
    assert ["0.95", "74", "-", "0", "2", "5", "0.034"] in lines
    assert ["0.85", "0.10", "6", "9", "16"] in lines
