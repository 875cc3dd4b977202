"""Identifiers of the demo world: formats, check digits and the ranges that belong to nobody.

Synthetic identifiers pass every check that real ones pass, but stand in ranges that no authority
issues, so a document of the demo can never name a real person. Each ``check_*`` function takes
the whole range question from its ``environment``: ``test`` accepts synthetic ranges only, ``prod``
real ones only. Checks return nothing and raise ``ValueError`` with a sentence; they never correct
what they are given. Typed input is folded first, by :func:`fold`.

Sources: GB 11643 with ISO 7064 MOD 11-2 (citizen and residence permit numbers), GB 32100 and
GB 11714 (employers). The check digit of Macao identity cards is not public; the one used here is
the demo's own.
"""

import re
import unicodedata
from datetime import date
from typing import Literal

Environment = Literal["test", "prod"]

_CITIZEN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CITIZEN_CHECKS = "10X98765432"
_CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100 leaves out I, O, S, V, Z
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)

_PERMIT_PREFIX = {"test": "829900", "prod": "820000"}
_BIR_PATTERN = {"test": r"9[0-9]{6}\([0-9]\)", "prod": r"[157][0-9]{6}\([0-9]\)"}
_HRP_PATTERN = {"test": r"M99[0-9]{6}([0-9]{2})?", "prod": r"[HM][0-9]{8}([0-9]{2})?"}
_FSS_PATTERN = {"test": r"SYN[0-9]{6}", "prod": r"[0-9]{1,9}"}
_PHONE_PATTERN = {
    "test": r"(\+86 100[0-9]{8}|\+853 0[0-9]{7})",
    "prod": r"(\+86 1[3-9][0-9]{9}|\+853 6[0-9]{7})",
}


def fold(typed: str) -> str:
    """What a person typed, as the registers write it: full-width forms and case folded."""
    return unicodedata.normalize("NFKC", typed).strip().upper()


def citizen_check(first17: str) -> str:
    """Check character of an 18-character citizen or permit number (ISO 7064 MOD 11-2)."""
    total = sum(
        int(digit) * weight for digit, weight in zip(first17, _CITIZEN_WEIGHTS, strict=True)
    )
    return _CITIZEN_CHECKS[total % 11]


def bir_check(first7: str) -> int | None:
    """The demo's own check digit, weights 8 to 2 mod 11; ``None`` where the number is skipped."""
    total = sum(int(digit) * weight for digit, weight in zip(first7, range(8, 1, -1), strict=True))
    return None if total % 11 == 10 else total % 11  # noqa: PLR2004 - ten is no digit


def organisation_check(first8: str) -> str:
    """Check character of an organisation code (GB 11714)."""
    total = sum(int(c, 36) * w for c, w in zip(first8, _ORGANISATION_WEIGHTS, strict=True))
    return "0123456789X"[(11 - total % 11) % 11]


def credit_check(first17: str) -> str:
    """Check character of a unified social credit code (GB 32100, MOD 31)."""
    total = sum(_CREDIT_ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(first17))
    return _CREDIT_ALPHABET[(31 - total % 31) % 31]


def check_residence_permit(value: str, environment: Environment) -> None:
    """A Macao resident's Mainland residence permit number."""
    _citizen_number(value)
    if not value.startswith(_PERMIT_PREFIX[environment]):
        raise ValueError(f"this residence permit number is not of the {environment} range")


def check_prc_id(value: str, environment: Environment) -> None:
    """A Mainland citizen number. Synthetic ones use province 99, which does not exist."""
    _citizen_number(value)
    wanted = "990404" if environment == "test" else "[1-6][0-9]{5}"
    if not re.match(wanted, value):
        raise ValueError(f"this citizen number is not of the {environment} range")


def check_bir(value: str, environment: Environment) -> None:
    """A Macao identity card number, ``1234567(8)``; its check digit only where it is the demo's."""
    _fits(value, _BIR_PATTERN[environment], "identity card number", environment)
    if environment == "test" and bir_check(value[:7]) != int(value[8]):
        raise ValueError("the check digit of this identity card number is wrong")


def check_home_return_permit(value: str, environment: Environment) -> None:
    """A home-return permit number; synthetic ones start with M99."""
    _fits(value, _HRP_PATTERN[environment], "home-return permit number", environment)
    if environment == "prod" and value.startswith("M99"):
        raise ValueError("this home-return permit number is synthetic")


def check_fss_no(value: str, environment: Environment) -> None:
    """A number of the Macao Social Security Fund."""
    _fits(value, _FSS_PATTERN[environment], "FSS number", environment)


def check_phone(value: str, environment: Environment) -> None:
    """A mobile number; synthetic ones start as no mobile number does."""
    _fits(value, _PHONE_PATTERN[environment], "phone number", environment)


def check_employer(value: str, environment: Environment) -> None:
    """A unified social credit code: GB 32100 over the whole, GB 11714 over the inner nine."""
    if not re.fullmatch(f"[{_CREDIT_ALPHABET}]{{18}}", value):
        raise ValueError("a unified social credit code has 18 characters of its alphabet")
    if credit_check(value[:17]) != value[17]:
        raise ValueError("the check character of this unified social credit code is wrong")
    if organisation_check(value[8:16]) != value[16]:
        raise ValueError("the organisation code inside this social credit code is wrong")
    if (value[2:8] == "990404") is not (environment == "test"):
        raise ValueError(f"this unified social credit code is not of the {environment} range")


def check_account(value: str) -> None:
    """An account token; digits of an account never travel."""
    if not re.fullmatch(r"acct_[0-9a-f]{32}", value):
        raise ValueError("an account is a token: acct_ and 32 hexadecimal digits")


def check_pid_token(value: str) -> None:
    """A person's pseudonym."""
    if not re.fullmatch(r"pt_[a-z2-7]{26}", value):
        raise ValueError("a person token is pt_ and 26 characters of base32")


def _fits(value: str, pattern: str, what: str, environment: str) -> None:
    if not re.fullmatch(pattern, value):
        raise ValueError(f"this {what} does not have the form of the {environment} range")


def _citizen_number(value: str) -> None:
    if not re.fullmatch(r"[0-9]{17}[0-9X]", value):
        raise ValueError("a citizen number has 17 digits and a digit or X")
    try:
        date(int(value[6:10]), int(value[10:12]), int(value[12:14]))
    except ValueError:
        raise ValueError("the birth date inside this citizen number does not exist") from None
    if citizen_check(value[:17]) != value[17]:
        raise ValueError("the check character of this citizen number is wrong")
