"""Whether two records of a name and a birthday are of one person: by rule, never by guess.

Names are compared script by script, after folding what systems write differently: width, case,
accents, spaces, hyphens, particles of Portuguese names, variant characters. What one side does not
have is not compared. ``True`` needs the same birthday and one script in which both agree; a script
in which they differ, or another birthday, is ``None``: not certain, so a person looks. There is no
``False``: a document number that is known says who is meant, and names alone never deny it.
"""

import unicodedata
from collections.abc import Sequence
from datetime import date

# Characters that registers write either way (rules of the two sides differ).
_VARIANTS = str.maketrans({"峯": "峰", "裏": "里", "羣": "群", "啓": "啟", "温": "溫", "鷄": "雞"})
_PARTICLES = frozenset({"DA", "DAS", "DE", "DO", "DOS", "E"})


def folded_han(name: str) -> str:
    """A name in characters without what is written in two ways."""
    return "".join(unicodedata.normalize("NFKC", name).split()).translate(_VARIANTS)


def folded_latin(name: str) -> tuple[str, ...]:
    """The parts of a Latin name in order of the alphabet, without accents and particles."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name))
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    words = "".join(c if c.isalnum() else " " for c in letters).upper().split()
    return tuple(sorted(word for word in words if word not in _PARTICLES))


def same_person(given: Sequence[str], kept: Sequence[str], born: tuple[str, str]) -> bool | None:
    """``given`` and ``kept`` are names (traditional, simplified, Latin; empty: none).

    ``born``: both birthdays, ISO. Raises ``ValueError`` for a day that does not exist.
    """
    if date.fromisoformat(born[0]) != date.fromisoformat(born[1]):
        return None
    agreed = False
    for number, (one, other) in enumerate(zip(given, kept, strict=True)):
        fold = folded_han if number < len(given) - 1 else folded_latin
        if one and other:
            if fold(one) != fold(other):
                return None
            agreed = True
    return True if agreed else None
