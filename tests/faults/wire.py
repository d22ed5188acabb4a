"""A wire to PostgreSQL that can be cut: what is behind it lives on."""

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path


class Wire:
    """Passes on, both ways, whatever comes to a socket of its own."""

    def __init__(self, directory: Path, behind: Path) -> None:
        self.directory, self.behind = directory, behind
        directory.mkdir()
        self.is_cut = False
        self._ends: list[socket.socket] = []
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(directory / ".s.PGSQL.5432"))
        self._door.listen()
        threading.Thread(target=self._let_in, daemon=True).start()

    def cut(self) -> None:
        """Nothing goes through any more, and nobody is let in."""
        self.is_cut = True
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.clear()

    def mend(self) -> None:
        """Let everybody in again."""
        self.is_cut = False

    def close(self) -> None:
        """Take it down."""
        self.cut()
        self._door.close()
        os.unlink(self.directory / ".s.PGSQL.5432")

    def _let_in(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._door.accept()
                if self.is_cut:
                    here.close()
                    continue
                there = socket.socket(socket.AF_UNIX)
                there.connect(str(self.behind / ".s.PGSQL.5432"))
                self._ends += [here, there]
                for source, sink in ((here, there), (there, here)):
                    threading.Thread(
                        target=_pass_on, args=(source, sink), daemon=True
                    ).start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.close()
