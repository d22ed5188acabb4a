import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.redaction import redact, redact_value

# Put together here, so that no scanner takes this file for a leak.
SECRETS = {
    "basic address": ("postgres://me:", "hunter2hunter2", "@db/x"),
    "user and host": ("me:", "hunter2hunter2", "@db.example.org"),
    "api key": ("api_key=", "hunter2hunter2", ""),
    "header": ("Authorization: Bearer ", "hunter2.hunter2", ""),
    "bearer": ("the bearer ", "hunter2hunter2", " was used"),
    "signed": ("https://b/x?X-Amz-Signature=", "hunter2hunter2", "&a=1"),
    "sig": ("https://b/x?a=1&sig=", "hunter2hunter2", ""),
    "cloud key": ("", "AKIA" + "ABCDEFGH12345678", ""),
    "code host": ("", "ghp_" + "a1" * 18, ""),
    "chat": ("", "xoxb-" + "123456789-abcdef", ""),
    "ours": ("", "rgp_" + "a1" * 19, ""),
    "key": ("", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n", ""),
    "json": ('{"password": "', "hunter2hunter2", '"}'),
}


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_made_unreadable(kind):
    before, secret, behind = SECRETS[kind]

    shown = redact(f"at 12:00 {before}{secret}{behind} and on")

    assert secret not in shown
    assert "[redacted]" in shown
    assert shown.startswith("at 12:00 ")


@pytest.mark.parametrize(
    "text",
    [
        "Gate B failed via wave_review contract: FAILED_COUNT_NON_ZERO",
        "at 12:00 the run was paused",
        "see docs/architecture.md and https://example.org/a?b=c",
        "rollout.run.fell_back",
        "tokens: 12; bearer of news",
    ],
)
def test_ordinary_words_stay_as_they_are(text):
    assert redact(text) == text


def test_what_stands_under_a_secrets_name_goes_too():
    value = {"password": "hunter2", "inner": [{"api_key": "x", "a": 1}], "note": "ok"}

    assert redact_value(value) == {
        "password": "[redacted]",
        "inner": [{"api_key": "[redacted]", "a": 1}],
        "note": "ok",
    }


@given(st.text())
def test_redacting_twice_is_redacting_once(text):
    assert redact(redact(text)) == redact(text)
