"""Addresses in settings hold no secret, and are shown without those who use them."""

from urllib.parse import parse_qs, urlsplit, urlunsplit


def without_password(url: str) -> str:
    """The same URL. Raises ``ValueError`` where it has a password."""
    parts = urlsplit(url)
    if parts.password or "password" in parse_qs(parts.query):
        raise ValueError("a password belongs into ~/.pgpass or PGPASSWORD")
    return url


def without_user(url: str) -> str:
    """Scheme, host and path: users, passwords and tokens stay out of what is shown."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
