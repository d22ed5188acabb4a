"""The OpenAPI document: what every operation shares is said once, here."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from portal.api.idempotency import HEADER
from portal.domain.roles import May, roles_that, scopes_that

PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {"type": "string", "example": "/api/docs#problem-NOT_FOUND"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence for people."},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "Stable; for programs."},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "A JSON Pointer."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}

DESCRIPTION = """
Which workflow does a run get? What did it report? Is Option C still on?

The guide stands at [/api/docs](/api/docs): a token, the life of a run with documents to
send, what to do when something goes wrong, flags through OpenFeature, webhooks, and
[every code](/api/docs#problems) of a refusal.

* If the portal does not answer, use the standard workflow.
* Every POST that changes something takes an `Idempotency-Key`: the same key and body
  give the first answer again.
* Every refusal is `application/problem+json` with a stable `code`.
* A token is good for one rollout; people name it with `?rollout=`.
"""

# In the order in which a service needs them; then what people and their tools use.
TAGS = {
    "decisions": "Which workflow does a run get, and why?",
    "runs": "What a run reports, and what it asks while it goes on.",
    "directives": "What is asked of all runs of a rollout.",
    "broadcasts": "One thing asked of many runs, and how far that has come.",
    "switch": "Is Option C off everywhere? Turning it off takes one person.",
    "settings-export": "The flags of an installation, as its settings file has them.",
    "try": "What would a context get? Nothing is recorded.",
    "agents": "The processes beside installations of the research system.",
    "rollouts": "What is being rolled out.",
    "flags": "The settings of the research system, with their rules.",
    "stale-flags": "Flags that could go.",
    "stages": "The steps of a rollout: hold, go back, ask to go on.",
    "rollbacks": "What went back, and why.",
    "evaluations": "What the evidence of a stage says.",
    "triggers": "What goes back by itself.",
    "trigger-firings": "When it did.",
    "freezes": "Times in which nothing is exposed to more.",
    "on-call": "Who is called when something happens.",
    "changes": "Edits of the configuration: proposed, approved, applied.",
    "configuration": "Flags, segments, plans and coverage in one document.",
    "snapshots": "Every revision of what decided.",
    "scans": "What the safety scan found in artifacts.",
    "allowances": "Findings of the safety scan that two people allowed.",
    "incidents": "What went wrong, and who works on it.",
    "matrix": "From a symptom to what is done about it.",
    "runbooks": "What to do, step by step.",
    "runbook-uses": "Runbooks that somebody follows.",
    "drills": "What is practised.",
    "drill-schedules": "What is practised regularly.",
    "drill-lever": "Stops all drills at once.",
    "verifications": "Checks of an installation, carried out.",
    "verification-hosts": "Where they can be carried out.",
    "gates": "What people sign before more is opened.",
    "evidence-packs": "What they sign, as it was.",
    "signoffs": "Who signed. Signing itself takes a person in the admin.",
    "documents": "Playbook, matrix, runbooks, drills log and transcript.",
    "me": "Who is calling, and what they may do.",
    "audit": "The ledger: who did what, when and why, with proofs.",
    "approvals": "What waits for another person.",
    "webhooks": "Who is told of events.",
}

EVENT = {
    "post": {
        "summary": "An event, as an endpoint is told of it",
        "description": "Signed as Standard Webhooks 1.0 has it; "
        "[how to check that](/api/docs#check-the-signature).",
        "tags": ["webhooks"],
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": says,
                "schema": {"type": "string"},
            }
            for name, says in {
                "webhook-id": "The same each time that this is sent: remember it.",
                "webhook-timestamp": "Seconds since 1970; refuse what is 300 away.",
                "webhook-signature": "`v1,BASE64`, or several with spaces between.",
            }.items()
        ],
        "requestBody": {
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["type", "timestamp", "data"],
                        "properties": {
                            "type": {"type": "string", "example": "run.fell_back"},
                            "timestamp": {"type": "string", "format": "date-time"},
                            "data": {"type": "object"},
                        },
                    }
                }
            }
        },
        "responses": {
            "2XX": {"description": "Taken. Answer within ten seconds."},
            "410": {"description": "Never again: the endpoint is disabled."},
            "default": {"description": "Sent again, over about three days."},
        },
    }
}


def needs(act: May) -> str:
    """What a caller of an operation needs: the scope of a token, or a role."""
    scopes = " or ".join(f"`{scope}`" for scope in scopes_that(act))
    roles = ", ".join(roles_that(act))
    if not scopes:
        return f"Needs a person ({roles}); no token does this."
    return f"Needs the scope {scopes}" + (f", or a person ({roles})." if roles else ".")


class PortalSchema(AutoSchema):
    """Adds the Idempotency-Key, the declared permission and the problem answers."""

    def get_override_parameters(self) -> list[Any]:
        found = list(super().get_override_parameters())
        handler = getattr(self.view, self.method.lower(), None)
        if getattr(handler, "takes_idempotency_key", False):
            found.append(
                OpenApiParameter(
                    HEADER,
                    str,
                    OpenApiParameter.HEADER,
                    required=True,
                    description="Yours alone, and the same when you try again.",
                )
            )
        return found

    def get_operation(self, *args: Any) -> dict[str, Any] | None:
        operation = super().get_operation(*args)
        act = getattr(self.view, "may", {}).get(self.method)
        if operation is not None and act is not None:
            text = operation.get("description", "")
            operation["description"] = f"{text}\n\n{needs(act)}".strip()
        return operation

    def _get_response_bodies(self, direction: str = "response") -> Any:
        responses = super()._get_response_bodies(direction)
        problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
        responses.setdefault(
            "default",
            {
                "description": "A refusal.",
                "content": {"application/problem+json": problem},
            },
        )
        return responses


class TokenScheme(OpenApiAuthenticationExtension):
    """How a service is let in."""

    target_class = "portal.api.authentication.BearerTokens"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer"}


class SessionScheme(OpenApiAuthenticationExtension):
    """How a person who is signed in to the admin is let in."""

    target_class = "portal.api.authentication.Sessions"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


def describe(result: dict[str, Any], generator: Any, **_: Any) -> dict[str, Any]:
    """Put in what no view says: the introduction and the shape of problems."""
    result["info"]["description"] = DESCRIPTION.strip()
    result["tags"] = [{"name": tag, "description": says} for tag, says in TAGS.items()]
    result["webhooks"] = {"event": EVENT}
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    return result
