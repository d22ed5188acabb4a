"""Secrets that are made up from a seed, the files they hide in, and harmless files.

Nothing here looks like a secret: a template says which letters go where. The templates
are written down from what the issuers say of their keys, not from the scanner's rules.
"""

import base64
import csv
import gzip
import io
import json
import re
import string
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from urllib.parse import quote

_LETTERS = {
    "A": string.ascii_letters + string.digits,
    "a": string.ascii_lowercase + string.digits,
    "U": string.ascii_uppercase + string.digits,
    "R": string.ascii_uppercase + "234567",
    "H": "0123456789abcdef",
    "W": string.ascii_letters + string.digits + "-_",
    "B": string.ascii_letters + string.digits + "+/",
    "D": string.digits,
}
_HOLE = re.compile(r"\{([AaURHWBDG])(\d*)\}")
_HIDDEN = "\0"

# One kind of key a line: its family, and how its issuer writes it.
SHAPED = {
    "aws-access-key-id": "AKIA{U16}",
    "aws-bedrock-key": "ABSK{B120}=",
    "aws-mws-key": "amzn.mws.{G}",
    "google-api-key": "AIza{W34}{A1}",
    "google-access-token": "ya29.{W80}{A1}",
    "google-client-secret": "GOCSPX-{W27}{A1}",
    "google-service-account": '"private_key_id": "{H40}"',
    "azure-storage-key": "AccountName=store;AccountKey={B86}==;",
    "azure-shared-access-key": "SharedAccessKeyName=all;SharedAccessKey={B43}=",
    "azure-client-secret": "{A3}8Q~{A34}",
    "azure-devops-token": "{A76}AZDO{A4}",
    "alibaba-access-key-id": "LTAI{A20}",
    "digitalocean-token": "dop_v1_{H64}",
    "cloudflare-ca-key": "v1.0-{H24}-{H146}",
    "heroku-token": "HRKU-AA{W57}{A1}",
    "fly-token": "FlyV1 fm2_{B200}",
    "netlify-token": "nfp_{A36}",
    "pulumi-token": "pul-{H40}",
    "terraform-token": "{A14}.atlasv1.{W66}{A1}",
    "vault-token": "hvs.{W90}{A1}",
    "doppler-token": "dp.pt.{A43}",
    "databricks-token": "dapi{H32}",
    "planetscale-token": "pscale_tkn_{W42}{A1}",
    "supabase-token": "sbp_{H40}",
    "github-token": "ghp_{A36}",
    "github-fine-grained-token": "github_pat_{A22}_{A59}",
    "gitlab-token": "glpat-{W19}{A1}",
    "gitlab-machine-token": "glrt-{W19}{A1}",
    "bitbucket-password": "ATBB{A32}",
    "atlassian-token": "ATATT3xFfGF0{W160}={U8}",
    "npm-token": "npm_{A36}",
    "pypi-token": "pypi-AgEIcHlwaS5vcmc{W120}{A1}",
    "rubygems-key": "rubygems_{H48}",
    "crates-token": "cio{A32}",
    "nuget-key": "oy2{a43}",
    "docker-token": "dckr_pat_{W26}{A1}",
    "artifactory-key": "AKCp{A69}",
    "slack-token": "xoxb-{D12}-{D12}-{A24}",
    "slack-app-token": "xapp-1-{U11}-{D13}-{H64}",
    "slack-webhook": "https://hooks.slack.com/services/T{U10}/B{U10}/{A24}",
    "discord-webhook": "https://discord.com/api/webhooks/{D18}/{W67}{A1}",
    "discord-token": "M{A25}.G{W4}{A1}.{W37}{A1}",
    "telegram-token": "{D10}:AA{W32}{A1}",
    "teams-webhook": "https://corp.webhook.office.com/webhookb2/{G}@{G}/IncomingWebhook/{H32}/{G}",
    "sendgrid-key": "SG.{W22}.{W42}{A1}",
    "mailgun-key": "key-{H32}",
    "mailchimp-key": "{H32}-us12",
    "twilio-key": "SK{H32}",
    "anthropic-key": "sk-ant-api03-{W93}{A2}",
    "openai-key": "sk-proj-{W120}{A1}",
    "huggingface-token": "hf_{A34}",
    "replicate-token": "r8_{A37}",
    "groq-key": "gsk_{A52}",
    "xai-key": "xai-{A80}",
    "perplexity-key": "pplx-{A48}",
    "langsmith-key": "lsv2_pt_{H32}_{H10}",
    "tavily-key": "tvly-{A32}",
    "notion-token": "ntn_{A46}",
    "stripe-key": "sk_live_{A24}",
    "stripe-webhook-secret": "whsec_{A32}",
    "square-token": "sq0csp-{W42}{A1}",
    "braintree-token": "access_token$production${a16}${H32}",
    "shopify-token": "shpat_{H32}",
    "facebook-token": "EAA{A120}",
    "grafana-token": "glsa_{A32}_{H8}",
    "grafana-cloud-token": "glc_{B80}",
    "newrelic-key": "NRAK-{U27}",
    "sentry-token": "sntrys_{B120}_{B43}",
    "dynatrace-token": "dt0c01.{R24}.{R64}",
    "linear-key": "lin_api_{A40}",
    "figma-token": "figd_{W39}{A1}",
    "postman-key": "PMAK-{H24}-{H34}",
    "prefect-key": "pnu_{A36}",
    "launchdarkly-key": "sdk-{G}",
    "dropbox-token": "sl.{W136}{A1}",
    "mapbox-token": "sk.eyJ1{A80}.{A22}",
    "rollout-portal-token": "rgp_{A38}",
    "private-key": "-----BEGIN {KIND}PRIVATE KEY-----\n{B64}\n{B64}\n{B64}\n{B30}==\n"
    "-----END {KIND}PRIVATE KEY-----",
    "putty-key": "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: k\n"
    "Public-Lines: 1\n{B64}\nPrivate-Lines: 1\n{B44}\nPrivate-MAC: {H64}",
    "age-key": "AGE-SECRET-KEY-1{U58}",
    "json-web-token": "eyJ{A33}.eyJ{A70}.{W42}{A1}",
}
# What only its surroundings give away.
NAMED = (
    "Authorization: Bearer {A40}",
    "curl -H 'authorization: token {H40}' https://api.example.org",
    "Authorization: Basic {BASIC}",
    "bearer {W39}{A1}",
    "postgres://app:{A14}@db.internal:5432/app",
    "mongodb+srv://svc:{A20}@cluster0.example.net/?w=majority",
    "redis://:{A24}@cache:6379/0",
    "https://deploy:{A16}@git.example.org/team/repo.git",
    "Server=db1;Database=app;User Id=sa;Password={A12};Encrypt=true;",
    "https://b.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4&X-Amz-Signature={H64}",
    "https://storage.example.com/o?X-Goog-Signature={H128}&x=1",
    "https://acc.blob.core.windows.net/c?sv=2024-01-01&sig={A43}%3D",
    "https://d1.cloudfront.net/f?Expires=1&Signature={W60}{A1}&Key-Pair-Id=K",
    "https://api.example.org/v1/items?key={A32}",
    "https://api.example.org/v1/items?access_token={A32}&page=2",
    "machine git.example.org login bot password {A18}",
    'DB_PASSWORD="{A5}#{A5}7k"',
    "export SERVICE_API_KEY={A32}",
    'client_secret = "{A40}"',
    "x-api-key: {A40}",
    'aws_secret_access_key = "{B39}{A1}"',
    "auth_token: '{H40}'",
    "<password>{A8}$9w{A4}</password>",
    "./deploy --token {A24}",
)


@dataclass(frozen=True, slots=True)
class Planted:
    """A file, and the one secret in it; `family` is empty when only context tells."""

    content: bytes
    secret: str
    family: str
    encoding: str
    shape: str


def filled(template: str, rng: Random) -> tuple[str, str]:
    """A template with its holes filled, and the longest text that filled one."""
    filling: list[str] = []

    def fill(hole: re.Match[str]) -> str:
        kind, length = hole[1], int(hole[2] or 1)
        text = (
            str(uuid.UUID(int=rng.getrandbits(128), version=4))
            if kind == "G"
            else "".join(rng.choices(_LETTERS[kind], k=length))
        )
        filling.append(text)
        return text

    kind = rng.choice(["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
    if "{BASIC}" in template:
        pair = "".join(rng.choices(_LETTERS["A"], k=20))
        coded = base64.b64encode(f"svc:{pair}".encode()).decode()
        return template.replace("{BASIC}", coded), coded
    said = _HOLE.sub(fill, template.replace("{KIND}", kind))
    return said, max(filling, key=len)


# Shapes of files


def _log(said: str, rng: Random) -> str:
    head = f"{_lines(rng)}2026-03-04T05:06:07.089Z WARN fetch failed: "
    return f"{head}{said} (attempt 2)\n{_lines(rng)}"


def _json(said: str, rng: Random) -> str:
    return json.dumps({"step": 3, "note": f"see:\n{said}", "ok": True}, indent=2)


def _jsonl(said: str, rng: Random) -> str:
    rows = [{"seq": n, "text": _words(rng)} for n in range(rng.randrange(2, 40))]
    rows.insert(rng.randrange(len(rows)), {"seq": -1, "text": f"out {said} end"})
    return "".join(json.dumps(row) + "\n" for row in rows)


def _markdown(said: str, rng: Random) -> str:
    return f"# {_words(rng)}\n\n{_words(rng)}\n\n```\n{said}\n```\n\n- {_words(rng)}\n"


def _code(said: str, rng: Random) -> str:
    return f'def connect():\n    # noqa nosec gitleaks:allow\n    x = """{said}"""\n'


def _csv(said: str, rng: Random) -> str:
    file = io.StringIO()
    csv.writer(file).writerows([["id", "note"], [7, said], [8, _words(rng)]])
    return file.getvalue()


def _shell(said: str, rng: Random) -> str:
    return f"#!/bin/sh\nset -e\n# {_words(rng)}\n{said}\necho done\n"


def _far_in(said: str, rng: Random) -> str:
    """Around the end of the scanner's window, wherever that is."""
    padding = _lines(rng, 60) * 40
    at = 512 * 1024 - rng.randrange(-40, 120)
    return (padding * (at // len(padding) + 1))[: at - 1] + "\n" + said + "\n" + padding


SHAPES: dict[str, Callable[[str, Random], str]] = {
    "log": _log,
    "json": _json,
    "jsonl": _jsonl,
    "markdown": _markdown,
    "code": _code,
    "csv": _csv,
    "shell": _shell,
    "far in": _far_in,
}

# Encodings of files


def _zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme.txt", "nothing here")
        archive.writestr("data/result.txt", content)
    return file.getvalue()


def _in_json(content: bytes) -> bytes:
    coded = base64.b64encode(content).decode()
    return json.dumps(
        {"kind": "blob", "data": f"data:text/plain;base64,{coded}"}
    ).encode()


def _gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda content: content,
    "utf-8 with mark": lambda content: b"\xef\xbb\xbf" + content,
    "utf-16": lambda content: content.decode().encode("utf-16"),
    "utf-16 big": lambda content: b"\xfe\xff" + content.decode().encode("utf-16-be"),
    "percent": lambda content: quote(content, safe="").encode(),
    "base64": base64.b64encode,
    "base64 in lines": base64.encodebytes,
    "base64 for URLs": base64.urlsafe_b64encode,
    "base64 in JSON": _in_json,
    "gzip": _gzipped,
    "zip": _zipped,
    "gzip, base64": lambda content: base64.b64encode(_gzipped(content)),
    "utf-16, base64": lambda content: base64.b64encode(
        content.decode().encode("utf-16-le")
    ),
    "base64, gzip, zip": lambda content: _zipped(_gzipped(base64.b64encode(content))),
    "percent, base64, gzip": lambda content: _gzipped(
        base64.b64encode(quote(content, safe="").encode())
    ),
}


def planted(count: int, *, seed: int = 6) -> Iterator[Planted]:
    """Files with one secret each, over families, encodings and shapes.

    The first `len(SHAPED)` have every family once.
    """
    rng = Random(seed)
    families = list(SHAPED.items())
    for number in range(count):
        is_named = number % 5 == 4
        family, template = ("", NAMED[number // 5 % len(NAMED)])
        if not is_named:
            family, template = families[(number - number // 5) % len(families)]
        said, secret = filled(template, rng)
        shape, encoding = rng.choice(list(SHAPES)), rng.choice(list(ENCODINGS))
        content = SHAPES[shape](said, rng).encode()
        yield Planted(ENCODINGS[encoding](content), secret, family, encoding, shape)


# Harmless files

_SAYING = (
    "the run stage gate source claim token budget citation wave pivot summary key "
    "result passes fails retries author secret-free password-less evidence report of "
    "and with for in to a is was tokens authorization basic access bearer digest value"
)
_VOCABULARY = _SAYING.split(" ")


def _words(rng: Random, count: int = 12) -> str:
    return " ".join(rng.choices(_VOCABULARY, k=count))


def _lines(rng: Random, count: int = 6) -> str:
    return "".join(f"{_words(rng)}\n" for _ in range(rng.randrange(1, count + 1)))


def _log_line(rng: Random) -> str:
    digest = sha256(rng.randbytes(8)).hexdigest()
    some = uuid.UUID(int=rng.getrandbits(128), version=4)
    return (
        f"2026-03-04T05:06:{rng.randrange(60):02}Z INFO run={some} "
        f"artifact=sha256:{digest} took={rng.randrange(9999)}ms "
        f"tokens={rng.randrange(99999)} max_tokens: {rng.randrange(4096)} "
        f"next_page_token={rng.randbytes(12).hex()} {_words(rng, 6)}\n"
    )


def _json_line(rng: Random) -> str:
    return (
        json.dumps(
            {
                "id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
                "digest": f"sha256:{sha256(rng.randbytes(8)).hexdigest()}",
                "url": f"https://example.org/{rng.randbytes(4).hex()}/a%20b?q="
                f"{quote(_words(rng, 4))}&page={rng.randrange(99)}&key=by-date",
                "text": _words(rng, 20),
                "token_count": rng.randrange(5000),
                "password": None,
                "etag": f'"{rng.randbytes(16).hex()}"',
                "embedding": [round(rng.random(), 6) for _ in range(8)],
            }
        )
        + "\n"
    )


def _page(rng: Random) -> str:
    return (
        f"## {_words(rng, 5)}\n\n{_words(rng, 60)} [source](https://doi.org/10.1000/"
        f"{rng.randrange(10**6)}). `token = next(tokens)`, `password: <your own>`, "
        f"`Authorization: Bearer <token>`, postgres://user:password@localhost/db, "
        f"git commit {rng.randbytes(20).hex()}, mailto:someone@example.org\n\n"
    )


def _program(rng: Random) -> str:
    name = rng.choice(_VOCABULARY).replace("-", "_")
    return (
        f"def read_{name}(client, api_key: str, token: str | None = None):\n"
        f"    secret = os.environ['SERVICE_SECRET']\n"
        f"    password = settings.DATABASE_PASSWORD\n"
        f"    token = token or self.client2.fetch_token(scope='read-only')\n"
        f"    access_token = response.json()['access_token']\n"
        f"    return client.get(f'{{base}}/v{rng.randrange(9)}?key={{api_key}}')\n\n"
    )


def _picture(rng: Random) -> str:
    coded = base64.b64encode(b"\x89PNG\r\n\x1a\n" + rng.randbytes(rng.randrange(9000)))
    return (
        f'<img alt="{_words(rng, 3)}" src="data:image/png;base64,{coded.decode()}">\n'
    )


HARMLESS: dict[str, Callable[[Random], str]] = {
    "logs": _log_line,
    "JSON lines": _json_line,
    "markdown": _page,
    "code": _program,
    "pictures": _picture,
}


def harmless(megabytes: float, *, seed: int = 7) -> Iterator[tuple[str, bytes]]:
    """Files without secrets, of about half a megabyte each, this much in all."""
    rng = Random(seed)
    names = list(HARMLESS)
    for number in range(max(1, round(megabytes * 2))):
        name = names[number % len(names)]
        parts: list[str] = []
        size = 0
        while size < 500_000:
            parts.append(HARMLESS[name](rng))
            size += len(parts[-1])
        yield name, "".join(parts).encode()
