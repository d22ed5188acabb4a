"""What each page costs: beside a bare page of Django, and with very much behind it."""

import json
from collections.abc import Iterator
from statistics import median

from tests.bench import servers
from tests.bench.canary import FILL as RUNS
from tests.bench.ledger import FILL as ENTRIES
from tests.faults.conftest import Portal

MOST_OF_BARE, MOST_GROWTH = 20.0, 1.5
# Runs, and lines of the ledger: a hundred times as many of both.
NONE, FEW, MANY = (1_000, 1), (2_000, 10_000), (101_000, 1_000_000)
SHOWN = 6

FILL = """
from rollout.models import Stage
from rollout.services import rollbacks
from tests import lived_in
from tests.builders import an_actor

lived_in.fill()
architect = an_actor("architect", name="Goes back")
stage = Stage.objects.get(rollout__key="deep-research-option-c", position=0)
rollbacks.roll_back(stage.pk, by=architect, reason="bench")
lived_in.start_again()
"""
# By turns with the bare page; where each is quickest, nothing else was in its way.
MEASURE = """
import json, time, types
from django.conf import settings
from django.http import HttpResponse
from django.template import engines
from django.test import Client
from django.urls import path
from portal import urls
from portal.models import Person
from tests.pages import links_in, reachable

ROUNDS = 9
bare_page = engines["django"].from_string("<h1>{{{{ request.user }}}}</h1>")
mine = types.ModuleType("bare_urls")
mine.urlpatterns = [
    path("bare/", lambda request: HttpResponse(bare_page.render({{}}, request))),
    *urls.urlpatterns,
]
mine.handler403, mine.handler404 = urls.handler403, urls.handler404
mine.handler500 = urls.handler500
settings.ROOT_URLCONF = mine
settings.ALLOWED_HOSTS = ["testserver"]

client = Client()
person = Person.objects.get(full_name="Somebody with every role")
client.force_login(person, "django.contrib.auth.backends.ModelBackend")

def opened(path):
    answer = client.get(path)
    if answer.status_code != 200:
        raise SystemExit(f"error: {{path}} answers {{answer.status_code}}")
    return answer

def took(path):
    begun = time.perf_counter()
    opened(path)
    return time.perf_counter() - begun

def beside_bare(path):
    bare, page = zip(*((took("/bare/"), took(path)) for _ in range(ROUNDS)))
    return min(page) / min(bare)

paths = {paths} or list(
    reachable(lambda at: links_in(opened(at).content.decode(), at))
)
opened("/bare/")
print(json.dumps({{at: beside_bare(at) for at in paths}}))
"""


def figures() -> Iterator[dict[str, object]]:
    """The dearest page beside a bare one, and the page that grows most."""
    with servers.state() as var:
        portal = Portal(var)
        try:
            portal.manage("migrate", "--verbosity", "0")
            portal.manage("shell", "--no-imports", code=FILL)
            _fill(portal, NONE, FEW)
            few = _measured(portal, [])
            yield _beside_bare(few)
            _fill(portal, FEW, MANY)
            yield _growth(few, _measured(portal, list(few)))
        finally:
            portal.stop()


def _fill(portal: Portal, before: tuple[int, int], after: tuple[int, int]) -> None:
    """Runs of an attempt that is over, and lines of the ledger, past the acts."""
    runs = RUNS.format(prefix="old", attempt=1, first=before[0] + 1, last=after[0])
    portal.query_commit(runs)
    portal.query_commit("ANALYZE rollout_run")
    lines = ENTRIES.format(count=after[1] - before[1])
    portal.manage("shell", "--no-imports", code=lines)


def _measured(portal: Portal, paths: list[str]) -> dict[str, float]:
    """What each page takes in the process that answers, in bare pages."""
    code = MEASURE.format(paths=paths)
    said = portal.manage("shell", "--no-imports", "--verbosity", "0", code=code)
    return json.loads(said)


def _beside_bare(found: dict[str, float]) -> dict[str, object]:
    worst = _worst(found)
    return {
        "what": f"the dearest of {len(found)} pages / a bare page of Django",
        "median": round(median(found.values()), 2),
        "beyond": sum(ratio > MOST_OF_BARE for ratio in found.values()),
        "worst": worst,
        "bar": MOST_OF_BARE,
        "is_met": max(worst.values()) <= MOST_OF_BARE,
    }


def _growth(few: dict[str, float], many: dict[str, float]) -> dict[str, object]:
    worst = _worst({path: many[path] / few[path] for path in few})
    return {
        "what": "the page that grows most, with a hundred times the runs and the lines",
        "worst": worst,
        "bar": MOST_GROWTH,
        "is_met": max(worst.values()) <= MOST_GROWTH,
    }


def _worst(ratios: dict[str, float]) -> dict[str, float]:
    """The worst few, the worst first."""
    ordered = sorted(ratios.items(), key=lambda item: -item[1])
    return {path: round(ratio, 2) for path, ratio in ordered[:SHOWN]}
