"""Judgements of a stage's evidence: read, drawn, and computed once more."""

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from portal.admin.governed import GovernedAdmin
from rollout.admin.charts import Chart, charts, e_value
from rollout.domain import evaluations as domain
from rollout.domain.courses import courses, weakest
from rollout.domain.eprocess import threshold
from rollout.domain.gates import NAMES
from rollout.domain.judgements import Verdict, not_judged, percent, place
from rollout.domain.stages import StagePlan
from rollout.models import Evaluation, Run
from rollout.services import evaluations

MARKS = {
    Verdict.ROLL_BACK: ("↩", "roll back"),
    Verdict.HOLD: ("‖", "hold"),
    Verdict.INCONCLUSIVE: ("‖", "inconclusive: a person decides"),
    Verdict.AWAIT_APPROVAL: ("✓", "proven, waits for people"),
    Verdict.PROMOTE: ("✓", "proven"),
    Verdict.COLLECT: ("▶", "go on collecting"),
}


def verdict_in_words(evaluation: Evaluation) -> str:
    """The verdict with its shape."""
    mark, word = MARKS[Verdict(evaluation.verdict)]
    return format_html('<span class="nowrap">{} {}</span>', mark, word)


def evidence_of(evaluation: Evaluation) -> dict[str, Any]:
    """What an evaluation shows, gate by gate, and what speaks against the stage."""
    return _shown(evaluations.loaded(evaluation), evaluation.pk)


def _shown(judged: domain.Evaluation, pk: int) -> dict[str, Any]:
    return {
        "charts": charts(courses(judged), f"evaluation-{pk}"),
        "alarm": _alarm(judged),
        "looks": judged.criteria.looks and judged.criteria.looks.looks,
    }


def weakest_of(evaluation: Evaluation) -> list[Chart]:
    """A chart for each gate: that of the class that lacks most."""
    judged = evaluations.loaded(evaluation)
    return charts(weakest(courses(judged)), f"evaluation-{evaluation.pk}")


def _alarm(judged: domain.Evaluation) -> dict[str, Any]:
    alarm, criteria = judged.judgement.alarm, judged.criteria
    return {
        "is_watched": bool(alarm.suspicions),
        "e_value": e_value(alarm.log_e),
        "most": e_value(alarm.log_max),
        "reached_at": alarm.reached_at,
        "needed": e_value(threshold(criteria.alpha_rollback)),
        "is_at_first_failure": criteria.rolls_back_on_hard_failure,
        "suspicions": [
            {
                "place": place(each.guard.metric, each.guard.query_class),
                "floor": percent(each.guard.floor),
                "e_value": e_value(each.log_e),
                "said": each,
            }
            for each in alarm.suspicions
        ],
    }


@admin.register(Evaluation)
class EvaluationAdmin(GovernedAdmin):
    """Each judgement with everything that it was computed from."""

    list_display = [
        "id",
        "shown_verdict",
        "stage",
        "attempt_number",
        "judged_runs",
        "mode",
        "evaluated_at",
        "sentence",
    ]
    list_display_links = ["id", "shown_verdict"]
    list_filter = ["verdict", "mode", "stage"]
    search_fields = ["=digest", "=fingerprint", "sentence"]
    search_help_text = "A digest, a fingerprint, or words of what was said."
    list_select_related = ["stage", "attempt"]
    ordering = ["-pk"]
    sortable_by = ()  # newest first, along the key: however many there are
    change_form_template = "rollout/evaluation.html"
    empty_says = (
        "Nothing is like this. A stage is judged when one of its runs ends, and every "
        "half a minute."
    )

    @admin.display(description="verdict")
    def shown_verdict(self, evaluation: Evaluation) -> str:
        return verdict_in_words(evaluation)

    @admin.display(description="attempt")
    def attempt_number(self, evaluation: Evaluation) -> int:
        return evaluation.attempt.number

    def get_queryset(self, request: HttpRequest) -> Any:
        found = super().get_queryset(request).defer("body")
        return found.select_related("stage", "attempt", "evaluated_by")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        evaluation = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if evaluation is not None:
            context |= _page_of(evaluation)
            if "recompute" in request.GET:
                context |= {
                    "is_recomputed": True,
                    "differences": evaluations.recompute(evaluation),
                }
        return super().change_view(request, object_id, form_url, context)


def _page_of(evaluation: Evaluation) -> dict[str, Any]:
    """Everything that the page shows, in a fixed number of queries."""
    judged = evaluations.loaded(evaluation)
    facts, prefix = judged.facts, judged.judgement.prefix
    rows = dict(
        Run.objects.filter(
            rollout_id=evaluation.stage.rollout_id, run_id__in=prefix
        ).values_list("run_id", "pk")
    )
    by_id = {run.run_id: run for run in facts.runs}
    return {
        "evaluation": evaluation,
        "verdict_in_words": verdict_in_words(evaluation),
        "judged": _shown(judged, evaluation.pk),
        "not_judged": not_judged(
            judged.criteria.gates,
            is_offline=StagePlan.from_json(evaluation.stage.plan).forces_no_web,
        ),
        "proofs": [
            {
                "place": place(proof.demand.metric, proof.demand.query_class),
                "bar": percent(proof.demand.bar),
                "lower": percent(proof.possible.lower),
                "upper": percent(proof.possible.upper),
                "e_value": e_value(proof.log_e),
                "most": e_value(proof.log_max),
                "needed": e_value(threshold(proof.alpha)),
                "said": proof,
            }
            for proof in judged.judgement.proofs
        ],
        "prefix": [
            {
                "run": by_id[run_id],
                "pk": rows.get(run_id),
                "gates": _gates(by_id[run_id]),
            }
            for run_id in prefix
        ],
        "waiting": len(facts.runs) - len(prefix),
        "facts": facts,
        "body": json.dumps(judged.to_json(), indent=2),
    }


def _gates(run: Any) -> str:
    marks = {"pass": "✓", "fail": "✗"}
    return " ".join(
        f"{letter}{marks.get(run.gates.get(letter, ''), '·')}" for letter in NAMES
    )
