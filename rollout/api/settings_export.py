"""The block of flags for the research system's settings file."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.etags import conditional, etag
from portal.domain.roles import May
from rollout.api.rollouts import ROLLOUT, RolloutView
from rollout.services import settings_export

INSTALLATION = ("team", "environment")


class SettingsExportView(RolloutView):
    """What an installation writes to its settings file at `deepResearchCli.flags`.

    `PAI_DR_CLI_ENABLED` is true exactly when the switch is released and the open stage
    admits that installation at all: one without a team or an environment only where
    the stage admits any. Runs still ask for a decision each. Paths that begin with `~`
    and addresses with a secret in them are left out. `X-Epoch` and `X-Revision` come
    with every answer, also with 304: never go back to a lower epoch.
    """

    # It says what an evaluation says, so it takes no more than that.
    may = {"GET": May.DECIDE}

    @extend_schema(
        summary="Export settings for an installation",
        parameters=[
            ROLLOUT,
            *(
                OpenApiParameter(name, str, description=f"The installation's {name}.")
                for name in INSTALLATION
            ),
            OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER),
            *(
                OpenApiParameter(
                    name,
                    int,
                    OpenApiParameter.HEADER,
                    description=description,
                    response=[200, 304],
                )
                for name, description in {
                    "X-Epoch": "Of the switch; it only ever rises.",
                    "X-Revision": "Of the snapshot that this was made from.",
                }.items()
            ),
            OpenApiParameter(
                "X-Switch",
                str,
                OpenApiParameter.HEADER,
                enum=["engaged", "released"],
                description="Engaged: running runs are stopped, too.",
                response=[200, 304],
            ),
        ],
        responses={
            200: OpenApiTypes.OBJECT,
            304: OpenApiResponse(description="As you have it."),
        },
        examples=[
            OpenApiExample(
                "An installation of a canary team, in the offline stage",
                {
                    "PAI_DR_CLI_ENABLED": True,
                    "PAI_DR_CLI_MAX_WAVE1_AGENTS": 2,
                    "PAI_DR_CLI_NO_WEB": True,
                    "PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT": None,
                },
                response_only=True,
                status_codes=["200"],
            )
        ],
    )
    def get(self, request: Request) -> Response:
        known = {name: request.query_params.get(name) for name in INSTALLATION}
        found = settings_export.export(self.key, **known)
        response = conditional(request, Response(found.flags), etag(found.digest))
        response["X-Epoch"], response["X-Revision"] = found.epoch, found.revision
        response["X-Switch"] = "engaged" if found.is_switch_engaged else "released"
        return response
