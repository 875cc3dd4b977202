"""Identifiers of persons in both jurisdictions: how each is masked, and which belong to nobody.

Masking is GW-MASK-1; synthetic ranges are those of the project's data design, none of which an
authority issues. Ranges only: whether a check digit is right is the service's question.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

SyntheticVerdict = Literal["synthetic", "real", "mixed", "none"]

_DOT = "•"
# A value that does not look like what it is said to be: no digit of it is shown.
_HIDDEN = _DOT * 4

_BIR = re.compile(r"(\d)\d{5}(\d)(\(\d\))")
_CITIZEN = re.compile(r"(\d{6})\d{10}([\dXx]{2})")


def _mask_bir(value: str) -> str:
    found = _BIR.fullmatch(value)
    return f"{found[1]}{_DOT * 5}{found[2]}{found[3]}" if found else _HIDDEN


def _mask_citizen(value: str) -> str:
    found = _CITIZEN.fullmatch(value)
    return f"{found[1]}{_DOT * 10}{found[2]}" if found else _HIDDEN


def _mask_to_last(kept: int) -> Callable[[str], str]:
    def mask(value: str) -> str:
        # At least as much is hidden as is shown, or a short value would travel whole.
        return _HIDDEN + value[-kept:] if len(value) >= 2 * kept else _HIDDEN

    return mask


# What a mask leaves, by kind: already masked values stay, so masking twice is masking once.
_MASKED: Mapping[str, re.Pattern[str]] = {
    "bir": re.compile(rf"\d{_DOT}{{5}}\d\(\d\)|{_HIDDEN}"),
    "permit": re.compile(rf"\d{{6}}{_DOT}{{10}}[\dXx]{{2}}|{_HIDDEN}"),
    "prc_id": re.compile(rf"\d{{6}}{_DOT}{{10}}[\dXx]{{2}}|{_HIDDEN}"),
    "hrp": re.compile(rf"{_HIDDEN}.{{0,2}}"),
    "fss": re.compile(rf"{_HIDDEN}.{{0,2}}"),
    "phone": re.compile(rf"{_HIDDEN}.{{0,3}}"),
    "account": re.compile(rf"{_HIDDEN}.{{0,4}}"),
}


def _once(kind: str, mask: Callable[[str], str]) -> Callable[[str], str]:
    def masked(value: str) -> str:
        plain = _plain(value)
        return plain if _MASKED[kind].fullmatch(plain) else mask(plain)

    return masked


def _plain(value: str) -> str:
    """Full-width forms folded and surrounding blanks gone, as registers write identifiers."""
    return unicodedata.normalize("NFKC", value).strip()


# The rule names four forms; home-return permit and FSS numbers follow the most sparing of them.
MASKS: Mapping[str, Callable[[str], str]] = {
    "bir": _once("bir", _mask_bir),
    "permit": _once("permit", _mask_citizen),
    "prc_id": _once("prc_id", _mask_citizen),
    "hrp": _once("hrp", _mask_to_last(2)),
    "fss": _once("fss", _mask_to_last(2)),
    "phone": _once("phone", _mask_to_last(3)),
    "account": _once("account", _mask_to_last(4)),
}

_CITIZEN_SYNTHETIC = re.compile(r"(829900|990404)\d{11}[\dXx]")
_SYNTHETIC: Mapping[str, re.Pattern[str]] = {
    "bir": re.compile(r"9\d{6}\(\d\)"),
    "permit": _CITIZEN_SYNTHETIC,
    "prc_id": _CITIZEN_SYNTHETIC,
    "hrp": re.compile(r"[Mm]99\d{6}(\d{2})?"),
    "fss": re.compile(r"(?i:SYN)\d{6}"),
    "phone": re.compile(r"\+86[ -]?100\d+|\+853[ -]?0\d+"),
}
# An account travels as a token in both worlds, so a token tells nothing; anything else is real.
_ACCOUNT_TOKEN = re.compile(r"acct_[0-9a-f]{32}")


def synthetic_verdict(identifiers: Iterable[tuple[str, str]]) -> SyntheticVerdict:
    """Which world the identifiers (kind, value) belong to; ``none`` where there is nothing to say.

    Whatever is not in a synthetic range counts as real, malformed values too. Masked values and
    account tokens do not count.
    """
    seen: set[bool] = set()
    for kind, value in identifiers:
        plain = _plain(value)
        if not plain or _MASKED[kind].fullmatch(plain):
            continue
        if kind == "account":
            if not _ACCOUNT_TOKEN.fullmatch(plain):
                seen.add(False)
            continue
        seen.add(_SYNTHETIC[kind].fullmatch(plain) is not None)
    if not seen:
        return "none"
    if len(seen) > 1:
        return "mixed"
    return "synthetic" if True in seen else "real"


# What an authority gives one person for good, the most lasting first.
_NAMING = ("bir", "prc_id", "permit", "hrp", "fss")


def persons(
    subjects: tuple[str, ...], identifiers: Iterable[tuple[str, str]]
) -> tuple[tuple[str, str], ...]:
    """Kind and value of what names each person of a message, distinct; for counting persons.

    A subject may be a pseudonym of one case, and would count a person once for each case. So where
    identifiers of one kind name as many as the subjects do, they stand for them. What names fewer
    does not: rather one person is counted twice than two as one.
    """
    found: dict[str, dict[str, None]] = {}
    for kind, value in identifiers:
        plain = _plain(value).upper()
        if kind in _NAMING and plain and not _MASKED[kind].fullmatch(plain):
            found.setdefault(kind, {})[plain] = None
    for kind in _NAMING:
        if subjects and len(found.get(kind, ())) >= len(subjects):
            return tuple((kind, value) for value in found[kind])
    if subjects:
        return tuple(("subject", subject) for subject in subjects)
    return tuple((kind, value) for kind in _NAMING for value in found.get(kind, ()))
