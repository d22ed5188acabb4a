"""Tables that a migration creates together."""

import pytest
from django.db import connection, models
from django.db.migrations.operations import CreateModel
from django.db.migrations.state import ProjectState

from portal.models.tables import CreateModels

pytestmark = pytest.mark.django_db


def a_model(name, **others):
    key = ("id", models.BigAutoField(primary_key=True))
    refers = [
        (field, models.ForeignKey(f"portal.{other}", models.PROTECT, null=True))
        for field, other in others.items()
    ]
    return CreateModel(name, [key, *refers])


TOGETHER = CreateModels([a_model("Egg", laid_by="Hen"), a_model("Hen", was="Egg")])


def tables():
    return set(connection.introspection.table_names()) & {"portal_egg", "portal_hen"}


def test_models_that_refer_to_each_other_come_and_go_together():
    nothing, both = ProjectState(), ProjectState()
    TOGETHER.state_forwards("portal", both)

    with connection.schema_editor() as editor:
        TOGETHER.database_forwards("portal", editor, nothing, both)
    created = tables()
    with connection.cursor() as cursor:
        found = connection.introspection.get_relations(cursor, "portal_egg")
    with connection.schema_editor() as editor:
        TOGETHER.database_backwards("portal", editor, both, nothing)

    assert created == {"portal_egg", "portal_hen"}
    assert found["laid_by_id"][1] == "portal_hen"
    assert tables() == set()


def test_no_class_is_rendered_before_it_is_wanted():
    """Anew after each model: that made most of the time of all migrations."""
    state = ProjectState()
    a_model("Yard").state_forwards("portal", state)
    assert state.apps.get_model("portal", "Yard")

    TOGETHER.state_forwards("portal", state)

    assert "apps" not in vars(state)
    assert {each.__name__ for each in state.apps.get_models()} == {"Yard", "Egg", "Hen"}
