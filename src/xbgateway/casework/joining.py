"""Joins what runs the cases of one node; ``core.py`` has the rooms around it."""

from datetime import date
from typing import NamedTuple, Protocol

from xbgateway.exchange import Topology
from xbgateway.exchange.gateway import Gateway
from xbgateway.exchange.ports import Ledger
from xbgateway.model.clock import Clock
from xbgateway.policy.active import Active
from xbgateway.register import Catalogue
from xbgateway.register.current import Current
from xbgateway.seal import RestKey

from .book import CaseBook
from .desk import CaseDesk
from .messages import JsonMessages
from .runner import Runner
from .steps import Steps


class NodeSecrets(Protocol):
    """The keys of a node that its cases need."""

    @property
    def rest(self) -> RestKey:
        """Wraps the keys of cases."""

    @property
    def counting(self) -> bytes:
        """Key of hashes that never leave the node."""


class Cases(NamedTuple):
    """One-stop cases: what people do with them, and what keeps them going."""

    desk: CaseDesk
    runner: Runner


def join(  # noqa: PLR0917 - composed once, in core.py
    book: CaseBook,
    gateway: Gateway,
    ledger: Ledger,
    keys: NodeSecrets,
    active: Active,
    catalogue: Catalogue,
    current: Current,
    topology: Topology,
    clock: Clock,
) -> Cases:
    """The cases of one node; its gateway hands them what peers write of theirs."""

    def calendars(side: str, start: date, days: int) -> date:
        tables = active.tables
        return tables.cuts[tables.edition(start)].calendars[side].due(start, days)

    steps = Steps(book, ledger, keys.rest, clock, calendars, gateway.watching)
    messages = JsonMessages(catalogue)
    runner = gateway.cases = Runner(book, steps, ledger, gateway, messages, clock, calendars)
    secrets = (keys.rest, clock, keys.counting)
    desk = CaseDesk(book, steps, runner, lambda: current.register, topology, *secrets)
    return Cases(desk, runner)
