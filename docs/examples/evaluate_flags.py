"""Evaluate flags of the portal with the stock client of OpenFeature.

pip install openfeature-sdk openfeature-provider-ofrep
PORTAL=http://localhost:8000 TOKEN=rgp_… python evaluate_flags.py
"""

import os

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

api.set_provider(
    OFREPProvider(
        os.environ["PORTAL"],
        headers_factory=lambda: {"Authorization": f"Bearer {os.environ['TOKEN']}"},
    )
)
client = api.get_client()
# What sticks to its bucket is the first argument, the targetingKey.
context = EvaluationContext(
    "run-1",
    {
        "team": "alpha",
        "mode": "standard",
        "query_class": "fixture_replay",
        "sensitivity": "no_web",
    },
)

# The second argument holds where the portal does not answer.
is_enabled = client.get_boolean_details("PAI_DR_CLI_ENABLED", False, context)
agents = client.get_integer_value("PAI_DR_CLI_MAX_WAVE1_AGENTS", 1, context)
print(f"enabled: {is_enabled.value} ({is_enabled.flag_metadata.get('why')})")
print(f"agents: {agents}")
