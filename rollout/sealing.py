"""What of a rollout is sealed at once, and not with the next minute."""

from portal.services.sealing import seal_at_once
from rollout.domain.verbs import Verb

seal_at_once(Verb.SWITCH_ENGAGED, Verb.SWITCH_RELEASED, Verb.RUN_EXPORTED)
