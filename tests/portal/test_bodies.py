"""Bodies that are read while they arrive."""

import asyncio
import io

import pytest

from portal.bodies import AHEAD, SMALL, Arriving, Incoming, StreamingHandler


class Client:
    """Sends messages, and knows how many of them were asked for."""

    def __init__(self, *parts: bytes, goes_away: bool = False) -> None:
        self.messages = [
            {"type": "http.request", "body": part, "more_body": True} for part in parts
        ]
        if not goes_away:
            self.messages.append({"type": "http.request"})
        self.messages.append({"type": "http.disconnect"})
        self.asked = 0

    async def receive(self) -> dict:
        self.asked += 1
        return self.messages.pop(0)


async def body_of(client: Client) -> tuple[Incoming, io.IOBase]:
    incoming = Incoming(client.receive)
    return incoming, await StreamingHandler.read_body(None, incoming)


def test_a_small_body_is_whole_before_the_view_begins():
    async def scenario():
        _, body = await body_of(Client(b"ab", b"cd"))
        assert body.read() == b"abcd"  # in the event loop itself: nothing to wait for

    asyncio.run(scenario())


def test_a_large_body_arrives_while_it_is_read():
    parts = [bytes([number]) * SMALL for number in range(20)]

    async def scenario():
        client = Client(*parts)
        _, body = await body_of(client)
        assert isinstance(body, Arriving)
        first = await asyncio.to_thread(body.read, SMALL)
        await asyncio.sleep(0.05)
        assert client.asked * SMALL <= AHEAD + 4 * SMALL  # and no further ahead
        rest = await asyncio.to_thread(body.read)
        assert first + rest == b"".join(parts)
        assert await asyncio.to_thread(body.read, SMALL) == b""

    asyncio.run(scenario())


def test_whoever_reads_in_pieces_gets_pieces_of_that_size():
    async def scenario():
        _, body = await body_of(Client(*[b"x" * 700_000] * 5))
        sizes = []
        while piece := await asyncio.to_thread(body.read, SMALL):
            sizes.append(len(piece))
        assert sizes == [SMALL, SMALL, SMALL, 3_500_000 - 3 * SMALL]

    asyncio.run(scenario())


def test_a_client_that_goes_away_ends_the_reading():
    async def scenario():
        _, body = await body_of(Client(*[b"x" * SMALL] * 3, goes_away=True))
        with pytest.raises(ConnectionAbortedError):
            await asyncio.to_thread(body.read)

    asyncio.run(scenario())


def test_what_follows_the_body_is_told_only_after_it():
    async def scenario():
        incoming, body = await body_of(Client(*[b"x" * SMALL] * 3))
        follows = asyncio.create_task(incoming())
        await asyncio.sleep(0.05)
        assert not follows.done()
        await asyncio.to_thread(body.read)
        assert (await follows)["type"] == "http.disconnect"

    asyncio.run(scenario())
