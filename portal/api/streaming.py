"""Answers that are sent while they are read, under ASGI and WSGI."""

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse


class Streamed(StreamingHttpResponse):
    """A download, of which there is never more than one chunk in memory."""

    def __init__(self, chunks: Iterator[bytes], *, content_type: str) -> None:
        super().__init__(chunks, content_type=content_type)
        self["Content-Disposition"] = "attachment"
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The same chunks for an event loop, which must not wait for a disk."""
        take = sync_to_async(next, thread_sensitive=False)
        while chunk := await take(self._chunks, b""):
            yield chunk
