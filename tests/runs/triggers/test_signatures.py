"""Which calls to a webhook are believed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from runs.triggers import changes, signatures
from runs.triggers.rule import parse
from tests.runs.triggers.signing import by_hand, github, standard

pytestmark = pytest.mark.django_db
BODY = b'{"a": 1}'


@pytest.fixture
def hook(target, make_trigger):
    return make_trigger("webhook", {"window_seconds": 60})


@pytest.fixture
def github_hook(target, make_trigger):
    return make_trigger("webhook", {"scheme": "github"}, name="github")


def check(trigger, headers, body=BODY, now=None):
    small = {name.lower(): value for name, value in headers.items()}
    when = parse(trigger.kind, trigger.rule).when
    return signatures.check(trigger, when, small, body, now or timezone.now())


def test_what_the_open_library_signs_is_believed(hook):
    secret = signatures.secret_of(hook)
    assert check(hook, standard(secret, BODY)).key == "call:msg_1"
    assert standard(secret, BODY) == by_hand(secret, BODY)


def test_what_is_signed_as_github_does_is_believed_and_known_by_its_body(github_hook):
    secret = signatures.secret_of(github_hook)
    first, again = (check(github_hook, github(secret, BODY)) for _ in range(2))
    assert first == again
    other = check(github_hook, github(secret, b"{}"), b"{}")
    assert other != first


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", "msg_2"),
        ("webhook-timestamp", "1"),
        ("webhook-signature", "v1,AAAA"),
        ("webhook-signature", "v1,not base64 ä"),
        ("webhook-signature", "v2,AAAA"),
        ("webhook-timestamp", "soon"),
        ("webhook-timestamp", "9" * 5000),
        ("webhook-timestamp", "9" * 30),
        ("webhook-id", "x" * 151),
        ("webhook-id", "a\0b"),
        ("webhook-id", ""),
        ("webhook-timestamp", ""),
        ("webhook-signature", ""),
    ],
)
def test_what_is_not_as_it_was_signed_is_refused(hook, name, value):
    headers = standard(signatures.secret_of(hook), BODY)
    check(hook, headers)
    with pytest.raises(signatures.SignatureError) as refused:
        check(hook, {**headers, name: value})
    assert not isinstance(refused.value, signatures.TooOld)


def test_another_body_is_refused(hook, github_hook):
    for trigger, sign in ((hook, standard), (github_hook, github)):
        headers = sign(signatures.secret_of(trigger), BODY)
        with pytest.raises(signatures.SignatureError):
            check(trigger, headers, BODY + b" ")


@pytest.mark.parametrize("given", ["", "sha1=00", "sha256=", "sha256=zz", "sha256=ä"])
def test_what_is_no_signature_of_githubs_way_is_refused(github_hook, given):
    with pytest.raises(signatures.SignatureError):
        check(github_hook, {"X-Hub-Signature-256": given})


def test_one_true_signature_among_several_is_enough(hook):
    headers = standard(signatures.secret_of(hook), BODY)
    true = headers["webhook-signature"]
    check(hook, {**headers, "webhook-signature": f"v1a,x v1,AAAA {true}"})
    with pytest.raises(signatures.SignatureError):  # of so many nobody needs that many
        check(hook, {**headers, "webhook-signature": "v1,AAAA " * 10 + true})


def test_the_other_way_to_sign_and_anothers_secret_are_refused(hook, github_hook):
    with pytest.raises(signatures.SignatureError):
        check(github_hook, standard(signatures.secret_of(github_hook), BODY))
    with pytest.raises(signatures.SignatureError):
        check(hook, standard(signatures.secret_of(github_hook), BODY))


def test_a_call_counts_within_its_window_whichever_clock_is_wrong(hook):
    headers = standard(signatures.secret_of(hook), BODY)
    sent = timezone.now().replace(microsecond=0)
    for seconds in (-58, 0, 60):
        check(hook, headers, now=sent + timedelta(seconds=seconds))
    for seconds, word in ((62, "ago"), (-62, "ahead"), (86_400, "ago")):
        with pytest.raises(signatures.TooOld) as refused:
            check(hook, headers, now=sent + timedelta(seconds=seconds))
        assert word in str(refused.value)


def test_who_cannot_sign_learns_nothing_of_the_clock(hook):
    headers = standard("whsec_AAAA", BODY, ago=9_999)
    with pytest.raises(signatures.SignatureError) as refused:
        check(hook, headers)
    assert str(refused.value) == "the signature is not right"


def test_a_new_secret_ends_the_former_one(ada, hook):
    before = signatures.secret_of(hook)
    renewed = changes.renew_secret(ada, hook)
    with pytest.raises(signatures.SignatureError):
        check(renewed, standard(before, BODY))
    check(renewed, standard(signatures.secret_of(renewed), BODY))


def test_a_former_key_of_the_portal_counts_as_long_as_it_is_named(hook, github_hook, settings):
    before = settings.SECRET_KEY
    old = {each: signatures.secret_of(each) for each in (hook, github_hook)}
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [before]
    for trigger, sign in ((hook, standard), (github_hook, github)):
        assert signatures.secret_of(trigger) != old[trigger]
        check(trigger, sign(old[trigger], BODY))
        check(trigger, sign(signatures.secret_of(trigger), BODY))
    settings.SECRET_KEY_FALLBACKS = []
    for trigger, sign in ((hook, standard), (github_hook, github)):
        with pytest.raises(signatures.SignatureError):
            check(trigger, sign(old[trigger], BODY))
