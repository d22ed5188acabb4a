"""The least that an evaluation of flags over HTTP can cost: no portal in it.

A bare ASGI application that parses the same body, evaluates the same flags in plain
Python (first matching rule, percentage by murmur3, clamp), and answers in OFREP's shape
with an ETag. Nobody is authenticated, nothing is logged, nothing is kept fresh.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import mmh3
import orjson

CONTENT = orjson.loads(Path(os.environ["BENCH_CONTENT"]).read_bytes())
FLAGS = {flag["key"]: flag for flag in CONTENT["flags"]}
SALT = CONTENT["salt"]
BULK = "/ofrep/v1/evaluate/flags"


def evaluate(flag: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """One flag for one context."""
    key, value, variant, reason = flag["key"], flag["default"], "default", "STATIC"
    for number, rule in enumerate(flag["rules"], start=1):
        for condition in rule["conditions"]:
            found = context.get(condition["attribute"])
            wanted = condition["value"]
            if condition["operator"] == "in":
                if found not in wanted:
                    break
            elif found != wanted:
                break
        else:
            share = rule["share"]
            if share is not None:
                unit = f"{SALT}/{key}:{context['targetingKey']}".encode()
                if mmh3.hash(unit, 0, signed=False) % 10_000 >= share:
                    continue
            value, variant = rule["value"], f"rule_{number}"
            reason = "TARGETING_MATCH" if share is None else "SPLIT"
            break
    if flag["minimum"] is not None:
        value = min(max(value, flag["minimum"]), flag["maximum"])
    return {
        "key": key,
        "value": "" if value is None else value,
        "variant": variant,
        "reason": reason,
    }


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer `POST /ofrep/v1/evaluate/flags` and `.../flags/KEY`."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    context = orjson.loads(body)["context"]
    path = scope["path"]
    headers = [(b"content-type", b"application/json")]
    if path == BULK:
        answer = orjson.dumps(
            {"flags": [evaluate(flag, context) for flag in FLAGS.values()]}
        )
        etag = f'"{hashlib.sha256(answer).hexdigest()}"'
        headers.append((b"etag", etag.encode()))
    else:
        answer = orjson.dumps(evaluate(FLAGS[path[len(BULK) + 1 :]], context))
    headers.append((b"content-length", b"%d" % len(answer)))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
