"""Where the embedded database, broker, files and secrets of ``DATA_DIR`` are to be found."""

import os
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


def read(path: Path) -> str:
    """The file's stripped text, or "" where there is none."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def kept_secret(path: Path, length: int = 24) -> str:
    """The secret in `path`, made on first use and readable by the owner only."""
    if value := read(path):
        return value
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(length))
    with suppress(FileExistsError):  # another process was first
        os.link(draft, path)
    os.unlink(draft)
    return read(path)


def secret_key(data_dir: Path) -> str:
    return kept_secret(data_dir / "secret_key", 50)


def database_url(data_dir: Path) -> str:
    """The embedded server's URL; before its first start the port is 1, where nothing answers."""
    home = data_dir / "postgres"
    password, port = read(home / "password"), read(home / "port") or "1"
    return f"postgresql://portal:{password}@127.0.0.1:{port}/portal"


def redis_url(data_dir: Path) -> str:
    """The embedded server's URL; before its first start the port is 1, where nothing answers."""
    home = data_dir / "valkey"
    password, port = read(home / "password"), read(home / "port") or "1"
    return f"redis://:{password}@127.0.0.1:{port}/0"


def s3_config(connect_seconds: float = 3, read_seconds: float = 20) -> Any:
    """How S3 is spoken to, however it goes. Given up early: all that uses it comes again."""
    # Who keeps files in a folder need not wait for it.
    from botocore.config import Config

    return Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": 3},
        # No fewer than threads that share them.
        max_pool_connections=32,
        # Not all that speak S3 know the newer ones; requests are signed with their SHA-256.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def object_storage(env: Mapping[str, str], data_dir: Path) -> dict[str, Any]:
    """Django's STORAGES entry: the bucket that ``S3_*`` names, else a folder."""
    if not env.get("S3_BUCKET"):
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(data_dir / "files")},
        }
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": env["S3_BUCKET"],
            "endpoint_url": env.get("S3_ENDPOINT_URL") or None,
            "access_key": env.get("S3_ACCESS_KEY_ID") or None,
            "secret_key": env.get("S3_SECRET_ACCESS_KEY") or None,
            "region_name": env.get("S3_REGION") or "us-east-1",
            "client_config": s3_config(),
            "file_overwrite": False,
            "default_acl": None,
        },
    }
