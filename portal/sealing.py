"""What of the shared part is sealed at once, and not with the next minute."""

from portal.domain.verbs import Verb
from portal.services.sealing import seal_at_once

seal_at_once(
    Verb.ROLE_GRANTED,
    Verb.ROLE_REVOKED,
    Verb.PERSON_INVITED,
    Verb.PERSON_DEACTIVATED,
    Verb.TOKEN_CREATED,
    Verb.TOKEN_ROTATED,
    Verb.TOKEN_REVOKED,
    Verb.LEDGER_EXPORTED,
    Verb.SEALER_KEY_ANNOUNCED,
)
