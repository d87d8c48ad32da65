"""``POST /api/hooks/<hook>``: somebody else's program calls, and a webhook's runs start.

Whoever calls has no account: the signature says that it is who was given the secret. Nothing of
the body is read before that is known.
"""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import MethodNotAllowed, NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs import json_text
from runs.api.problems import MEDIA_TYPE, Conflict, problem
from runs.api.renderers import FastJSONRenderer
from runs.api.throttling import CallsPerMinute
from runs.api.trigger_shapes import STATUSES, runs_of
from runs.models import Firing, Trigger
from runs.models.trigger import FiringStatus, Source
from runs.triggers import calls, firing, signatures
from runs.triggers.firing import Happening
from runs.triggers.rule import RuleError, Webhook, parse

MAX_BYTES = 1_000_000
# What is refused is noted at the trigger once in so many seconds.
NOTED_EVERY = 60
_UNKNOWN = "There is no webhook at this address."


class Refused(Exception):  # noqa: N818  (an answer, not an error)
    """`word` stands for the reason in the note's key: refusals alike stand in one row."""

    def __init__(self, status: int, word: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.word, self.detail = status, word, detail


# Of the document; the README has the same.
SIGNED_CALL = r"""
body='{"event": "order.paid", "order": "4711", "document": "samples/invoices/inv-1002.pdf"}'
id=msg_4711; at=$(date +%s)
key=$(printf %s "${SECRET#whsec_}" | base64 -d | od -An -tx1 | tr -d ' \n')
sig=$(printf %s "$id.$at.$body" \
  | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)
curl "$HOOK_URL" -H "Content-Type: application/json" -H "webhook-id: $id" \
  -H "webhook-timestamp: $at" -H "webhook-signature: v1,$sig" -d "$body"
"""


class HookAnswerSerializer(serializers.Serializer):
    """What came of a call. It is the same however often the call is repeated."""

    firing = serializers.IntegerField(help_text="Number of what stands at the trigger's page.")
    status = serializers.ChoiceField(
        choices=STATUSES,
        help_text="`skipped`: its condition did not hold, or the trigger is off. `failed`: a run"
        " could not be started.",
    )
    reason = serializers.CharField(help_text="Why not; empty where all was started.")
    runs = serializers.ListField(child=serializers.CharField(), help_text="Runs that it started.")
    repeated = serializers.BooleanField(
        help_text="Whether this call was taken in before; nothing was started again."
    )


_DESCRIPTION = f"""Call a webhook: signed JSON of at most 1 MB, at the address and with the secret
that the webhook's page shows. It is signed as the open Standard Webhooks say (`webhook-id`,
`webhook-timestamp`, `webhook-signature`), or as GitHub does (`X-Hub-Signature-256`); the trigger
says which. Neither token nor session is asked for. In a shell:

```sh{SIGNED_CALL}```

202: it was taken in, and `status` says what came of it. 200: it was taken in before (the same
`webhook-id`, or in GitHub's way the same body), with what came of it then. Either way nothing is to
be gained by sending it again; after 429 and 503 there is, later. What is refused starts nothing,
and the trigger's page shows it."""
_CALL = OpenApiExample(
    "An order", {"event": "order.paid", "order": {"id": "4711", "total": "120.50"}},
    request_only=True,
)  # fmt: skip
_ANSWER = OpenApiExample(
    "Started",
    {
        "firing": 812, "status": "started", "reason": "",
        "runs": ["run_01kb2x7v9zeq3t8m4r6c5n0a1d"], "repeated": False,
    },
    response_only=True,
)  # fmt: skip


class HookView(APIView):
    """Takes calls that are signed, from whoever knows a webhook's address and secret."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = (CallsPerMinute,)
    trigger: Trigger

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:  # noqa: ARG002
        """Senders ask for all kinds of things, and are glad of a status."""
        renderer = FastJSONRenderer()
        return renderer, renderer.media_type

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method != "POST":
            raise MethodNotAllowed(str(request.method))
        self.now = timezone.now()
        found = Trigger.objects.filter(hook=kwargs["hook"], source=Source.CALL).first()
        if found is None:
            raise NotFound(_UNKNOWN)
        self.trigger = found
        super().initial(request, *args, **kwargs)

    @extend_schema(
        operation_id="hooks_call",
        description=_DESCRIPTION,
        auth=[],
        request={"application/json": {}},
        responses={200: HookAnswerSerializer, 202: HookAnswerSerializer},
        examples=[_CALL, _ANSWER],
    )
    def post(self, request: Request, hook: str) -> Response:  # noqa: ARG002
        try:
            happening = self._happening(request)
        except Refused as refused:
            return self._refused(request, refused)
        try:
            fired, is_new = firing.fire(self.trigger, happening, now=self.now)
        except IntegrityError:
            if Trigger.objects.filter(pk=self.trigger.pk).exists():
                raise
            raise NotFound(_UNKNOWN) from None
        return Response(_told(fired, is_new=is_new), status=202 if is_new else 200)

    def over_its_rate(self, most: int) -> None:
        """Said once a minute by what counts."""
        self._note("rate", f"over {most:,} calls in a minute; the others were sent away")

    # ----------------------------------------------------------------------------------------

    def _happening(self, request: Request) -> Happening:
        """Raises Refused. In this order: who cannot sign gets no further than the signature."""
        body = _body(request)
        headers = {name.lower(): text for name, text in request.headers.items()}
        try:
            signed = signatures.check(self.trigger, self._when(), headers, body, self.now)
        except signatures.TooOld as error:
            raise Refused(401, "time", str(error)) from None
        except signatures.SignatureError as error:
            raise Refused(401, "signature", str(error)) from None
        query = request.query_params.dict()
        read = _read(body, headers.get("content-type", ""), headers.get("content-encoding", ""))
        return Happening(signed.key, calls.payload(read, headers, query))

    def _when(self) -> Webhook:
        try:
            when = parse(self.trigger.kind, self.trigger.rule).when
        except RuleError as error:
            self._note("rule", f"its rule no longer passes the checks: {error}")
            raise Conflict("This webhook can take nothing until its rule is mended.") from None
        assert isinstance(when, Webhook)  # as its source is a call
        return when

    def _note(self, word: str, reason: str) -> None:
        minute = int(self.now.timestamp()) // NOTED_EVERY
        key = f"refused:{word}:{minute}"
        firing.note(self.trigger, key, FiringStatus.REFUSED, reason, now=self.now)

    def _refused(self, request: Request, refused: Refused) -> Response:
        self._note(refused.word, refused.detail)
        detail = f"{refused.detail[:1].upper()}{refused.detail[1:]}."
        said = problem(refused.status, request.path, detail)
        answer = Response(said, status=refused.status, content_type=MEDIA_TYPE)
        if refused.status == 401:
            answer["WWW-Authenticate"] = "Signature"
        # The trigger's page says it; a line for each would fill the log.
        answer._has_been_logged = True  # type: ignore[attr-defined]
        return answer


def _body(request: Request) -> bytes:
    too_large = Refused(413, "size", f"the body is over {MAX_BYTES:,} bytes")
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES:
        raise too_large
    body: bytes = request._request.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise too_large
    return body


def _read(body: bytes, content_type: str, encoding: str) -> Any:
    media_type = content_type.partition(";")[0].strip().lower()
    if not (media_type == "application/json" or media_type.endswith("+json")):
        raise Refused(415, "json", f"only application/json is taken, not {media_type or 'nothing'}")
    if encoding.strip().lower() not in ("", "identity"):
        raise Refused(415, "json", "the body is compressed; it is to be sent as it is")
    try:
        return json_text.read(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Refused(400, "json", f"the body is not UTF-8: {error.reason}") from None
    except json_text.JsonError as error:
        raise Refused(400, "json", f"the body is not usable JSON: {error}") from None


def _told(fired: Firing, *, is_new: bool) -> dict[str, Any]:
    return {
        "firing": fired.pk,
        "status": fired.status,
        "reason": fired.reason,
        "runs": runs_of(fired),
        "repeated": not is_new,
    }
