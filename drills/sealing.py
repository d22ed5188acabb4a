"""The acts of this app that are sealed at once: what somebody may want to prove."""

from drills.domain.verbs import Verb
from portal.services.sealing import seal_at_once

seal_at_once(
    Verb.GATE_SIGNED,
    Verb.GATE_REJECTED,
    Verb.PACK_EXPORTED,
    Verb.AVAILABILITY_OPENED,
)
