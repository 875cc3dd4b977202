"""What belongs to one simulated node and outlives it: its private keys and its local service."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from xbgateway.exchange.ports import Answered
from xbgateway.model.clock import SystemClock
from xbgateway.node_keys import NodeKeys, cosigner_name
from xbgateway.seal import RestKey, SealingKey, SealingKeyRing, keyed_hash
from xbgateway.tlog import Cosigner, Keys, NoteSigner


class Later:
    """A clock that a test can put forward."""

    def __init__(self) -> None:
        self.by = timedelta()
        self.clock = SystemClock(lambda: datetime.now(UTC) + self.by)


@dataclass
class Secrets:
    """One node's private keys, kept outside its store so that it can be started again."""

    logs: list[Ed25519PrivateKey] = field(default_factory=lambda: [Ed25519PrivateKey.generate()])
    cosigns: list[Ed25519PrivateKey] = field(default_factory=lambda: [Ed25519PrivateKey.generate()])
    seals: list[SealingKey] = field(default_factory=lambda: [SealingKey.generate()])
    rest: bytes = field(default_factory=lambda: uuid4().bytes + uuid4().bytes)

    def keys(self, domain: str, node: str) -> NodeKeys:
        return NodeKeys(
            logs=Keys(*(NoteSigner(f"{domain}/{node}", key) for key in self.logs)),
            cosigners=Keys(*(Cosigner(cosigner_name(domain, node), key) for key in self.cosigns)),
            ring=SealingKeyRing(self.seals),
            rest=RestKey(self.rest),
            counting=keyed_hash(self.rest, b"xbg/v1/counting"),
        )


class Service:
    """A local service in memory that honours the exchange id: one effect each, however often asked.

    With ``honours`` off it acts each time it is asked. ``before`` runs before the effect and
    ``after`` between the effect and the answer; what they raise is what the node's caller sees.
    ``error`` is an error of the service's own, ``(code, message)``.
    """

    def __init__(self, answer: Callable[[str, bytes], bytes]) -> None:
        self.answer = answer
        self.honours = True
        self.effects: dict[str, bytes] = {}
        self.count: Counter[str] = Counter()
        self.asked: list[str] = []
        self.payloads: dict[str, bytes] = {}
        self.error: tuple[int, str] | None = None
        self.before: Callable[[], Awaitable[None]] | None = None
        self.after: Callable[[], Awaitable[None]] | None = None

    async def call(
        self, path: str, payload: bytes, metadata: Sequence[tuple[str, str]], timeout_s: float
    ) -> Answered:
        exchange = dict(metadata)["xb-exchange-id"]
        self.asked.append(exchange)
        self.payloads[exchange] = payload
        if self.before is not None:
            await asyncio.wait_for(self.before(), timeout_s)
        if self.error is not None:
            return Answered(b"", *self.error)
        if exchange not in self.effects or not self.honours:
            self.effects[exchange] = self.answer(path, payload)
            self.count[exchange] += 1
        if self.after is not None:
            await asyncio.wait_for(self.after(), timeout_s)
        return Answered(self.effects[exchange])
