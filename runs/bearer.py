"""The token in a request's header; the API and the streams read it alike."""

from runs.models.token import SECRET_LENGTH, digest_of

# What a 401 says can be shown instead.
CHALLENGES = 'Session realm="portal", Bearer realm="portal"'
REFUSED_TOKEN = 'Bearer realm="portal", error="invalid_token"'


def digest_in(header: bytes) -> str | None:
    """The digest of the token in an Authorization header; None where it shows no token.

    One that cannot be a token of ours has a digest too, which nobody has: "".
    """
    scheme, _, secret = header.partition(b" ")
    if scheme.lower() != b"bearer":
        return None
    secret = secret.strip()
    if not secret.isascii() or not 1 <= len(secret) <= SECRET_LENGTH:
        return ""
    return digest_of(secret.decode("ascii"))
