"""The forms of single values in a register document: ids, days, numbers, texts.

Nothing here knows a record; ``entries.py`` and ``instruments.py`` are made of these.
"""

from datetime import date, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Record(BaseModel):
    """What every record keeps: no unknown key, strict types, never changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _day(text: str) -> str:
    if date.fromisoformat(text).isoformat() != text:
        raise ValueError("write the day as YYYY-MM-DD")
    return text


def _instant(text: str) -> str:
    if datetime.fromisoformat(text).utcoffset() is None:
        raise ValueError("write the instant with its offset: 2026-03-16T02:00:00Z")
    return text


def distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    """The values, none of them twice; ``ValueError`` where one is."""
    if len(set(values)) != len(values):
        raise ValueError("the same value twice")
    return values


# An id travels in metadata and log entries: plain, short, no comma and no blank.
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
FullName = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$", max_length=255)]
Purpose = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,62}$")]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_day)]
Instant = Annotated[str, Field(max_length=40), AfterValidator(_instant)]
PublicKey = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="hex, 32 bytes")]
Days = Annotated[int, Field(ge=0, le=36_525)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Age = Annotated[int, Field(ge=0, le=150)]
Text = Annotated[str, Field(min_length=1, max_length=500)]
PublicKeys = Annotated[tuple[PublicKey, ...], Field(strict=False), AfterValidator(distinct)]
Ids = Annotated[tuple[Id, ...], Field(strict=False), AfterValidator(distinct)]
FullNames = Annotated[tuple[FullName, ...], Field(strict=False), AfterValidator(distinct)]
Purposes = Annotated[tuple[Purpose, ...], Field(strict=False), AfterValidator(distinct)]
Words = Annotated[tuple[Text, ...], Field(strict=False), AfterValidator(distinct)]
