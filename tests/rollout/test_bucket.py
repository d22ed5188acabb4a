"""The vault in a bucket, against an S3 server on loopback."""

import socket
import threading

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from portal.errors import Conflict, NotFound, Unavailable
from rollout.models import Artifact
from rollout.services import artifacts, vault
from tests.rollout.builders import KEY

pytestmark = pytest.mark.django_db
BUCKET = "artifacts"


@pytest.fixture(scope="module")
def server():
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def s3(server, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    client = boto3.client("s3", endpoint_url=server, region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    yield client
    for each in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=each["Key"])
    client.delete_bucket(Bucket=BUCKET)


def in_bucket(settings, endpoint: str) -> None:
    settings.ARTIFACTS_S3_BUCKET = BUCKET
    settings.STORAGES = settings.STORAGES | {
        "artifacts": {
            "BACKEND": "rollout.services.bucket.Bucket",
            "OPTIONS": {
                "bucket_name": BUCKET,
                "endpoint_url": endpoint,
                "region_name": "us-east-1",
                "location": "vault",
                "client_config": Config(
                    connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}
                ),
            },
        }
    }


@pytest.fixture
def in_s3(s3, server, settings):
    in_bucket(settings, server)
    return s3


def keep(service, path="a.md", content=b"text"):
    return artifacts.store(KEY, "run-1", path, [content], by=service, reason="said")[0]


def key_of(artifact) -> str:
    name = artifact.digest.removeprefix("sha256:")
    return f"vault/sha256/{name[:2]}/{name[2:4]}/{name}"


def test_what_is_stored_in_a_bucket_is_found_by_its_digest(service, in_s3):
    content = b"0123456789" * 1_000_000

    artifact = keep(service, content=content)

    assert b"".join(vault.read(artifact.digest)) == content
    stored = in_s3.get_object(Bucket=BUCKET, Key=key_of(artifact))
    assert stored["Body"].read() == content
    assert vault.check(artifact.digest) is None


def test_nothing_in_a_bucket_is_overwritten(service, in_s3, monkeypatch):
    artifact = keep(service)
    in_s3.put_object(Bucket=BUCKET, Key=key_of(artifact), Body=b"other")
    # Two at once: neither has seen the other's bytes before it sends its own.
    storage = vault._storage()
    barrier = threading.Barrier(2)

    def put() -> None:
        with storage.incoming() as file:
            file.write(b"text")
            barrier.wait()
            storage.save(vault._name_of(artifact.digest), vault.File(file))

    both = [threading.Thread(target=put) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()

    kept = in_s3.get_object(Bucket=BUCKET, Key=key_of(artifact))["Body"].read()
    assert kept == b"other"


def test_damage_in_a_bucket_is_found_and_never_given_out(service, in_s3):
    artifact = keep(service)
    in_s3.put_object(Bucket=BUCKET, Key=key_of(artifact), Body=b"tampered")

    assert vault.check(artifact.digest) == "damaged"
    with pytest.raises(Conflict):
        vault.read(artifact.digest)
    in_s3.delete_object(Bucket=BUCKET, Key=key_of(artifact))
    assert vault.check(artifact.digest) == "missing"
    with pytest.raises(NotFound):
        vault.read(artifact.digest)


def test_a_bucket_that_cannot_be_reached_is_said_so_and_says_nothing_of_the_bytes(
    service, in_s3, settings
):
    artifact = keep(service)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        in_bucket(settings, f"http://127.0.0.1:{nobody.getsockname()[1]}")

        for attempt in (
            lambda: vault.read(artifact.digest),
            lambda: vault.check(artifact.digest),
            lambda: keep(service, path="b.md"),
        ):
            with pytest.raises(Unavailable) as refusal:
                attempt()
            assert refusal.value.code == "STORAGE_UNAVAILABLE"

    assert Artifact.objects.count() == 1


def test_the_portal_asks_a_bucket_for_nothing_but_putting_and_getting(service, in_s3):
    asked = []
    client = vault._storage().connection.meta.client
    client.meta.events.register(
        "before-call.s3", lambda model, **_: asked.append(model.name)
    )

    artifact = keep(service)
    keep(service, path="b.md")
    list(vault.read(artifact.digest))

    assert set(asked) <= {"PutObject", "GetObject", "HeadObject"}
    with pytest.raises(TypeError):
        vault._storage().delete(key_of(artifact))
