"""Objects in storage, for whoever must not lose one: never overwritten, listed, deleted by many.

The same in a bucket and in a folder, whichever storage is the default one. Nothing here may be
called within a transaction: it waits for the network. Everything raises StorageAway where storage
does not do its part (Misconfigured where waiting will not help), after few tries; then it may
have been done all the same.

A name is a path of the portal's own making, without a "." or ".." in it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import BinaryIO
from weakref import WeakKeyDictionary

from botocore.exceptions import BotoCoreError
from django.core.files.storage import FileSystemStorage, Storage, storages
from storages.backends.s3 import S3Storage

from runs.objects.bucket import Bucket
from runs.objects.errors import Misconfigured, Missing, NotDeleted, StorageAway
from runs.objects.folder import DRAFT, Folder
from runs.objects.look import Look

__all__ = [
    "Look",
    "Misconfigured",
    "Missing",
    "NotDeleted",
    "StorageAway",
    "delete_many",
    "drop_unfinished",
    "look",
    "names",
    "put_new",
    "read",
    "size",
]

# S3's limit, in bytes; and that of most file systems for what stands between two slashes.
LONGEST, LONGEST_PART = 1024, 255

_stores: WeakKeyDictionary[Storage, Bucket | Folder] = WeakKeyDictionary()
_lock = threading.Lock()
# A child must not speak over its parent's connections.
os.register_at_fork(after_in_child=_stores.clear)


def put_new(name: str, file: BinaryIO, size: int) -> bool:
    """Keep the next `size` bytes of `file`, which can seek. False: there is an object of that
    name, which stays as it is. True: it is kept for good, as far as storage can tell; read it to
    be sure."""
    return _store().put_new(checked(name), file, size)


def read(name: str) -> Iterator[bytes]:
    """In pieces, of which one is in memory at a time. Raises at the first piece what it raises:
    Missing where there is none; StorageAway may come at any piece, and also at an end that comes
    too early."""
    return _store().read(checked(name))


def size(name: str) -> int:
    """In bytes; raises Missing where there is none."""
    return _store().size(checked(name))


def delete_many(names: Iterable[str]) -> None:
    """What is not there is as good as deleted. NotDeleted says which ones are left."""
    _store().delete_many([checked(name) for name in names])


def names(prefix: str, after: str = "") -> Iterator[tuple[str, int]]:
    """Those that begin with `prefix`, and come behind one that was listed, with their sizes, in
    the order of names. It goes on asking storage while it is read; what comes or goes meanwhile
    may be in it or not. Misconfigured where storage has another order: not all put "a-b" before
    "a/b"."""
    last = after
    for name, size in _store().names(prefix, after):
        # Whoever compares with rows would take what is there for lost.
        if name <= last:
            raise Misconfigured(f"Object storage lists {name!r} behind {last!r}.")
        last = name
        yield name, size


def look() -> Look:
    """Ask storage for as little as shows that it answers."""
    return _store().look()


def drop_unfinished(prefix: str, before: datetime, after: str = "") -> Iterator[tuple[str, int]]:
    """Remove what is left of objects that were begun `before`, and not finished, because their
    writer was killed. They are no objects: `names` does not list them. `prefix` ends with a slash,
    or is empty. Piece by piece as it is read: gives of each behind what place one may go on
    `after` it, and how many were removed; the place is empty where nothing follows."""
    return _store().drop_unfinished(prefix, before, after)


def checked(name: str) -> str:
    """It, if it may be the name of an object."""
    parts = name.split("/")
    wrong = (
        len(name.encode()) > LONGEST
        or not name.isprintable()
        or "\\" in name
        or any(part in ("", ".", "..") or part.startswith(DRAFT) for part in parts)
        or any(len(part.encode()) > LONGEST_PART for part in parts)
    )
    if wrong:
        raise ValueError(f"no name of an object: {name[:200]!r}")
    return name


def _store() -> Bucket | Folder:
    storage = storages["default"]
    with _lock:
        store = _stores.get(storage)
        if store is None:
            store = _stores[storage] = _made(storage)
    return store


def _made(storage: Storage) -> Bucket | Folder:
    if isinstance(storage, S3Storage):
        try:
            return Bucket(storage)
        except (ValueError, BotoCoreError) as error:
            raise Misconfigured(f"S3 cannot be set up ({error}): see what S3_… are set.") from error
    if isinstance(storage, FileSystemStorage):
        return Folder(str(storage.location))
    raise Misconfigured(
        f"Objects are kept in S3-compatible storage or in a folder, not in {type(storage).__name__}"
    )
