import pytest
from django.core.checks import run_checks


def found(include_deployment: bool = False) -> set[str]:
    return {
        message.id
        for message in run_checks(include_deployment_checks=include_deployment)
        if message.id.startswith("portal.")
    }


def test_a_queue_that_would_unpickle_is_an_error(settings):
    settings.RQ_QUEUES = {"q": {"URL": "redis://"}}

    assert "portal.E001" in found()


def test_the_queues_own_pages_stay_closed(settings):
    settings.RQ_SHOW_ADMIN_LINK = True

    assert "portal.E002" in found()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ALLOWED_HOSTS", ["*"], "portal.E003"),
        ("REST_FRAMEWORK", {}, "portal.E004"),
    ],
)
def test_a_careless_deployment_is_told(settings, name, value, expected):
    setattr(settings, name, value)

    assert expected in found(include_deployment=True)


def test_a_second_factor_is_demanded_of_roles_that_there_are(settings):
    settings.SECOND_FACTOR_ROLES = ["architect", "boss"]

    assert "portal.E005" in found()


def test_embedded_servers_are_not_for_production(monkeypatch):
    monkeypatch.delenv("DATABASE_URL")

    assert "portal.W001" in found(include_deployment=True)
