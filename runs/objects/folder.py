"""Objects as files under a folder."""

from __future__ import annotations

import errno
import os
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from runs.objects.errors import Misconfigured, Missing, NotDeleted, StorageAway
from runs.objects.look import Look

CHUNK = 256_000
# Where the file system has no files without a name; no object is called so.
DRAFT = ".draft-"
# As Python reads bytes that are no text.
_NO_TEXT = re.compile(r"[\ud800-\udfff]")
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST,
}  # fmt: skip
_NO_TMPFILE = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL}


class Folder:
    """The objects under `root`."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)

    def put_new(self, name: str, file: BinaryIO, size: int) -> bool:
        path = self._root / name
        with self._told():
            _make(path.parent)
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                with _draft(path.parent) as (handle, source):
                    _fill(handle, file, size)
                    os.fsync(handle)
                    try:
                        # Only with a folder's descriptor does Python follow /proc's link.
                        os.link(source, path.name, dst_dir_fd=folder, follow_symlinks=True)
                    except FileExistsError:
                        return False
                os.fsync(folder)
            finally:
                os.close(folder)
        return True

    def read(self, name: str) -> Iterator[bytes]:
        with self._told(name), (self._root / name).open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def size(self, name: str) -> int:
        with self._told(name):
            path = self._root / name
            if path.is_dir():
                raise Missing(name)
            return path.stat().st_size

    def look(self) -> Look:
        # It is made with the first object.
        there = next((path for path in (self._root, *self._root.parents) if path.exists()), None)
        if there is None or not os.access(there, os.W_OK | os.X_OK):
            raise Misconfigured(f"Nothing can be written to {self._root}.")
        with self._told():
            disk = os.statvfs(there)
        return Look(str(self._root), disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize)

    def delete_many(self, names: Sequence[str]) -> None:
        kept: dict[str, str] = {}
        folders: set[Path] = set()
        for name in names:
            path = self._root / name
            try:
                path.unlink(missing_ok=True)
            except NotADirectoryError:  # then it is not there
                continue
            except OSError as error:
                kept[name] = str(error)
            folders.add(path.parent)
        with self._told():
            for folder in folders:
                with suppress(FileNotFoundError):
                    _sync(folder)
        if kept:
            raise NotDeleted(
                f"{len(kept)} files cannot be deleted ({next(iter(kept.values()))}): give the"
                f" portal's account the right to write in {self._root}.",
                list(kept),
            )

    def names(self, prefix: str, after: str) -> Iterator[tuple[str, int]]:
        with self._told():
            yield from self._walk("", prefix, after)

    def drop_unfinished(
        self, prefix: str, before: datetime, after: str
    ) -> Iterator[tuple[str, int]]:
        with self._told():
            yield from self._dropped(prefix[: prefix.rfind("/") + 1], before.timestamp(), after)

    def _dropped(self, folder: str, before: float, after: str) -> Iterator[tuple[str, int]]:
        """Folder by folder, each before what is in it, in the order of their names."""
        inside: list[str] = []
        count = 0
        try:
            with os.scandir(self._root / folder) as found:
                for entry in found:
                    if _NO_TEXT.search(entry.name):
                        continue
                    if not entry.name.startswith(DRAFT):
                        if entry.is_dir(follow_symlinks=False):
                            inside.append(f"{folder}{entry.name}/")
                    elif folder > after or not after:
                        count += _drop(entry, before)
        except FileNotFoundError:
            return
        if folder > after or not after:
            yield folder, count
        for name in sorted(inside):
            if name > after or after.startswith(name):
                yield from self._dropped(name, before, after)

    def _walk(self, folder: str, prefix: str, after: str) -> Iterator[tuple[str, int]]:
        """By name as a whole: "a-b" comes before "a/b"."""
        try:
            with os.scandir(self._root / folder) as found:
                entries = sorted(
                    (f"{folder}{entry.name}/" if entry.is_dir() else folder + entry.name, entry)
                    for entry in found
                    # What is no text is no name, and in no database.
                    if not _NO_TEXT.search(entry.name)
                )
        except FileNotFoundError:  # nothing was ever kept, or it was deleted meanwhile
            return
        for name, entry in entries:
            if name.endswith("/"):
                # What is in it begins with its name, so it may lie beyond `after` as a whole.
                may_begin = name.startswith(prefix) or prefix.startswith(name)
                if may_begin and (name > after or after.startswith(name)):
                    yield from self._walk(name, prefix, after)
            elif name.startswith(prefix) and name > after and not entry.name.startswith(DRAFT):
                with suppress(FileNotFoundError):
                    yield name, entry.stat().st_size

    @contextmanager
    def _told(self, name: str = "") -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if name and self._root.is_dir():
                raise Missing(name) from error
            raise Misconfigured(
                f"The folder {self._root} is not there: mount it, or set DATA_DIR."
            ) from error
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.EEXIST) and self._root.is_file():
                raise Misconfigured(
                    f"{self._root} is a file, where the folder of the objects should be: move it"
                    " away and mount the folder, or set DATA_DIR."
                ) from error
            if name and error.errno in (errno.EISDIR, errno.ENOTDIR) and self._root.is_dir():
                raise Missing(name) from error
            raise _as_told(error, self._root) from error


def _as_told(error: OSError, root: Path) -> StorageAway:
    if error.errno in _FULL:
        return StorageAway(f"The disk of {root} is full ({error.strerror}): make room on it.")
    if error.errno in _FORBIDDEN:
        return Misconfigured(
            f"The portal may not use {error.filename or root} ({error.strerror}): give its account"
            f" the right to read and write in {root}."
        )
    return StorageAway(f"The disk of {root} fails ({error}): see the system's log.")


def _drop(draft: os.DirEntry[str], before: float) -> int:
    with suppress(FileNotFoundError):  # its writer has just finished it
        if draft.stat(follow_symlinks=False).st_mtime < before:
            os.unlink(draft)
            return 1
    return 0


@contextmanager
def _draft(parent: Path) -> Iterator[tuple[int, str]]:
    """A file to write to, and the path to link to it. The kernel removes one without a name when
    this process ends, however it does."""
    try:
        handle = os.open(parent, os.O_TMPFILE | os.O_WRONLY, 0o644)
    except OSError as error:
        if error.errno not in _NO_TMPFILE:
            raise
    else:
        try:
            yield handle, f"/proc/self/fd/{handle}"
        finally:
            os.close(handle)
        return
    path = parent / f"{DRAFT}{uuid.uuid4().hex}"
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    try:
        yield handle, str(path)
    finally:
        os.close(handle)
        path.unlink(missing_ok=True)


def _fill(handle: int, file: BinaryIO, size: int) -> None:
    left = size
    while left:
        chunk = file.read(min(CHUNK, left))
        if not chunk:
            raise ValueError(f"{size - left} bytes where {size} were told of")
        left -= len(chunk)
        while chunk:
            chunk = chunk[os.write(handle, chunk) :]


def _make(folder: Path) -> None:
    """Make it, so that it is there after a power failure too."""
    missing: list[Path] = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        _sync(each.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
