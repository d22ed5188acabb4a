"""The documents say every fact of the data, in the same bytes for the same data."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.db import models

from drills.domain.documents import Name
from drills.models import RunbookUse
from drills.services import chronicle, documents, drills_log, playbook
from portal import clock
from tests.drills.telling import everything
from tests.rollout.builders import KEY

pytestmark = pytest.mark.django_db
WHERE = {
    Name.PLAYBOOK: "rollout switch snapshot flag rule segment stage attempt trigger "
    "oncall freeze",
    Name.MATRIX: "matrixrow",
    Name.RUNBOOKS: "operatorrunbook",
    Name.DRILLS: "drill drillstep drillcapture drillnote drillschedule drilllever",
    Name.TRANSCRIPT: "verificationrun verificationverdict verificationresult "
    "evaluation triggerfiring rollback reconciliation failurereview incident "
    "stepresult incidenttimer incidenttask incidentlink timelineentry postmortem "
    "runbookuse runbooktick breakglass",
}
DOCUMENT_OF = {
    model: name for name, all_of in WHERE.items() for model in all_of.split()
}
# What no document says, and why.
LEFT_OUT = {
    "rollout": "every document is about one, and says which in its head",
    "is_live": "only what is in use is told",
    "body": "long, and named by its digest beside it",
    "inventory": "long, and named by its digest beside it",
    "report": "long, and named by its digest beside it",
}
NOT_SAID = {
    ("stage", "plan"): "told field by field, and looked at apart",
    ("incident", "chapter"): "a count that tells equal signs apart",
    ("incident", "is_over"): "follows from its state",
    ("incidenttimer", "rings_at"): "when the watchdog looks next",
    ("timelineentry", "key"): "what equal signs have in common",
    ("timelineentry", "chapter"): "a count that tells equal signs apart",
}
# What stands below what it belongs to, and need not name it.
BELOW = {
    "rule": "flag",
    "attempt": "stage",
    "reconciliation": "rollback",
    "verificationverdict": "run",
    "verificationresult": "run",
    "drillstep": "drill",
    "drillcapture": "drill",
    "drillnote": "drill",
    "runbookuse": "incident drill",
    "runbooktick": "use",
} | dict.fromkeys(
    [
        *("stepresult", "incidenttimer", "incidenttask", "incidentlink"),
        *("timelineentry", "postmortem", "breakglass"),
    ],
    "incident",
)
OPERATIONAL = {"sighting", "verificationhost"}
# They have pages and packs of their own, in which the documents are.
SIGNED = {
    *("releasegate", "waiver", "packorder", "evidencepack", "packparticipant"),
    *("signoff", "signofflapse", "delegation", "availability"),
    "drilllever",
}


def plain(text: str) -> str:
    """Markdown without what makes it Markdown."""
    return text.replace("\\", "").replace("`", "")


def words_of(value: Any) -> Iterator[str]:
    """How a value is expected to be said: each of its parts."""
    if isinstance(value, list):
        for each in value:
            yield from words_of(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from words_of(each)
    elif isinstance(value, bool):
        yield "yes" if value else "no"
    elif isinstance(value, datetime):
        yield value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    elif value is not None and value != "":
        for line in filter(None, plain(str(value)).split("\n")):
            yield " ".join(line.strip("# ").split())


def facts_of(row: models.Model) -> Iterator[tuple[str, Any]]:
    """Every field of a row that a document has to say, with its value."""
    model = row._meta.model_name
    for field in row._meta.concrete_fields:
        name = field.name
        if field.primary_key or name in BELOW.get(model, "").split():
            continue
        is_whole = (model, name) == ("operatorrunbook", "body")
        if is_whole or not (name in LEFT_OUT or (model, name) in NOT_SAID):
            yield name, getattr(row, name)


def unsaid(text: str, row: models.Model) -> list[str]:
    """The facts of a row that a document says nowhere.

    It may say one behind its name, in a line that is about this row, or, if no other
    fact has the same words, anywhere.
    """
    facts = {name: list(words_of(value)) for name, value in facts_of(row)}
    own = [word for words in facts.values() for word in words if _is_its_own(word)]
    sections = re.split(r"\n(?=#+ )", text)
    named: dict[str, set[str]] = {}
    about: set[str] = set()
    for section in sections:
        if own and not any(word in section for word in own):
            continue
        for line in section.split("\n"):
            if found := re.match(r"- \*\*(.+?):\*\* (.+)", line):
                named.setdefault(found[1], set()).update(_parts_of(found[2]))
            elif not own or any(word in line for word in own):
                about |= _parts_of(line)
    once = " ".join(text.split())
    return [
        name
        for name, words in facts.items()
        if not all(
            word in about
            or word in named.get(name.replace("_", " "), ())
            or ("word" in word and word in once)
            for word in words
        )
    ]


def _parts_of(line: str) -> set[str]:
    """What a line says: its cells, what follows its colon, its words."""
    cells = {cell.strip() for cell in line.strip("#-| ").split("|")}
    after = {line.split(": ", 1)[-1], *re.split(r"[,;] ", line)}
    return cells | after | {part for c in cells for part in re.split(r"[:;,]? ", c)}


def _is_its_own(word: str) -> bool:
    """Whether only one row can have said it."""
    return "word" in word or word.startswith("2031-")


def place_of(row: models.Model) -> Name:
    """The document that tells of a row."""
    if isinstance(row, RunbookUse) and row.drill_id is not None:
        return Name.DRILLS
    return DOCUMENT_OF[row._meta.model_name]


def missing(texts: dict[Name, str], rows: list[models.Model]) -> list[tuple[str, str]]:
    """Every fact that its document does not say."""
    return [
        (row._meta.model_name, name)
        for row in rows
        for name in unsaid(texts[place_of(row)], row)
    ]


def written() -> dict[Name, str]:
    return {each.name: plain(each.body) for each in documents.render_all(KEY)}


def test_every_fact_of_the_data_is_in_its_document():
    rows = everything()

    texts = written()

    assert missing(texts, rows) == []
    for row in rows:
        if row._meta.model_name == "stage":
            for name, value in row.plan.items():
                assert f"- **{name.replace('_', ' ')}:**" in texts[Name.PLAYBOOK]
                assert all(w in texts[Name.PLAYBOOK] for w in words_of(value))


def test_every_table_of_practice_and_incidents_is_told_of():
    told = set(DOCUMENT_OF) | OPERATIONAL | SIGNED

    tables = {
        model._meta.model_name
        for model in apps.get_app_config("drills").get_models()
        if not model._meta.model_name.startswith("historical")
    }

    assert tables <= told


SAID_TWICE = {"cancelled_at"}  # the timers of an incident stop at that moment, too
TOLD = {
    (Name.PLAYBOOK, playbook): "FLAG RULE ATTEMPT TRIGGER FREEZE",
    (Name.DRILLS, drills_log): "DRILL STEP CAPTURE SCHEDULE LEVER",
    (Name.TRANSCRIPT, chronicle): "VERDICT RESULT EVALUATION FIRING ROLLBACK "
    "RECONCILIATION INCIDENT TASK TIMER LINK GLASS",
}


@pytest.mark.parametrize(("name", "writer"), TOLD, ids=lambda each: str(each)[-30:])
def test_a_fact_that_is_told_no_more_is_found_missing(monkeypatch, name, writer):
    rows = [row for row in everything() if place_of(row) == name]

    for constant in TOLD[name, writer].split():
        told = getattr(writer, constant)
        for fact in [each for each in told if each not in SAID_TWICE]:
            with monkeypatch.context() as patched:
                patched.setattr(writer, constant, [n for n in told if n != fact])
                body = plain(documents.render(name, KEY).body)

            lost = [field for _, field in missing({name: body}, rows)]
            assert fact in lost, f"without {constant} {fact} nobody would notice"


def test_a_word_that_goes_missing_is_found_missing():
    made = everything()
    texts = written()

    for row in made:
        for name, value in facts_of(row):
            for word in words_of(value):
                if "word" in word:
                    where = place_of(row)
                    cut = {**texts, where: texts[where].replace(word, "")}
                    assert (row._meta.model_name, name) in missing(cut, [row])


def test_the_same_data_gives_the_same_bytes_whenever_it_is_written():
    everything()
    before = documents.render_all(KEY)

    with time_machine.travel(clock.now() + timedelta(days=400), tick=False):
        after = documents.render_all(KEY)

    for old, new in zip(before, after, strict=True):
        assert (old.body, old.digest) == (new.body, new.digest)
        assert old.as_of != new.as_of
        assert old.markdown != new.markdown
