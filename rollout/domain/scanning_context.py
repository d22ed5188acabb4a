"""Secrets that are known by what stands around them: a name, a URL, a header.

A name alone proves nothing (`token = next(tokens)`), so the value has to look like a
secret: mixed, not made of words, no placeholder. Comments that ask scanners to look
away mean nothing here.
"""

import re
from binascii import Error as NotBase64
from binascii import a2b_base64
from dataclasses import dataclass

from rollout.domain.scanning_families import entropy

_NAMES = (
    r"pass(?:wor[dt]|wd|phrase|code)|pwd|secret|token|credentials?|authorization|"
    r"(?:api|access|secret|private|auth|signing|encryption|master|account)[_.-]?key"
)
_PARAMETERS = (
    r"x-amz-signature|x-amz-security-token|x-goog-signature|signature|sig|hmac|key|auth"
)
_BEGINS = (  # as `_QUOTED` and `_BARE` do
    r"(?:\s{0,3}[A-Za-z]{0,2}\\{0,2}[\"'`]{1,2}[^\"'`\s\\]{6}"
    r"|\s{0,3}[^\s\"'`<>,;&(){}\[\]\\|]{6})"
)
# What RE2 looks for, besides the anchors of the families; `read` looks closer. They
# take in the beginning of a value, so that what has none costs nothing.
ANCHORS = (
    r"(?i:authorization)\\{0,2}[\"'`]?\s{0,3}[:=]\s{0,3}[^\s]{5}",
    r"://[^\s/@:\"'<>\\]{0,128}:[^\s/@\"'<>\\]{3,256}@",
    rf"(?i:(?:{_NAMES})\\{{0,2}}[\"'`]?\s{{0,3}}(?::=|=>|={{1,3}}|:|>)){_BEGINS}",
    rf"(?i:--(?:{_NAMES})\s){_BEGINS}",
    r"(?i:bearer\s)\s{0,3}[A-Za-z0-9._~+/-]{16}",
    rf"(?i:[?&;](?:{_PARAMETERS})=)[A-Za-z0-9%._~+/-]{{16}}",
    r"(?i:machine\s)",
)
_NAMED = re.compile(
    rf"(?i)(?P<name>--(?:{_NAMES})\s|(?:{_NAMES})\\{{0,2}}[\"'`]?\s{{0,3}}"
    r"(?P<is>:=|=>|={1,3}|:|>))".encode()
)
_NAME_OF_PARAMETER = re.compile(rb"[?&;]([a-zA-Z-]{1,30})=")

_USERINFO = re.compile(
    rb"[^\s/@:\"'<>\\]{0,128}:(?P<v>[^\s/@\"'<>\\]{3,256})@[A-Za-z0-9_\[.-]"
)
_BEARER = re.compile(rb"\s{0,3}(?P<v>[A-Za-z0-9._~+/-]{16,4000}={0,2})")
_HEADER = re.compile(
    rb"(?i)\s{0,3}\\{0,2}[\"'`]?(?P<how>(?:basic|bearer|token|digest|apikey|ssws)\s{1,3})?"
    rb"(?P<v>[A-Za-z0-9._~+/-]{8,4000}={0,2})"
)
_PARAMETER = re.compile(rb"(?P<v>[A-Za-z0-9%._~+/-]{16,2048}={0,2})")
_NETRC = re.compile(
    rb"(?i)\S{1,253}\s{1,9}login\s{1,9}\S{1,128}\s{1,9}password\s{1,9}(?P<v>\S{6,256})"
)
_QUOTED = re.compile(
    rb"\s{0,3}[A-Za-z]{0,2}\\{0,2}(?P<q>[\"'`]{1,2})(?P<v>[^\"'`\s\\]{6,512})\\{0,2}(?P=q)"
)
_BARE = re.compile(rb"\s{0,3}(?P<v>[^\s\"'`<>,;&(){}\[\]\\|]{6,512}+)(?![(\[{])")
_TAGGED = re.compile(rb"\s{0,3}(?P<v>[^\s\"'`<>]{6,512})\s{0,3}</")
_CONNECTION = re.compile(
    rb"(?i)(?:server|data source|host|uid|user ?id|username|endpoint|database)\s?="
    rb"[^;]{1,200};"
)

_OTHER_TOKENS = re.compile(
    rb"(?i)(?:next|page|paging|continuation|sync|cursor|eos|bos|pad|unk|cls|sep|mask|"
    rb"special|stop|start|end|num|max|min|per)[_.-]?\Z"
)
_PLACEHOLDER = re.compile(
    rb"(?i)[$%@]|<.*>|\{.*\}|\*{3,}|x{4,}|.*(?:\.{3}|\xe2\x80\xa6)|your[_-]|"
    rb"(?:sha\d{1,3}|md5|urn|uuid)[:-]|"
    rb"https?:|file:|\.{0,2}/|os\.environ|process\.env|getenv|secrets?\.|vars?\.|env\."
)
_WORD_OR_NUMBER = re.compile(rb"[A-Za-z]{1,30}\d{0,2}|\d{1,4}|")
_SEPARATORS = re.compile(rb"[-_.:/+]")
_ATTRIBUTE = re.compile(rb"[A-Za-z_]\w{0,40}(?:\.[A-Za-z_]\w{0,40})+\Z")
_ASKS_FOR_PASSWORD = re.compile(rb"(?i)pass|pwd")
LEAST_OF_A_KEY = 3.6  # bits per character, of `?key=…`, which is often a word
_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WORTHLESS = {b"password", b"passwd", b"pass", b"secret", b"pwd", b"user", b"token"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that looks like a secret where it stands."""

    family: str
    start: int
    end: int
    is_certain: bool


def read(data: bytes, start: int) -> Candidate | None:
    """What stands at the anchor of this module that begins at `start`, if anything."""
    if data.startswith(b"://", start):
        return _in_url(data, start + 3)
    if (parameter := _NAME_OF_PARAMETER.match(data, start)) is not None:
        return _in_parameter(data, parameter[1].lower(), parameter.end())
    if (named := _NAMED.match(data, start)) is not None:
        if named["name"].lower().startswith(b"authorization"):
            return _in_header(data, named.end())
        found = _assigned(data, named)
        is_other = found and _OTHER_TOKENS.search(data, max(0, start - 16), start)
        return None if is_other else found
    if data[start : start + 6].lower() == b"bearer":
        given = _BEARER.match(data, start + 6)
        return (
            _taken("bearer-token", given) if given and _is_mixed(given["v"]) else None
        )
    login = _NETRC.match(data, start + len(b"machine "))
    return _taken("netrc-password", login) if login else None


def _taken(
    family: str, found: re.Match[bytes], *, is_certain: bool = True
) -> Candidate:
    return Candidate(family, *found.span("v"), is_certain=is_certain)


def _in_url(data: bytes, at: int) -> Candidate | None:
    found = _USERINFO.match(data, at)
    if found is None or _is_worthless(found["v"]) or len(set(found["v"])) < 3:
        return None
    return _taken("url-password", found)


def _in_parameter(data: bytes, name: bytes, at: int) -> Candidate | None:
    found = _PARAMETER.match(data, at)
    if found is None or not _is_mixed(found["v"]):
        return None
    if name in (b"key", b"auth") and entropy(found["v"]) < LEAST_OF_A_KEY:
        return None
    is_signed = b"sig" in name or name.startswith(b"x-")
    family = "signed-url" if is_signed else "url-parameter"
    return _taken(family, found, is_certain=is_signed)


def _in_header(data: bytes, at: int) -> Candidate | None:
    found = _HEADER.match(data, at)
    if found is None:
        return None
    value, how = found["v"], (found["how"] or b"").strip().lower()
    if how == b"basic" and _is_user_and_password(value):
        return _taken("authorization-header", found)
    if not _is_mixed(value):
        return None
    family = "authorization-header" if how else "named-secret"
    return _taken(family, found, is_certain=bool(how))


def _assigned(data: bytes, named: re.Match[bytes]) -> Candidate | None:
    end = named.end()
    if named["is"] == b">":
        found = _TAGGED.match(data, end)
    else:
        found = _QUOTED.match(data, end) or _BARE.match(data, end)
    if found is None:
        return None
    value = found["v"]
    near = data[max(0, end - 256) : end + 256]
    if named["is"] == b"=" and b";" in near and _CONNECTION.search(near):
        is_certain = not _is_worthless(value)
        return _taken("connection-string", found) if is_certain else None
    is_quoted = "q" in found.groupdict()
    if not is_quoted and _ATTRIBUTE.match(value):
        return None
    asks_for_password = _ASKS_FOR_PASSWORD.search(named["name"]) is not None
    if not (_is_password(value) if asks_for_password else _is_mixed(value)):
        return None
    return _taken("named-secret", found, is_certain=False)


def _is_worthless(value: bytes) -> bool:
    return bool(_PLACEHOLDER.match(value)) or value.lower() in _WORTHLESS


def _is_mixed(value: bytes) -> bool:
    """Long, of letters and digits, and not made of words."""
    return (
        len(value) >= 12
        and not _PLACEHOLDER.match(value)
        and _has_digit(value)
        and len(value.translate(None, _LETTERS)) < len(value)
        and entropy(value) >= 3.0
        and not _is_words(value)
    )


def _is_password(value: bytes) -> bool:
    """What people choose: shorter, but not a word, a name or a path."""
    if len(value) < 8 or _PLACEHOLDER.match(value) or len(set(value)) < 5:
        return False
    has_more = any(letter in b"0123456789!#$%^*?~@+=" for letter in value)
    has_letters = len(value.translate(None, _LETTERS)) < len(value)
    return has_more and has_letters and not _is_words(value)


def _is_words(value: bytes) -> bool:
    parts = _SEPARATORS.split(value.rstrip(b"="))
    return len(parts) > 1 and all(_WORD_OR_NUMBER.fullmatch(part) for part in parts)


def _is_user_and_password(value: bytes) -> bool:
    try:
        plain = a2b_base64(value + b"=" * (-len(value) % 4))
    except NotBase64:
        return False
    return b":" in plain[1:] and all(32 <= letter < 127 for letter in plain)


def _has_digit(value: bytes) -> bool:
    return len(value.translate(None, b"0123456789")) < len(value)
