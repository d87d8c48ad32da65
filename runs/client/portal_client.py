"""Ask a Runs portal, and act on its runs. One file, no dependencies.

    portal = Portal("https://runs.example.com", token="runs_…")
    for run in portal.runs(state="failed", created="24h"):
        print(run["id"], run["error"]["message"])
        portal.retry(run["id"], reason="the mail server is back")

    run = portal.start("invoice_processing", {"document": "a.pdf"}, key="order-4711")
    for event in portal.follow(run["id"]):
        print(event["seq"], event["kind"], event["node"])

What comes back is the JSON of the REST API; lists are read page by page as they are walked through.
A call that is refused raises `Refused`; one that comes too often waits as long as the portal asks.
No redirect is followed: the token goes to the address that you give, and to no other.
To report runs of your own programs, there is `runs_client.py`. Python 3.9 or later.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

__all__ = ["Portal", "Refused"]

_FINAL = ("completed", "failed", "terminated")
# Longer than a portal that counts by the minute ever asks for.
_LONGEST_WAIT = 300.0
_RECONNECT = 2.0
# The portal says something at least so often on a stream.
_SILENCE = 60.0
# Answers after which a stream may be opened again.
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


class Refused(Exception):  # noqa: N818  (an answer, not an error)
    """What the portal said: its `status`, and the `problem` (RFC 9457)."""

    def __init__(self, status: int, problem: dict[str, Any], wait: float = 0.0) -> None:
        super().__init__(problem.get("detail") or f"status {status}")
        self.status = status
        self.problem = problem
        self.wait = wait


class Portal:
    """One portal, with one token."""

    def __init__(self, url: str, token: str, *, timeout: float = 30.0) -> None:
        self._url = f"{url.rstrip('/')}/api/"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._timeout = timeout

    # -- Runs --------------------------------------------------------------------------------

    def runs(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Runs, newest first, by the list's filters: `state`, `workflow`, `created`, `q` …"""
        return self._all("runs/", filters)

    def counts(self, **filters: Any) -> dict[str, Any]:
        """How many runs a filter finds in each state; `capped` names those of which there are
        more than is counted."""
        return self._get("runs/counts/" + _query(filters))

    def run(self, run_id: str) -> dict[str, Any]:
        return self._get(_path("runs", run_id))

    def job(self, run_id: str) -> dict[str, Any]:
        return self._get(_path("runs", run_id, "job"))

    def context(self, run_id: str) -> dict[str, Any]:
        return self._get(_path("runs", run_id, "context"))

    def timeline(self, run_id: str) -> dict[str, Any]:
        return self._get(_path("runs", run_id, "timeline"))

    def events(self, run_id: str, **filters: Any) -> Iterator[dict[str, Any]]:
        """Its history by `kind`, `node` or `text`."""
        return self._all(_path("runs", run_id, "events"), filters)

    def start(
        self,
        workflow: str,
        input: Any,  # noqa: A002  (as the portal calls it)
        *,
        key: str | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """A new run; `more` is `version`, `ref_type`, `ref_id`. The same `key` starts it once."""
        headers = {"Idempotency-Key": key} if key is not None else {}
        body = {"input": input, **more}
        return self._send("POST", _path("workflows", workflow, "runs"), body, headers)

    def retry(self, run_id: str, reason: str = "") -> dict[str, Any]:
        """The new run."""
        return self._send("POST", _path("runs", run_id, "retry"), {"reason": reason})

    def terminate(self, run_id: str, reason: str = "") -> dict[str, Any]:
        return self._send("POST", _path("runs", run_id, "terminate"), {"reason": reason})

    def delete(self, run_id: str, reason: str = "") -> None:
        """For good; of a run that has ended."""
        self._send("DELETE", _path("runs", run_id) + _query({"reason": reason}))

    def export(self, run_id: str) -> dict[str, Any]:
        """Job, context and history."""
        return self._get(_path("runs", run_id, "export"))

    def bundle(self, run_id: str) -> bytes:
        """The diagnostic bundle, a zip."""
        with self._open("GET", _path("runs", run_id, "bundle")) as answer:
            return answer.read()

    def logs(self, run_id: str) -> Iterator[dict[str, Any]]:
        """The whole history, one event after the other. A file that breaks off raises OSError."""
        last = 0
        with self._open("GET", _path("runs", run_id, "logs")) as answer:
            try:
                for line in answer:
                    if not line.endswith(b"\n"):  # it was cut off here
                        break
                    event = json.loads(line)
                    last = event["seq"]
                    yield event
            except http.client.HTTPException as error:
                raise OSError("the log broke off") from error
            if last != int(answer.headers["Last-Seq"]):
                raise OSError("the log broke off")

    def export_runs(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """All runs of a filter, however many, as they are now; the last entry, `export`, tells of
        them all. A file that breaks off raises OSError."""
        cursor, count, last = "", 0, None
        while last is None or cursor:
            last = None
            query = _query({**filters, "as": "ndjson", "cursor": cursor})
            for line in self._lines(f"runs/export/{query}"):
                last = line.get("export")
                if last is None:
                    count += 1
                    yield line
            if last is None:
                raise OSError("the export broke off")
            cursor = last["next"] or ""
        yield {"export": {**last, "count": count}}

    def changes(self) -> Iterator[dict[str, Any]]:
        """What changes in the list of runs, live and for ever: `runs` with `id`, `state` and
        `new`. `reset` is true at the beginning and whenever some may have been missed: then what
        you show is to be fetched anew."""
        while True:
            try:
                for name, _, data in self._frames("sse-runs"):
                    if name == "runs":
                        yield {**json.loads(data), "reset": False}
                    elif name in ("open", "reset"):
                        yield {"runs": [], "reset": True}
                time.sleep(_RECONNECT)
            except Refused as refused:
                _rest(refused)
            # Also where an answer breaks off in the middle.
            except (OSError, http.client.HTTPException):
                time.sleep(_RECONNECT)

    def follow(self, run_id: str, after: int = 0) -> Iterator[dict[str, Any]]:
        """Its events behind number `after`, live, until it has ended; none lost, none twice,
        however often the connection breaks."""
        while True:
            try:
                if after and self._is_over(run_id, after):
                    return
                for event in self._stream(run_id, after):
                    after = event["seq"]
                    yield event
                    if event["kind"] == "state_changed" and event["data"].get("to") in _FINAL:
                        return
            except Refused as refused:
                _rest(refused)
            # Also where an answer breaks off in the middle.
            except (OSError, http.client.HTTPException):
                time.sleep(_RECONNECT)

    def _is_over(self, run_id: str, after: int) -> bool:
        run = self.run(run_id)
        return run["state"] in _FINAL and run["last_seq"] <= after

    def hold(self, run_id: str, reason: str) -> dict[str, Any]:
        """Legal hold: it is not deleted until it is released."""
        return self._send("POST", _path("runs", run_id, "hold"), {"reason": reason})

    def release(self, run_id: str, reason: str = "") -> dict[str, Any]:
        return self._send("POST", _path("runs", run_id, "release"), {"reason": reason})

    # -- Analysis ----------------------------------------------------------------------------

    def analysis(self, of: str, **more: Any) -> dict[str, Any]:
        """`of` is `failures`, `cost` or `duration`: over the runs of the list's filters, with
        `compare`, `sort` and `page`; or `overview`, which takes none."""
        return self._get(_path("analysis", of) + _query(more))

    def run_analysis(self, run_id: str) -> dict[str, Any]:
        return self._get(_path("runs", run_id, "analysis"))

    def failure_group(self, group_id: str) -> dict[str, Any]:
        return self._get(_path("analysis", "groups", group_id))

    def mark_failure_group(self, group_id: str, mark: str, note: str = "") -> dict[str, Any]:
        """As `known`, `resolved` or `new`."""
        body = {"mark": mark, "note": note}
        return self._send("POST", _path("analysis", "groups", group_id, "mark"), body)

    # -- Many runs at once -------------------------------------------------------------------

    def start_bulk(self, kind: str, *, key: str | None = None, **more: Any) -> dict[str, Any]:
        """`retry`, `terminate`, `delete`, `export`, `hold` or `release` the runs of a `filter`, the
        named `runs`, or those for which the operation `failed_of` failed. `more` is one of these,
        `reason`, `rate`, `options`, `expected_at_most`. The same `key` begins it once."""
        headers = {"Idempotency-Key": key} if key is not None else {}
        return self._send("POST", "bulk/", {"kind": kind, **more}, headers)

    def preview_bulk(self, kind: str, **meant: Any) -> dict[str, Any]:
        """How many runs are meant, by state, and how many will be skipped; `meant` as above."""
        return self._send("POST", _path("bulk", "preview"), {"kind": kind, **meant})

    def bulk(self, bulk_id: str) -> dict[str, Any]:
        return self._get(_path("bulk", bulk_id))

    def bulks(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Newest first; filters `kind`, `state`."""
        return self._all("bulk/", filters)

    def progress(self, bulk_id: str, every: float = 1.0) -> Iterator[dict[str, Any]]:
        """The operation as it is, again and again, until it has ended: the last one tells how. One
        that is paused is waited for."""
        while True:
            try:
                told = self.bulk(bulk_id)
            except Refused as refused:
                _rest(refused)
                continue
            except (OSError, http.client.HTTPException):
                time.sleep(_RECONNECT)
                continue
            yield told
            if told["state"] in ("finished", "aborted"):
                return
            time.sleep(every)

    def wait_for_bulk(self, bulk_id: str, every: float = 1.0) -> dict[str, Any]:
        """How it ended."""
        for told in self.progress(bulk_id, every):
            ended = told
        return ended

    def pause_bulk(self, bulk_id: str) -> dict[str, Any]:
        return self._send("POST", _path("bulk", bulk_id, "pause"))

    def resume_bulk(self, bulk_id: str) -> dict[str, Any]:
        return self._send("POST", _path("bulk", bulk_id, "resume"))

    def abort_bulk(self, bulk_id: str) -> dict[str, Any]:
        """For good; what is done stays done."""
        return self._send("POST", _path("bulk", bulk_id, "abort"))

    def limit_bulk(self, bulk_id: str, rate: int | None) -> dict[str, Any]:
        """Runs a second at most; None: as fast as it goes."""
        return self._send("PATCH", _path("bulk", bulk_id), {"rate": rate})

    def bulk_again(self, bulk_id: str, key: str | None = None) -> dict[str, Any]:
        """The same act on those of its runs for which it failed: a new operation."""
        headers = {"Idempotency-Key": key} if key is not None else {}
        return self._send("POST", _path("bulk", bulk_id, "again"), None, headers)

    def outcomes(self, bulk_id: str, status: str | None = None) -> Iterator[dict[str, Any]]:
        """What became of each run: `run`, `status`, `reason`, `new_run`."""
        return self._lines(_path("bulk", bulk_id, "outcomes", "file") + _query({"status": status}))

    def download(self, bulk_id: str, path: str) -> int:
        """The file of an export that is finished, into `path`; gives how many runs it holds. One
        that breaks off raises OSError."""
        with self._open("GET", _path("bulk", bulk_id, "download")) as answer:
            with open(path, "wb") as file:
                try:
                    while piece := answer.read(1 << 20):
                        file.write(piece)
                except http.client.HTTPException as error:
                    raise OSError(f"the file broke off: {error!r}") from error
            return int(answer.headers["Export-Runs"])

    # -- Decisions ---------------------------------------------------------------------------

    def decisions(self, show: str = "open") -> Iterator[dict[str, Any]]:
        """Questions to people, the oldest first: those that are `open`, those that you may answer
        (`mine`), or those decided (`past`)."""
        return self._all("decisions/", {"show": show})

    def decision(self, run_id: str, node: str) -> dict[str, Any]:
        """With what it shows."""
        return self._get(_path("decisions", run_id, node))

    def approve(self, run_id: str, node: str, comment: str = "") -> dict[str, Any]:
        return self._answer(run_id, node, {"act": "approved", "comment": comment})

    def reject(self, run_id: str, node: str, comment: str = "") -> dict[str, Any]:
        return self._answer(run_id, node, {"act": "rejected", "comment": comment})

    def correct(self, run_id: str, node: str, value: Any, comment: str = "") -> dict[str, Any]:
        """`value` fits the `form` of the question."""
        return self._answer(run_id, node, {"act": "corrected", "value": value, "comment": comment})

    def _answer(self, run_id: str, node: str, answer: dict[str, Any]) -> dict[str, Any]:
        return self._send("POST", _path("decisions", run_id, node), answer)

    # -- Workflows ---------------------------------------------------------------------------

    def workflows(self) -> Iterator[dict[str, Any]]:
        return self._all("workflows/", {})

    def workflow(self, workflow: str, version: int | None = None) -> dict[str, Any]:
        """With its newest definition, or that of one version."""
        parts = () if version is None else ("versions", str(version))
        return self._get(_path("workflows", workflow, *parts))

    def versions(self, workflow: str) -> Iterator[dict[str, Any]]:
        return self._all(_path("workflows", workflow, "versions"), {})

    def make_workflow(self, workflow: str, definition: dict[str, Any]) -> dict[str, Any]:
        return self._send("POST", "workflows/", {"id": workflow, "definition": definition})

    def publish(
        self, workflow: str, definition: dict[str, Any], base: int | None = None
    ) -> dict[str, Any]:
        """A new version; refused where one newer than `base` is there."""
        body = {"definition": definition, "base": base}
        return self._send("POST", _path("workflows", workflow, "versions"), body)

    # -- Triggers ----------------------------------------------------------------------------

    def triggers(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """By name; filters `kind`, `enabled`, `workflow`, `name`."""
        return self._all("triggers/", filters)

    def trigger(self, trigger: int) -> dict[str, Any]:
        """With its rule."""
        return self._get(_path("triggers", str(trigger)))

    def make_trigger(
        self, kind: str, name: str, rule: dict[str, Any], **more: Any
    ) -> dict[str, Any]:
        """`more` is `description`, `enabled`. Of a webhook it holds `hook_url` and `secret`."""
        return self._send("POST", "triggers/", {"kind": kind, "name": name, "rule": rule, **more})

    def change_trigger(self, trigger: int, revision: int, **changes: Any) -> dict[str, Any]:
        """`changes` is `name`, `description`, `rule`; refused where `revision` is outdated."""
        return self._send(
            "PATCH", _path("triggers", str(trigger)), {"revision": revision, **changes}
        )

    def switch_trigger(self, trigger: int, on: bool, reason: str = "") -> dict[str, Any]:
        body = {"on": on, "reason": reason}
        return self._send("POST", _path("triggers", str(trigger), "switch"), body)

    def test_trigger(
        self, trigger: int, payload: dict[str, Any] | None = None, start: bool = False
    ) -> dict[str, Any]:
        """What it would do; with `start` it does so."""
        body = {"start": start} if payload is None else {"payload": payload, "start": start}
        return self._send("POST", _path("triggers", str(trigger), "test"), body)

    def firings(self, trigger: int, **filters: Any) -> Iterator[dict[str, Any]]:
        """What it did, newest first; filter `status`."""
        return self._all(_path("triggers", str(trigger), "firings"), filters)

    def renew_secret(self, trigger: int) -> dict[str, Any]:
        """Of a webhook: its `hook_url` and new `secret`."""
        return self._send("POST", _path("triggers", str(trigger), "secret"))

    def delete_trigger(self, trigger: int, reason: str = "") -> None:
        """The runs that it started stay."""
        self._send("DELETE", _path("triggers", str(trigger)) + _query({"reason": reason}))

    # -- Saved views and tokens --------------------------------------------------------------

    def views(self) -> Iterator[dict[str, Any]]:
        return self._all("views/", {})

    def view(self, view_id: str) -> dict[str, Any]:
        return self._get(_path("views", view_id))

    def save_view(self, name: str, query: str, **more: Any) -> dict[str, Any]:
        """`more` is `is_shared`, `is_default`."""
        return self._send("POST", "views/", {"name": name, "query": query, **more})

    def change_view(self, view_id: str, **changes: Any) -> dict[str, Any]:
        return self._send("PATCH", _path("views", view_id), changes)

    def delete_view(self, view_id: str) -> None:
        self._send("DELETE", _path("views", view_id))

    # None is made here: that needs a session.

    def tokens(self) -> list[dict[str, Any]]:
        return self._get("tokens/")

    def revoke(self, token_id: str) -> None:
        """A token revokes none but itself."""
        self._send("DELETE", _path("tokens", token_id))

    # -- Over HTTP ---------------------------------------------------------------------------

    def _all(self, path: str, filters: dict[str, Any]) -> Iterator[dict[str, Any]]:
        address: str | None = path + _query(filters)
        while address:
            page = self._get(address)
            yield from page["results"]
            # The portal's own address may be another one behind a proxy: only what it asks for.
            _, mark, query = (page["next"] or "").partition("?")
            address = f"{path}?{query}" if mark else None

    def _get(self, path: str) -> Any:
        return self._send("GET", path)

    def _send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Any:
        while True:
            try:
                with self._open(method, path, body, headers) as answer:
                    text = answer.read()
                return json.loads(text) if text else None
            except Refused as refused:
                # Nothing was done of it.
                if refused.status != 429 or not refused.wait:
                    raise
                time.sleep(refused.wait)

    def _lines(self, path: str) -> Iterator[dict[str, Any]]:
        with self._open("GET", path) as answer:
            for line in answer:
                yield json.loads(line)

    def _stream(self, run_id: str, after: int) -> Iterator[dict[str, Any]]:
        frames = self._frames(f"sse-logs/{quote(run_id, safe='')}", after)
        return (json.loads(data) for _, number, data in frames if number)

    def _frames(self, path: str, after: int | None = None) -> Iterator[tuple[str, str, str]]:
        """Name, id and data of each frame of a stream; the first is `open`."""
        headers = {"Accept": "text/event-stream"}
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        with self._open("GET", path, headers=headers, timeout=_SILENCE) as answer:
            yield "open", "", ""
            frame: dict[str, str] = {}
            for raw in answer:
                if not raw.endswith(b"\n"):  # it was cut off here
                    return
                line = raw.decode().rstrip("\r\n")
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    frame[name] = value
                elif not line:
                    if "data" in frame:
                        yield frame.get("event", ""), frame.get("id", ""), frame["data"]
                    frame = {}

    def _open(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        timeout: float | None = None,
    ) -> Any:
        given = {**self._headers, "Accept": "*/*", **(headers or {})}
        data = None
        if body is not None:
            data, given["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(self._url + path, data, given, method=method)
        try:
            return _opener.open(request, timeout=timeout or self._timeout)
        except urllib.error.HTTPError as error:
            with error:
                problem = _problem(error.read())
                if 300 <= error.code < 400:
                    place = error.headers["Location"]
                    problem = {"detail": f"The portal sends one to {place}: is that its address?"}
                raise Refused(error.code, problem, _wait(error)) from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Python's own would take the token along, wherever it is sent to."""

    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirects)


def _rest(refused: Refused) -> None:
    """Before a stream is opened again, where that may be of use."""
    if refused.status not in _PASSING:
        raise refused
    time.sleep(max(refused.wait, _RECONNECT))


def _path(*parts: str) -> str:
    return "".join(f"{quote(part, safe='')}/" for part in parts)


def _query(given: dict[str, Any]) -> str:
    wanted = {name: value for name, value in given.items() if value not in (None, "")}
    return f"?{urlencode(wanted, doseq=True)}" if wanted else ""


def _problem(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _wait(error: urllib.error.HTTPError) -> float:
    header = error.headers["Retry-After"] or ""
    return min(float(header), _LONGEST_WAIT) if header.isdigit() else 0.0
