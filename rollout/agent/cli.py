"""Calling the research system's command line: bounded in time and output, and ended."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from portal.domain.redaction import redact
from rollout.agent.config import Config
from rollout.domain.cli_answers import CliAnswer, Ending, judge

CHUNK = 64 * 1024
KEPT = 256 * 1024  # of the output: its end, where the answer is
LAST_WORDS_S = 2.0
GONE = ("Z", "X")  # states of proc_pid_stat(5): zombie, dead
LONGEST_REASON = 500

log = structlog.get_logger(__name__)


def reason_to_give(text: str) -> str:
    """A reason as an argument: one line, no secrets, and never taken for an option."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return f"portal: {redact(plain)[:LONGEST_REASON]}"


def start_of(pid: int) -> int:
    """When a process started, in the kernel's ticks; 0 when there is none, or it is
    dead and only nobody has asked how it ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        state, *facts = stat.rpartition(")")[2].split()
        return 0 if state in GONE else int(facts[18])
    except (OSError, IndexError, ValueError):
        return 0


def age_s(start: int) -> float:
    """For how long a process has been there that started then."""
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return uptime - start / os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Running:
    """A process that was started, and how to end it early."""

    process: asyncio.subprocess.Process
    is_stopped: bool = False

    def stop(self) -> None:
        """End it because something else is asked of its run."""
        self.is_stopped = True
        end_group(self.process.pid)


def end_group(pid: int) -> None:
    """kill -9 a process and everything that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


class Cli:
    """The research system's commands, for one installation."""

    def __init__(self, config: Config) -> None:
        self.config = config.cli
        self.folder = config.installation.integration_root
        secret = config.portal.token
        # The token is the agent's own: no command gets to see it.
        self.environment = {k: v for k, v in os.environ.items() if secret not in v}

    async def command(
        self,
        name: str,
        root: Path,
        reason: str,
        *options: str,
        limit_s: float | None = None,
        begun: Callable[[Running], None] = lambda running: None,
    ) -> CliAnswer:
        """`<cli> NAME --manifest ... --reason ... --json`."""
        words = [
            *self.config.command,
            name,
            *("--manifest", str(root / "manifest.json")),
            *("--reason", reason_to_give(reason)),
            *options,
            "--json",
        ]
        return await self.run(
            words, limit_s=limit_s or self.config.time_limit_s, begun=begun
        )

    async def adapter(
        self, template: Sequence[str], root: Path, known: Mapping[str, str]
    ) -> CliAnswer:
        """A command of the installation's own; `{manifest}` and the like are filled."""
        facts = {
            **known,
            "reason": reason_to_give(known.get("reason", "")),
            "run_root": str(root),
            "manifest": str(root / "manifest.json"),
            "gates": str(root / "gates.json"),
        }
        words = []
        for word in template:
            for name, value in facts.items():
                word = word.replace(f"{{{name}}}", value)
            words.append(word)
        return await self.run(words, limit_s=self.config.time_limit_s)

    async def run(
        self,
        words: Sequence[str],
        *,
        limit_s: float,
        begun: Callable[[Running], None] = lambda running: None,
    ) -> CliAnswer:
        """Run a command to its end, or to one of its limits."""
        # A pipe of our own: the child's children may hold it open for longer.
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                cwd=self.folder,
                env=self.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            os.close(reading)
            log.error("command_not_started", command=words[0], error=str(error))
            return judge(Ending.NOT_STARTED, b"")
        finally:
            os.close(writing)
        running = Running(process)
        try:
            begun(running)
            ending, output = await self._listen(running, reading, limit_s)
        except BaseException:
            end_group(process.pid)  # the agent ends: nothing is left behind
            await process.wait()
            raise
        return judge(ending, output)

    async def _listen(
        self, running: Running, reading: int, limit_s: float
    ) -> tuple[Ending, bytes]:
        """How it ended, and the end of what it printed."""
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", 0)
        )
        output = bytearray()
        process = running.process
        exited = asyncio.create_task(process.wait())
        drained = asyncio.create_task(self._drain(stream, output))
        ending = Ending.EXITED
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.wait({exited, drained}, return_when="FIRST_COMPLETED")
                if not drained.done():
                    await asyncio.wait({drained}, timeout=LAST_WORDS_S)
                if not drained.done():
                    end_group(process.pid)  # what it started and left behind
                elif not drained.result():
                    ending = Ending.TOO_LOUD
                    end_group(process.pid)
                status = await exited
        except TimeoutError:
            ending = Ending.HUNG
            end_group(process.pid)
            status = await process.wait()
        finally:
            drained.cancel()
            exited.cancel()
            transport.close()
        if running.is_stopped:
            ending = Ending.STOPPED
        elif ending == Ending.EXITED and status < 0:
            ending = Ending.DIED
        return ending, bytes(output)

    async def _drain(self, stream: asyncio.StreamReader, output: bytearray) -> bool:
        """Keep the end of what it prints; False when that does not end."""
        total = 0
        while chunk := await stream.read(CHUNK):
            total += len(chunk)
            output += chunk
            del output[:-KEPT]
            if total > self.config.output_limit_bytes:
                return False
        return True
