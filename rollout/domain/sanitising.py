"""Making a reason fit to stand in a fallback summary, as the contract has it.

The same text as the research system writes, byte for byte; everything else that the
portal shows is redacted by the stricter `portal.domain.redaction`.
"""

import re

MASK = "[redacted]"
NO_REASON = "deterministic hard-gate failure"

_USERINFO = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/@]+@")
_PARAMETER = re.compile(r"([?&](?:token|access_token|sig)=)[^&#\s]*", re.IGNORECASE)


def sanitise(reason: str) -> str:
    """`reason` without addresses, credentials and signatures."""
    reason = reason.strip()
    if not reason:
        return NO_REASON
    if "http" in reason.lower():
        return MASK
    reason = _USERINFO.sub(rf"\1{MASK}@", reason)
    return _PARAMETER.sub(rf"\1{MASK}", reason)
