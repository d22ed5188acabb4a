"""Secrets that are known by their shape: about eighty families of them.

A family has anchors, short literal texts that RE2 looks for in one pass over
everything, and a bounded pattern that is tried only where an anchor stands. What a
pattern captures as `v` is the secret; without that, all of the match is.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass

LEAST_ENTROPY = 2.2  # bits per character: `ghp_xxxxxxxx…` is no secret


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of secret; its pattern begins up to `back` bytes before the anchor."""

    name: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[bytes]
    back: int = 0


def _family(
    name: str, anchors: str, pattern: str, *, back: int = 0, is_open: bool = False
) -> Family:
    """A family whose secrets stand alone, unless they are an open end of something."""
    if is_open:
        return Family(name, tuple(anchors.split()), re.compile(pattern.encode()), back)
    # What stands before it in JSON may be the letter of an escape: `\\nghp_…`.
    bounded = rf"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt])){pattern}(?![A-Za-z0-9_])"
    return Family(name, tuple(anchors.split()), re.compile(bounded.encode()), back)


_HEX = "[0-9a-f]"
_ALNUM = "[A-Za-z0-9]"
_WORD = "[A-Za-z0-9_-]"
_UUID = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
_PEM = (
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?P<v>[A-Za-z0-9+/=:,.()\s\\-]{40,12000})"
)

FAMILIES: tuple[Family, ...] = (
    # Clouds
    _family(
        "aws-access-key-id", "AKIA ASIA ABIA ACCA", r"A(?:KI|SI|BI|CC)A[A-Z0-9]{16}"
    ),
    _family("aws-bedrock-key", "ABSK", r"ABSK[A-Za-z0-9+/]{100,140}={0,2}"),
    _family("aws-mws-key", "amzn.mws.", rf"amzn\.mws\.{_UUID}"),
    _family("google-api-key", "AIza", rf"AIza{_WORD}{{35}}"),
    _family("google-access-token", "ya29.", rf"ya29\.{_WORD}{{30,400}}"),
    _family("google-client-secret", "GOCSPX-", rf"GOCSPX-{_WORD}{{28}}"),
    _family(
        "google-service-account",
        "private_key_id",
        rf"private_key_id[\\\"]{{1,4}}\s{{0,4}}:\s{{0,4}}[\\\"]{{1,4}}(?P<v>{_HEX}{{40}})",
    ),
    _family(
        "azure-storage-key", "AccountKey=", r"AccountKey=(?P<v>[A-Za-z0-9+/]{86}==)"
    ),
    _family(
        "azure-shared-access-key",
        "SharedAccessKey=",
        r"SharedAccessKey=(?P<v>[A-Za-z0-9+/]{43}=)",
    ),
    _family(
        "azure-client-secret",
        "7Q~ 8Q~",
        r"[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}",
        back=3,
    ),
    _family("azure-devops-token", "AZDO", rf"{_ALNUM}{{76}}AZDO{_ALNUM}{{4}}", back=76),
    _family("alibaba-access-key-id", "LTAI", rf"LTAI{_ALNUM}{{17,21}}"),
    _family(
        "digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", rf"do[opr]_v1_{_HEX}{{64}}"
    ),
    _family("cloudflare-ca-key", "v1.0-", rf"v1\.0-{_HEX}{{24}}-{_HEX}{{146}}"),
    _family("heroku-token", "HRKU-AA", rf"HRKU-AA{_WORD}{{58}}"),
    _family("fly-token", "FlyV1", r"FlyV1 fm\d[a-z]?_[A-Za-z0-9+/=,_-]{100,2000}"),
    _family("netlify-token", "nfp_", rf"nfp_{_ALNUM}{{36}}"),
    _family("pulumi-token", "pul-", rf"pul-{_HEX}{{40}}"),
    _family(
        "terraform-token",
        ".atlasv1.",
        rf"{_ALNUM}{{14}}\.atlasv1\.{_WORD}{{60,70}}",
        back=14,
    ),
    _family("vault-token", "hvs. hvb. hvr.", rf"hv[sbr]\.{_WORD}{{24,300}}"),
    _family(
        "doppler-token",
        "dp.",
        rf"dp\.(?:pt|ct|sa|scim|audit|st(?:\.[a-z0-9_-]{{2,35}})?)\.{_ALNUM}{{40,44}}",
    ),
    _family("databricks-token", "dapi", rf"dapi{_HEX}{{32}}(?:-\d)?"),
    _family("planetscale-token", "pscale_", r"pscale_(?:tkn|pw|oauth)_[\w.=-]{32,64}"),
    _family("supabase-token", "sbp_", rf"sbp_{_HEX}{{40}}"),
    # Forges and registries of packages
    _family(
        "github-token", "ghp_ gho_ ghu_ ghs_ ghr_", rf"gh[pousr]_{_ALNUM}{{36,255}}"
    ),
    _family(
        "github-fine-grained-token",
        "github_pat_",
        rf"github_pat_{_ALNUM}{{22}}_{_ALNUM}{{59}}",
    ),
    _family("gitlab-token", "glpat-", rf"glpat-{_WORD}{{20,300}}"),
    _family(
        "gitlab-machine-token",
        "gldt- glrt- glptt- glft- glimt- glagent- glsoat- gloas- glcbt-",
        rf"gl(?:dt|rt|ptt|ft|imt|agent|soat|oas|cbt)-{_WORD}{{20,300}}",
    ),
    _family("bitbucket-password", "ATBB", rf"ATBB{_ALNUM}{{32}}"),
    _family("atlassian-token", "ATATT3 ATCTT3", r"AT[AC]TT3[A-Za-z0-9_=-]{100,400}"),
    _family("npm-token", "npm_", rf"npm_{_ALNUM}{{36}}"),
    _family("pypi-token", "pypi-AgE", rf"pypi-AgE{_WORD}{{60,400}}"),
    _family("rubygems-key", "rubygems_", rf"rubygems_{_HEX}{{48}}"),
    _family("crates-token", "cio", rf"cio{_ALNUM}{{32}}"),
    _family("nuget-key", "oy2", r"oy2[a-z0-9]{43}"),
    _family("docker-token", "dckr_pat_ dckr_oat_", rf"dckr_[po]at_{_WORD}{{27,40}}"),
    _family("artifactory-key", "AKCp", rf"AKCp{_ALNUM}{{69}}"),
    # Chat and mail
    _family("slack-token", "xox", rf"xox[abeoprs]-{_WORD}{{10,250}}"),
    _family(
        "slack-app-token", "xapp-", r"xapp-\d-[A-Z0-9]{8,16}-\d{8,16}-[a-z0-9]{32,80}"
    ),
    _family(
        "slack-webhook",
        "hooks.slack.com/",
        rf"hooks\.slack\.com/(?P<v>(?:services|workflows|triggers)/{_ALNUM}{{8,14}}"
        rf"/{_ALNUM}{{8,20}}/{_ALNUM}{{16,48}})",
    ),
    _family(
        "discord-webhook",
        "/api/webhooks/",
        rf"/api/webhooks/(?P<v>\d{{17,20}}/{_WORD}{{60,80}})",
        is_open=True,
    ),
    _family(
        "discord-token",
        ".G .X .Y .Z",
        rf"[MNO][A-Za-z0-9]{{23,27}}\.[GXYZ]{_WORD}{{5}}\.{_WORD}{{27,40}}",
        back=28,
    ),
    _family("telegram-token", ":AA", rf"\d{{8,10}}:AA{_WORD}{{33}}", back=10),
    _family(
        "teams-webhook",
        ".webhook.office.com/",
        rf"\.webhook\.office\.com/webhookb2/(?P<v>{_UUID}@{_UUID}/IncomingWebhook/"
        rf"{_HEX}{{32}}/{_UUID})",
        is_open=True,
    ),
    _family("sendgrid-key", "SG.", rf"SG\.{_WORD}{{22}}\.{_WORD}{{43}}"),
    _family("mailgun-key", "key-", rf"(?<!-)key-{_HEX}{{32}}"),
    _family("mailchimp-key", "-us", rf"{_HEX}{{32}}-us\d{{1,2}}", back=32),
    _family("twilio-key", "SK AC", rf"(?:SK|AC){_HEX}{{32}}"),
    # Models and data
    _family("anthropic-key", "sk-ant-", rf"sk-ant-{_WORD}{{40,200}}"),
    _family(
        "openai-key",
        "sk-",
        rf"sk-(?!ant-)(?:(?:proj|svcacct|admin|or-v1)-)?{_WORD}{{32,250}}",
    ),
    _family("huggingface-token", "hf_", r"hf_[A-Za-z0-9]{34,40}"),
    _family("replicate-token", "r8_", rf"r8_{_ALNUM}{{37}}"),
    _family("groq-key", "gsk_", rf"gsk_{_ALNUM}{{52}}"),
    _family("xai-key", "xai-", rf"xai-{_ALNUM}{{80}}"),
    _family("perplexity-key", "pplx-", rf"pplx-{_ALNUM}{{48}}"),
    _family("langsmith-key", "lsv2_", rf"lsv2_(?:pt|sk)_{_HEX}{{32}}_{_HEX}{{10}}"),
    _family("tavily-key", "tvly-", rf"tvly-{_WORD}{{28,60}}"),
    _family("notion-token", "ntn_", rf"ntn_{_ALNUM}{{43,50}}"),
    # Money
    _family(
        "stripe-key",
        "sk_live_ sk_test_ rk_live_ rk_test_",
        rf"[sr]k_(?:live|test)_{_ALNUM}{{20,250}}",
    ),
    _family("stripe-webhook-secret", "whsec_", r"whsec_[A-Za-z0-9+/=]{32,80}"),
    _family("square-token", "sq0atp- sq0csp-", rf"sq0(?:atp|csp)-{_WORD}{{22,43}}"),
    _family(
        "braintree-token",
        "access_token$",
        rf"access_token\$(?:production|sandbox)\$[0-9a-z]{{16}}\${_HEX}{{32}}",
    ),
    _family(
        "shopify-token",
        "shpat_ shpca_ shppa_ shpss_",
        r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",
    ),
    _family("facebook-token", "EAA", rf"EAA{_ALNUM}{{80,300}}"),
    # Tools
    _family("grafana-token", "glsa_", rf"glsa_{_ALNUM}{{32}}_[0-9a-fA-F]{{8}}"),
    _family("grafana-cloud-token", "glc_", r"glc_[A-Za-z0-9+/=]{40,400}"),
    _family("newrelic-key", "NRAK-", r"NRAK-[A-Z0-9]{27}"),
    _family("sentry-token", "sntrys_ sntryu_", r"sntry[su]_[A-Za-z0-9+/=_-]{60,400}"),
    _family("dynatrace-token", "dt0c01.", r"dt0c01\.[A-Z2-7]{24}\.[A-Z2-7]{64}"),
    _family("linear-key", "lin_api_", rf"lin_api_{_ALNUM}{{40}}"),
    _family("figma-token", "figd_", rf"figd_{_WORD}{{40}}"),
    _family("postman-key", "PMAK-", rf"PMAK-{_HEX}{{24}}-{_HEX}{{34}}"),
    _family("prefect-key", "pnu_", rf"pnu_{_ALNUM}{{36}}"),
    _family("launchdarkly-key", "sdk-", rf"sdk-{_UUID}"),
    _family("dropbox-token", "sl.", rf"sl\.{_WORD}{{130,200}}"),
    _family("mapbox-token", "sk.eyJ", rf"sk\.eyJ{_WORD}{{40,200}}\.{_WORD}{{20,30}}"),
    _family("rollout-portal-token", "rgp_", rf"rgp_{_ALNUM}{{38}}"),
    # Keys and signed statements
    Family("private-key", ("-----BEGIN",), re.compile(_PEM.encode())),
    _family(
        "putty-key",
        "PuTTY-User-Key-File-",
        r"PuTTY-User-Key-File-[23]:[^\0]{10,4000}?Private-Lines: \d{1,4}"
        r"(?P<v>[A-Za-z0-9+/=\s\\]{40,8000})",
    ),
    _family("age-key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    _family(
        "json-web-token",
        "eyJ",
        rf"eyJ{_WORD}{{8,2000}}\.{_WORD}{{8,8000}}\.{_WORD}{{16,2000}}",
    ),
)


def literals(families: tuple[Family, ...]) -> dict[bytes, tuple[Family, ...]]:
    """The families to try at each anchor."""
    found: dict[bytes, tuple[Family, ...]] = {}
    for family in families:
        for anchor in family.anchors:
            key = anchor.encode()
            found[key] = (*found.get(key, ()), family)
    return found


def entropy(value: bytes) -> float:
    """Shannon's entropy of a text, in bits per character."""
    length = len(value)
    counts = Counter(value).values()
    return -sum(n / length * math.log2(n / length) for n in counts)


def match(family: Family, data: bytes, at: int) -> tuple[int, int] | None:
    """From where to where the secret stands whose anchor is at `at`, if one does."""
    first = max(0, at - family.back)
    found = (
        family.pattern.search(data, first, at + 16_384)
        if family.back
        else family.pattern.match(data, at, at + 16_384)
    )
    if found is None or not found.start() <= at < found.end():
        return None
    start, end = found.span("v" if "v" in family.pattern.groupindex else 0)
    return (start, end) if entropy(data[start:end]) >= LEAST_ENTROPY else None
