"""The OpenAPI document: what every operation shares is said once, here."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from portal.api.idempotency import HEADER

PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {"type": "string"},
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

Quickstart: make a token on the host, ask for a decision, report the run.

```sh
PORTAL=http://localhost:8000
TOKEN=...   # python manage.py create_token ci --rollout deep-research-option-c \\
            #   --scopes decide,report-runs,read

curl -s $PORTAL/api/v1/decisions -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' -H 'Idempotency-Key: run-1' \\
  -d '{"run_id": "run-1", "team": "alpha", "mode": "standard",
       "query_class": "fixture_replay", "sensitivity": "no_web"}'

curl -s -X PUT $PORTAL/api/v1/runs/run-1/manifest -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' --data-binary @manifest.json

curl -s $PORTAL/api/v1/runs/run-1 -H "Authorization: Bearer $TOKEN"

curl -s "$PORTAL/api/v1/settings-export?team=alpha" -H "Authorization: Bearer $TOKEN"
```

* Every POST that changes something takes an `Idempotency-Key`: the same key and body
  give the first answer again.
* Every refusal is `application/problem+json` with a stable `code`.
* `RateLimit: "reads";r=5999;t=1` says what is left of a budget; at 429 wait for
  `Retry-After` seconds. What leads towards safety is never refused for that.
* If the portal does not answer, use the standard workflow.
* A token is good for one rollout; people name it with `?rollout=`.
"""


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

    def get_description(self) -> str:
        act = getattr(self.view, "may", {}).get(self.method)
        text = super().get_description() or ""
        return f"{text}\n\nNeeds: `{act}`." if act else text

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
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    return result
