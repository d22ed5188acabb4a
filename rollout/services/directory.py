"""The artifact vault's bytes in a directory, written once.

Django's storage API, cut down to what a vault needs: `incoming` gives a file to write
to, `save` puts it under its name for good, `open`, `exists` and `size` read. Names are
those of the vault: they end in the hexadecimal SHA-256 of the bytes. Nothing here
deletes, and `delete` refuses. `bucket.py` is the same for an object store.
"""

import errno
import io
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

PORTION = 8 * 1024 * 1024
# What a file system says that knows no files without a name.
NEED_NAMES = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL}


class Hurrying(io.FileIO):
    """A file that goes to the disk while it is being written, not only at its end.

    So that the `fsync` which keeps it has little left to wait for.
    """

    def __init__(self, file: int, mode: str) -> None:
        super().__init__(file, mode)
        self.written = self.on_its_way = 0

    def write(self, data: Any) -> int:
        """Write, and have the system begin with what has come together."""
        count = super().write(data)
        self.written += count
        left = self.written - self.on_its_way
        if left >= PORTION:
            # Pages that are not on the disk yet are not dropped, they are written.
            os.posix_fadvise(
                self.fileno(), self.on_its_way, left, os.POSIX_FADV_DONTNEED
            )
            self.on_its_way = self.written
        return count


class WriteOnce:
    """What every storage of a vault refuses."""

    def delete(self, name: str) -> NoReturn:
        """Artifacts are on legal hold, all of them."""
        raise TypeError("No artifact is ever deleted.")

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """The name itself: the same name means the same bytes."""
        return name


class Directory(WriteOnce, FileSystemStorage):
    """`ARTIFACTS_DIR`; what was saved survives a power failure."""

    @property
    def location(self) -> str:
        """The directory, as the settings name it now."""
        return os.path.abspath(settings.ARTIFACTS_DIR)

    def incoming(self) -> IO[bytes]:
        """A file on the same disk, which is gone when it is closed or we are killed."""
        os.makedirs(self.location, exist_ok=True)
        try:
            descriptor = os.open(self.location, os.O_TMPFILE | os.O_RDWR, 0o600)
        except OSError as error:
            if error.errno not in NEED_NAMES:
                raise
            return tempfile.NamedTemporaryFile(dir=self.location, prefix="incoming-")
        return io.BufferedRandom(Hurrying(descriptor, "r+b"))

    def _save(self, name: str, content: File) -> str:
        file = content.file
        file.flush()
        os.fchmod(file.fileno(), 0o440)
        os.fsync(file.fileno())
        place = Path(self.path(name))
        place.parent.mkdir(parents=True, exist_ok=True)
        named = isinstance(file.name, str)
        source = file.name if named else f"/proc/self/fd/{file.fileno()}"
        with suppress(FileExistsError):  # somebody else has just kept the same bytes
            # Only with a `src_dir_fd`, which an absolute path ignores, does Python
            # ask for the link to be followed.
            os.link(source, place, src_dir_fd=file.fileno(), follow_symlinks=True)
        # The names themselves have to survive a power failure too.
        for folder in list(place.parents)[:3]:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        return name
