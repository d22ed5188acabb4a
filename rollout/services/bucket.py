"""The artifact vault's bytes in an S3-compatible bucket, written once."""

import errno
import tempfile
from base64 import b64encode
from contextlib import closing
from typing import IO, Any

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files.base import File
from storages.backends.s3 import S3Storage

from rollout.services.directory import WriteOnce

KEPT_IN_MEMORY = 4 * 1024 * 1024
ANSWERS_THAT_IT_IS_THERE = {"PreconditionFailed", "ConditionalRequestConflict"}


class Bucket(WriteOnce, S3Storage):
    """An S3-compatible bucket. It takes `PutObject` and `GetObject`, nothing else.

    A put is conditional, so that nothing is ever overwritten, and carries the SHA-256,
    so that the store refuses bytes that were damaged on the way.
    """

    def incoming(self) -> IO[bytes]:
        """A file on this machine; the store gets it when it is whole."""
        return tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)

    def save(self, name: str, content: File, max_length: int | None = None) -> str:
        """Put the bytes there, unless they are."""
        content.file.flush()
        content.file.seek(0)
        digest = bytes.fromhex(name.rpartition("/")[2])
        try:
            self.connection.meta.client.put_object(
                Bucket=self.bucket_name,
                Key=self._normalize_name(name),
                Body=content.file,
                ContentType=self.default_content_type,
                ChecksumSHA256=b64encode(digest).decode(),
                IfNoneMatch="*",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in ANSWERS_THAT_IT_IS_THERE:
                raise _away(error) from error
        except BotoCoreError as error:
            raise _away(error) from error
        return name

    def _open(self, name: str, mode: str = "rb") -> File:
        """The object, fetched once to a file on this machine."""
        fetched = tempfile.SpooledTemporaryFile(  # noqa: SIM115 (it outlives this)
            max_size=KEPT_IN_MEMORY, dir=settings.FILE_UPLOAD_TEMP_DIR
        )
        try:
            answer = self.connection.meta.client.get_object(
                Bucket=self.bucket_name, Key=self._normalize_name(name)
            )
            with closing(answer["Body"]) as body:
                for chunk in body.iter_chunks(1024 * 1024):
                    fetched.write(chunk)
        except (ClientError, BotoCoreError) as error:
            fetched.close()
            raise _away(error) from error
        except BaseException:
            fetched.close()
            raise
        fetched.seek(0)
        return File(fetched, name)

    def exists(self, name: str) -> bool:
        """Whether the bytes are there."""
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def size(self, name: str) -> int:
        """In bytes."""
        try:
            head = self.connection.meta.client.head_object(
                Bucket=self.bucket_name, Key=self._normalize_name(name)
            )
        except (ClientError, BotoCoreError) as error:
            raise _away(error) from error
        return head["ContentLength"]


def _away(error: Any) -> OSError:
    """What a store's error is in Python's terms: not there, or not to be reached."""
    answer = getattr(error, "response", {})
    if answer.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
        return FileNotFoundError(errno.ENOENT, "no such object")
    code = answer.get("Error", {}).get("Code") or type(error).__name__
    return ConnectionError(errno.EIO, f"the object store says {code}")
