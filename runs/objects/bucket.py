"""Objects in a bucket that speaks S3."""

from __future__ import annotations

import os
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import BinaryIO, TypeVar
from urllib.parse import quote

import boto3.session
from botocore import auth, awsrequest, exceptions, httpsession, utils
from storages.backends.s3 import S3Storage
from urllib3.exceptions import HTTPError, IncompleteRead, ReadTimeoutError

from runs.objects.errors import Misconfigured, Missing, NotDeleted, StorageAway
from runs.objects.look import Look

T = TypeVar("T")
CHUNK = 256_000
# What is larger is not read into memory.
SMALL = 1_048_576
# As much as S3 takes in one request. Uploads in parts could be larger; but that nothing is
# overwritten is not sure with them: of two at the same time SeaweedFS lets both win.
MOST = 5_000_000_000
# As many as storage takes in a request.
DELETED_AT_ONCE = 1_000
# Seconds between tries. Storage is given up quickly: whoever archives comes again.
PAUSES = (0.1, 0.4)
# Read of an answer that says why not.
MOST_OF_AN_ERROR = 16_000

_CREDENTIALS = {
    "AccessDenied",
    "AllAccessDisabled",
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
}

# Said with status 400 of what the network did.
_PASSING = {"BadDigest", "IncompleteBody", "RequestTimeout", "XAmzContentSHA256Mismatch"}


class _Again(Exception):  # noqa: N818
    """It failed without much waiting; the next try may do."""

    def __init__(self, away: StorageAway) -> None:
        super().__init__(str(away))
        self.away = away


class _Refused(Exception):  # noqa: N818
    """Storage answers with this status."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code)
        self.status, self.code = status, code


class Bucket:
    """The objects in the bucket of a storage. Threads may share it.

    One object costs boto3 about a millisecond of processor to put or get, whatever its size; a
    signed request of our own half of that. So what is done once per object goes by that way
    (over botocore's own signer and connections), and all that is rarer through boto3's client.
    """

    def __init__(self, storage: S3Storage) -> None:
        session = (
            boto3.session.Session(profile_name=storage.session_profile)
            if storage.session_profile
            else boto3.session.Session(
                aws_access_key_id=storage.access_key,
                aws_secret_access_key=storage.secret_key,
                aws_session_token=storage.security_token,
            )
        )
        self._client = session.client(
            "s3",
            region_name=storage.region_name,
            use_ssl=storage.use_ssl,
            endpoint_url=storage.endpoint_url,
            config=storage.client_config,
            verify=storage.verify,
        )
        self._bucket = str(storage.bucket_name)
        self._location = f"{storage.location.strip('/')}/" if storage.location else ""
        self._credentials = session.get_credentials()
        self._region = self._client.meta.region_name
        self._endpoint = str(self._client.meta.endpoint_url)
        config = self._client.meta.config
        verify = storage.verify
        if verify is None:
            verify = os.environ.get("AWS_CA_BUNDLE") or True
        self._http = httpsession.URLLib3Session(
            verify=verify,
            proxies=config.proxies or utils.get_environ_proxies(self._endpoint),
            timeout=(config.connect_timeout, config.read_timeout),
            max_pool_connections=config.max_pool_connections,
            # Else the body waits for the answer to the headers' packet, 40 ms.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )

    # -- What is done once per object --------------------------------------------------------

    def put_new(self, name: str, file: BinaryIO, size: int) -> bool:
        if size > MOST:
            raise Misconfigured(f"{name} has {size} bytes: more than S3 takes at once, {MOST}.")
        data = _exactly(file, size) if size <= SMALL else _Window(file, size)
        # Tells ours from another one, should the answer to the first try be lost.
        mark = uuid.uuid4().hex
        headers = {"If-None-Match": "*", "x-amz-meta-put": mark}
        tries = 0

        def put() -> bool:
            nonlocal tries
            tries += 1
            try:
                self._ask("PUT", name, data, headers)
            except _Refused as refused:
                if refused.status != 412:
                    raise self._as_told(refused.status, refused.code) from refused
                return tries > 1 and self._is_ours(name, mark)
            return True

        return _patiently(put)

    def read(self, name: str) -> Iterator[bytes]:
        answer, chunk = _patiently(lambda: self._begin(name))
        left = int(answer.headers["content-length"]) - len(chunk)
        try:
            while chunk:
                yield chunk
                chunk = self._next(answer, left)
                left -= len(chunk)
        except _Again as again:
            raise again.away from again
        finally:
            # One that was read to its end has gone back to the pool already.
            answer.raw.close()

    def size(self, name: str) -> int:
        return int(_patiently(lambda: self._head(name)).headers["content-length"])

    def _begin(self, name: str) -> tuple[awsrequest.AWSResponse, bytes]:
        try:
            answer = self._ask("GET", name, streamed=True)
        except _Refused as refused:
            raise self._missing_or_told(name, refused.status, refused.code) from refused
        return answer, self._next(answer, int(answer.headers["content-length"]))

    def _next(self, answer: awsrequest.AWSResponse, left: int) -> bytes:
        """Of the body, of which so much is to come. botocore takes any end for the end."""
        with self._connected():
            chunk = bytes(answer.raw.read(CHUNK))
            if len(chunk) < min(CHUNK, left):
                answer.raw.close()
                raise IncompleteRead(len(chunk), left - len(chunk))
            return chunk

    def _head(self, name: str) -> awsrequest.AWSResponse:
        try:
            return self._ask("HEAD", name)
        except _Refused as refused:
            code = refused.code
            if refused.status == 404 and not self._is_there():
                code = "NoSuchBucket"
            raise self._missing_or_told(name, refused.status, code) from refused

    def _is_ours(self, name: str, mark: str) -> bool:
        try:
            return self._head(name).headers.get("x-amz-meta-put") == mark
        except Missing:
            return False

    def _ask(
        self,
        method: str,
        name: str,
        data: bytes | _Window = b"",
        headers: dict[str, str] | None = None,
        *,
        streamed: bool = False,
    ) -> awsrequest.AWSResponse:
        if self._credentials is None:
            raise self._as_told(403, "AccessDenied")
        url = f"{self._endpoint}/{self._bucket}/{quote(self._location + name, safe='/~')}"
        if isinstance(data, _Window):
            data.seek(0)
        request = awsrequest.AWSRequest(method, url, headers, data, stream_output=streamed)
        with self._connected():
            signer = auth.S3SigV4Auth(
                self._credentials.get_frozen_credentials(), "s3", self._region
            )
            signer.add_auth(request)
            answer = self._http.send(request.prepare())
            status = answer.status_code
            if status < 300:
                return answer
            text = answer.raw.read(MOST_OF_AN_ERROR) if streamed else answer.content
            answer.raw.close()
        code = _code(text)
        if status >= 500 or status in (408, 409, 429) or code in _PASSING:
            told = self._as_told(status, code)
            raise told if isinstance(told, Misconfigured) else _Again(told)
        raise _Refused(status, code)

    # -- What is rarer -----------------------------------------------------------------------

    def delete_many(self, names: Sequence[str]) -> None:
        kept: dict[str, str] = {}
        for begin in range(0, len(names), DELETED_AT_ONCE):
            some = [{"Key": self._location + name} for name in names[begin:][:DELETED_AT_ONCE]]
            with self._client_told():
                answer = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": some, "Quiet": True}
                )
            for error in answer.get("Errors", ()):
                if error.get("Code") != "NoSuchKey":
                    name = error["Key"].removeprefix(self._location)
                    kept[name] = f"{error.get('Code')}: {error.get('Message')}"
        if kept:
            raise NotDeleted(
                f"Storage keeps {len(kept)} objects that it was to delete"
                f" ({next(iter(kept.values()))}): allow s3:DeleteObject in bucket {self._bucket}.",
                list(kept),
            )

    def look(self) -> Look:
        with self._client_told():
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._location, MaxKeys=1)
        return Look(f"bucket {self._bucket}")

    def names(self, prefix: str, after: str) -> Iterator[tuple[str, int]]:
        asked: dict[str, str] = {"StartAfter": self._location + after} if after else {}
        while True:
            with self._client_told():
                page = self._client.list_objects_v2(
                    Bucket=self._bucket, Prefix=self._location + prefix, **asked
                )
            for found in page.get("Contents", ()):
                yield found["Key"].removeprefix(self._location), found["Size"]
            if not page.get("IsTruncated"):
                return
            asked = {"ContinuationToken": page["NextContinuationToken"]}

    def drop_unfinished(
        self, prefix: str, before: datetime, after: str
    ) -> Iterator[tuple[str, int]]:
        asked = {"KeyMarker": self._location + after} if after else {}
        while True:
            dropped = 0
            with self._client_told():
                page = self._client.list_multipart_uploads(
                    Bucket=self._bucket, Prefix=self._location + prefix, **asked
                )
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"] < before:
                        self._abort(upload["Key"], upload["UploadId"])
                        dropped += 1
            if not page.get("IsTruncated"):
                yield "", dropped
                return
            key = page["NextKeyMarker"]
            yield key.removeprefix(self._location), dropped
            asked = {"KeyMarker": key, "UploadIdMarker": page.get("NextUploadIdMarker", "")}

    def _abort(self, key: str, upload: str) -> None:
        with suppress(self._client.exceptions.NoSuchUpload):
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)

    def _is_there(self) -> bool:
        try:
            with self._client_told(refused=True):
                self._client.head_bucket(Bucket=self._bucket)
        except _Refused as refused:
            return refused.status != 404
        return True

    # -- Errors ------------------------------------------------------------------------------

    @contextmanager
    def _client_told(self, *, refused: bool = False) -> Iterator[None]:
        """What boto3's client raises, which tries again by itself."""
        try:
            with self._connected():
                yield
        except _Again as again:
            raise again.away from again
        except exceptions.ClientError as error:
            answer = error.response
            status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            code = answer.get("Error", {}).get("Code", "")
            if refused and status < 500:
                raise _Refused(status, code) from error
            raise self._as_told(status, code) from error

    @contextmanager
    def _connected(self) -> Iterator[None]:
        where = f"Object storage at {self._endpoint}"
        try:
            yield
        except exceptions.NoCredentialsError as error:
            raise self._as_told(403, "AccessDenied") from error
        except exceptions.SSLError as error:
            raise Misconfigured(
                f"{where} has no certificate that is trusted ({error}): set AWS_CA_BUNDLE."
            ) from error
        except (exceptions.ReadTimeoutError, ReadTimeoutError) as error:
            # It has waited long enough.
            raise StorageAway(f"{where} does not answer in time: see whether it is up.") from error
        except (exceptions.BotoCoreError, HTTPError, OSError) as error:
            away = StorageAway(
                f"{where} cannot be reached, or broke off ({type(error).__name__}): see whether it"
                " is up, and S3_ENDPOINT_URL."
            )
            raise _Again(away) from error

    def _missing_or_told(self, name: str, status: int, code: str) -> Exception:
        if status == 404 and code != "NoSuchBucket":
            return Missing(name)
        return self._as_told(status, code)

    def _as_told(self, status: int, code: str) -> StorageAway:
        where = f"Object storage at {self._endpoint}"
        why = f"{status} {code}".strip()
        if code == "NoSuchBucket":
            return Misconfigured(
                f"{where} has no bucket {self._bucket}: make it, or set S3_BUCKET."
            )
        if code == "RequestTimeTooSkewed":
            return Misconfigured(f"{where} refuses this machine's clock ({why}): set it right.")
        if status in (401, 403) or code in _CREDENTIALS:
            return Misconfigured(
                f"{where} refuses the portal ({why}): see S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY,"
                f" S3_REGION, and what they may do in bucket {self._bucket}."
            )
        if status == 501:
            return Misconfigured(
                f"{where} cannot do what the portal needs ({why}), as conditional puts."
            )
        if status in (408, 409, 429) or code == "SlowDown" or code in _PASSING:
            return StorageAway(f"{where} is too busy ({why}): it is tried again later.")
        if 300 <= status < 500:
            return Misconfigured(
                f"{where} takes a request for wrong ({why}): see S3_ENDPOINT_URL and S3_REGION."
            )
        return StorageAway(f"{where} fails ({why}): see its log, and whether its disk is full.")


class _Window:
    """The next bytes of a file, as a body that is read again for each try."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._begin, self._size, self._at = file, file.tell(), size, 0

    def __len__(self) -> int:
        return self._size

    def tell(self) -> int:
        return self._at

    def seek(self, at: int) -> None:
        self._file.seek(self._begin + at)
        self._at = at

    def read(self, most: int = -1) -> bytes:
        left = self._size - self._at
        piece = self._file.read(left if most < 0 else min(most, left))
        if left and not piece:
            raise ValueError(f"{left} bytes less than were told of")
        self._at += len(piece)
        return piece


def _patiently(act: Callable[[], T]) -> T:
    for pause in PAUSES:
        try:
            return act()
        except _Again:
            time.sleep(pause)
    try:
        return act()
    except _Again as again:
        raise again.away from again


def _exactly(file: BinaryIO, size: int) -> bytes:
    pieces: list[bytes] = []
    left = size
    while left:
        piece = file.read(left)
        if not piece:
            raise ValueError(f"{left} bytes less than were told of")
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _code(text: bytes) -> str:
    found = re.search(rb"<Code>([A-Za-z0-9]{1,80})</Code>", text)
    return found[1].decode() if found else ""
