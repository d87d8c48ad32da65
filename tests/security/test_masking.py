"""What looks like a secret is masked wherever it comes from; what does not is left as it is."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs import secret_values
from runs.models.token import new_secret
from runs.secret_values import MASK, masked, without_known


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://portal:s3cr%2Ft@db:5432/x", f"postgresql://portal:{MASK}@db:5432/x"),
        ("redis://:s3cret@host/0", f"redis://:{MASK}@host/0"),
        ("to https://a:b@x.example and http://c:d@y/", f"to https://a:{MASK}@x.example and"
         f" http://c:{MASK}@y/"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", f"whsec_{MASK}"),
        ("Bearer runs_a1b2c3_" + "x" * 43, f"Bearer runs_a1b2c3_{MASK}"),
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_masked(text, shown):
    assert masked(text) == shown
    assert masked({"a": [text], text: 1}) == {"a": [shown], shown: 1}


@pytest.mark.parametrize(
    "text",
    [
        "https://x.example:8080/a@b", "mail to a@b.example, see http://x", "runs_list",
        "runs_a1b2c3", "run_01m8fsez99eh7b3s1h395ajp4r", "ssh://git@host/x", "whsec_", "12:30 http://h/x?y=a:b@c",
    ],
)  # fmt: skip
def test_what_does_not_is_left_as_it_is(text):
    assert masked(text) == text


def test_an_output_goes_to_the_next_node_as_it_is_but_for_known_secrets(settings):
    given = {"fetch": "ftp://reader:of-theirs@files.example/x", "key": settings.SECRET_KEY}
    assert without_known(given) == {**given, "key": MASK}


def test_no_token_that_is_made_is_shown():
    secret, prefix = new_secret()
    assert masked(f"got {secret}.") == f"got {prefix}_{MASK}."


def test_all_that_the_portal_signs_in_with_is_known(settings):
    settings.SECRET_KEY_FALLBACKS = ["a-former-key-of-the-portal"]
    settings.METRICS_TOKEN = "a-token-for-the-metrics"
    settings.STORAGES = {**settings.STORAGES, "default": {
        "BACKEND": "x", "OPTIONS": {"secret_key": "s3/secret+key=0123"}}}  # fmt: skip
    secret_values._pattern.cache_clear()
    try:
        for secret in (
            settings.SECRET_KEY, "a-former-key-of-the-portal", "a-token-for-the-metrics",
            "s3/secret+key=0123", "s3%2Fsecret%2Bkey%3D0123",
            settings.DATABASES["default"]["PASSWORD"],
        ):  # fmt: skip
            assert masked(f"<{secret}>") == f"<{MASK}>"
    finally:
        secret_values._pattern.cache_clear()


PARTS = st.sampled_from([*":/@. ar_", "://", "runs_", "whsec_", "a" * 300])


@given(st.lists(PARTS, max_size=30))
def test_masking_takes_no_time(parts):
    begun = time.perf_counter()
    masked("".join(parts) * 200)
    assert time.perf_counter() - begun < 1
