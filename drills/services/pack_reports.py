"""The report of an evidence pack: what to read and to print, and its HTML."""

from datetime import datetime
from typing import Any

from django.template.loader import render_to_string

from drills.services import packs
from drills.services.signatures import Round, Standing


def of_round(found: Round) -> dict[str, Any]:
    """What both forms say: the manifest, and the signatures as they stand now."""
    said = packs.said_in(found.pack)
    by_item: dict[str, list[dict[str, Any]]] = {}
    for each in said["evidence"]:
        by_item.setdefault(each["item"], []).append(each)
    return {
        "pack": found.pack,
        "said": said,
        "items": [
            {**item, "evidence": by_item.get(item["key"], [])}
            for item in said["gate"]["rubric"]
        ],
        "standings": [
            {"signoff": each.signoff, "lapse": each.lapse, "says": _standing(each)}
            for each in found.standings
        ],
    }


def _standing(each: Standing) -> str:
    if each.lapse is not None:
        return f"STALE: {each.lapse.says}"
    return f"counts until {shown_at(each.signoff.expires_at)}"


def as_html(found: Round) -> str:
    """One page that needs nothing from anywhere, for screen and paper."""
    return render_to_string("drills/pack_report.html", of_round(found))


def shown_at(moment: datetime) -> str:
    """How both forms write a time."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
