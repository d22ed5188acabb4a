"""What docs/how-to/webhooks.md tells receivers to do works, and is what others do."""

import json
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from portal import clock
from portal.domain import webhooks

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "webhooks.md"
BODY = '{"type":"switch.engaged","data":{"name":"ünïcödé"}}'.encode()
OLD, NEW, OTHER = (webhooks.spell(bytes([number]) * 32) for number in (1, 2, 3))


def snippet(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    return found


def the_guides_python(secret: str, headers: dict[str, str], body: bytes) -> bool:
    names: dict = {}
    exec(compile(snippet("python"), str(GUIDE), "exec"), names)
    try:
        names["verify"](secret, headers, body)
    except ValueError:
        return False
    return True


def the_guides_javascript(secret: str, headers: dict[str, str], body: bytes) -> bool:
    if shutil.which("node") is None:
        pytest.skip("Node is not here")
    program = snippet("javascript") + (
        "\nconst [secret, headers, body] = JSON.parse(process.argv[1]);"
        '\nverify(secret, headers, Buffer.from(body, "hex"));'
    )
    asked = json.dumps([secret, headers, body.hex()])
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program, asked],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 or "Error: " in done.stderr, done.stderr
    assert "SyntaxError" not in done.stderr
    return done.returncode == 0


def the_stock_library(secret: str, headers: dict[str, str], body: bytes) -> bool:
    stock = pytest.importorskip("standardwebhooks.webhooks")
    try:
        stock.Webhook(secret).verify(body, headers)
    except stock.WebhookVerificationError:
        return False
    return True


def our_own(secret: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        webhooks.verify(secret, headers, body, now=clock.now())
    except webhooks.BadSignature:
        return False
    return True


@pytest.mark.parametrize(
    "verifies",
    [
        the_guides_python,
        the_guides_javascript,
        pytest.param(the_stock_library, marks=pytest.mark.contract),
        our_own,
    ],
)
def test_receivers_accept_what_we_sign_and_nothing_else(verifies):
    now = clock.now()
    signed = webhooks.headers([NEW, OLD], "msg-1", now, BODY)
    stale = webhooks.headers([NEW], "msg-1", now - timedelta(minutes=6), BODY)
    early = webhooks.headers([NEW], "msg-1", now + timedelta(minutes=6), BODY)

    assert verifies(NEW, signed, BODY)
    assert verifies(OLD, signed, BODY)
    assert not verifies(OTHER, signed, BODY)
    assert not verifies(NEW, signed, BODY + b" ")
    assert not verifies(NEW, signed | {"webhook-id": "msg-2"}, BODY)
    assert not verifies(NEW, signed | {"webhook-signature": "v1,"}, BODY)
    assert not verifies(NEW, stale, BODY)
    assert not verifies(NEW, early, BODY)


@pytest.mark.contract
def test_we_accept_what_the_stock_library_signs():
    stock = pytest.importorskip("standardwebhooks.webhooks")
    now = clock.now()
    said = stock.Webhook(NEW).sign("msg-1", now, BODY.decode())

    assert said == webhooks.signature(NEW, "msg-1", now, BODY)
