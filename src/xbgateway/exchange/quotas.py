"""Room for exchanges of this node's callers that have not ended: by party, and by peer.

What was taken over waits in the store for as long as it may live, so without a bound one party, or
one peer that is away, would fill it. Kept in memory, and counted anew from the store at a start;
room is taken before an exchange is recorded, so there are never more than allowed.
"""

from collections import Counter
from dataclasses import dataclass

from xbgateway.model.errors import Reason, Unavailable
from xbgateway.model.quota import Quota


@dataclass(frozen=True, slots=True)
class _Share:
    party: str
    peer: str | None  # None while it waits for an officer here: nothing of it is on its way
    size: int  # bytes


class Quotas:
    """Owned by the event loop."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._open: dict[str, _Share] = {}
        self._exchanges: Counter[tuple[str, str]] = Counter()
        self._bytes: Counter[tuple[str, str]] = Counter()

    def check(self, party: str, peer: str | None, size: int) -> None:
        """Raises ``Unavailable(QUOTA_EXCEEDED)`` where one more of ``size`` bytes has no room."""
        quota = self._quota
        most = [("party", party, quota.party_exchanges, quota.party_bytes)]
        if peer is not None:
            most.append(("peer", peer, quota.peer_exchanges, quota.peer_bytes))
        for kind, name, exchanges, size_max in most:
            many = self._exchanges[kind, name] >= exchanges
            if many or self._bytes[kind, name] + size > size_max:
                what = f"{exchanges} exchanges" if many else f"{size_max} bytes of exchanges"
                raise Unavailable(
                    Reason.QUOTA_EXCEEDED,
                    f"{what} of this {kind} have not ended yet; that is as many as may be open.",
                    quota=f"{kind}_{'exchanges' if many else 'bytes'}",
                )

    def take(self, exchange: str, party: str, peer: str | None, size: int) -> bool:
        """Room for an exchange; whether it had none before. Raises as :meth:`check`.

        One that has room keeps it, also where its sending takes more than its waiting took.
        """
        new = exchange not in self._open
        if new:
            self.check(party, peer, size)
        self.put(exchange, party, peer, size)
        return new

    def put(self, exchange: str, party: str, peer: str | None, size: int) -> None:
        """The same for what is on record already: it counts, whatever is allowed."""
        self.free(exchange)
        share = self._open[exchange] = _Share(party, peer, size)
        self._count(share, 1)

    def free(self, exchange: str) -> None:
        """It has ended, or was not recorded."""
        share = self._open.pop(exchange, None)
        if share is not None:
            self._count(share, -1)

    def _count(self, share: _Share, sign: int) -> None:
        names = [("party", share.party)]
        if share.peer is not None:
            names.append(("peer", share.peer))
        for name in names:
            self._exchanges[name] += sign
            self._bytes[name] += sign * share.size
            if not self._exchanges[name]:
                del self._exchanges[name], self._bytes[name]
