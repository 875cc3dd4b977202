"""One-stop cases of a node: kept, shown, acted on, and run.

The rules are the room ``cases``; here they meet the store, the clock and the exchanges. A step is
one transaction (``steps.py``); the exchange that a state wants is run through the same path as any
caller's, under a request id that follows from the step, so a crash repeats nothing (``runner.py``).
"""

from .book import CaseBook, CaseView, Types
from .desk import Acting, CaseDesk, Opening
from .figures import Figures, figures
from .joining import Cases, join
from .runner import Runner
from .source import case_types
from .steps import Steps

__all__ = [
    "Acting",
    "CaseBook",
    "CaseDesk",
    "CaseView",
    "Cases",
    "Figures",
    "Opening",
    "Runner",
    "Steps",
    "Types",
    "case_types",
    "figures",
    "join",
]
