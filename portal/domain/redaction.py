"""What must not be shown, stored or sent: secrets in text, made unreadable.

The stricter of two scanners; the text of a fallback summary has its own, simpler
rule (`rollout.domain.sanitising`). Patterns are bounded, so that the time grows
with the length of the text and with nothing else.
"""

import re

MASK = "[redacted]"

_NAMED = (
    r"api[_-]?key|apikey|access[_-]?key|secret[_-]?key|client[_-]?secret|secret|"
    r"password|passwd|pwd|token|access[_-]?token|refresh[_-]?token|id[_-]?token|"
    r"auth[_-]?token|session[_-]?id|sig|signature|x-amz-signature|"
    r"x-amz-credential|x-amz-security-token|x-goog-signature|x-goog-credential|"
    r"sharedaccesssignature|awsaccesskeyid"
)

_RULES: list[tuple[re.Pattern[str], str]] = [
    (
        re.compile(
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----"
            r"(?:[^-]{0,20000}-----END [A-Z ]{0,40}PRIVATE KEY-----)?"
        ),
        MASK,
    ),
    # scheme://user:password@host, and a bare user:password@host
    (
        re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,30}://)[^\s/@\"'<>]{1,300}@"),
        rf"\1{MASK}@",
    ),
    (re.compile(r"(?<![\w/])[\w.+-]{1,64}:[^\s@/:\"'<>]{1,128}@(?=[\w-])"), f"{MASK}@"),
    (
        re.compile(
            r"(?i)\b(authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?)"
            r"(?:(?:bearer|basic|token|digest)\s{1,3})?[^\s,;\"'\]}]{1,4000}"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?i)\b(bearer\s{1,3})[A-Za-z0-9._~+/=-]{6,4000}"), rf"\1{MASK}"),
    (
        re.compile(
            rf"(?i)(?<![A-Za-z0-9])((?:{_NAMED})[\"']?\s{{0,2}}[=:]\s{{0,2}}[\"']?)"
            r"[^\s&,;\"'<>\]}]{1,4000}"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"), MASK),
    (re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,255}\b"), MASK),
    (re.compile(r"\bgithub_pat_[A-Za-z0-9_]{20,255}\b"), MASK),
    (re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{8,255}"), MASK),
    (re.compile(r"\brgp_[A-Za-z0-9]{8,64}"), MASK),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{20,255}\b"), MASK),
    (re.compile(r"\bAIza[A-Za-z0-9_-]{35}\b"), MASK),
    (
        re.compile(r"\beyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{8,4000}\.[\w-]{0,2000}"),
        MASK,
    ),
]

_SECRET_NAME = re.compile(rf"(?i)(?:.*[_-])?(?:{_NAMED}|authorization)\Z")


def redact(text: str) -> str:
    """`text` with everything that looks like a secret replaced by `[redacted]`."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def redact_value(value: object) -> object:
    """The same for a JSON value; what stands under a secret's name goes as well."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {
            key: MASK
            if _SECRET_NAME.match(str(key)) and isinstance(item, str) and item
            else redact_value(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [redact_value(item) for item in value]
    return value
