"""Every metric of a node, in one registry, each with its reason to be watched.

Labels come from closed sets (reasons, steps, outcomes) or from the register (peers, origins): never
from a caller, so the number of series is bounded and no series names a person. One process, one
registry; nothing here is global.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from xbgateway.model.errors import Reason

# From a memo hit to the longest deadline of a caller.
_STEP_SECONDS = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0),
)


class Metrics:
    """The metrics of one node. Attributes are prometheus metrics; set them where things happen."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.exchanges = Counter(
            "xbgateway_exchanges",
            "Legs of exchanges that came to an outcome here; reason is empty where all went well.",
            ["direction", "outcome", "reason"],
            registry=registry,
        )
        self.step_seconds = Histogram(
            "xbgateway_step_seconds",
            "Time spent in one step of the path.",
            ["step"],
            buckets=_STEP_SECONDS,
            registry=registry,
        )
        self.decision_memo_hits = Counter(
            "xbgateway_decision_memo_hits", "Decisions found in the memo.", registry=registry
        )
        self.decision_memo_misses = Counter(
            "xbgateway_decision_memo_misses", "Decisions the engine made.", registry=registry
        )
        self.decision_memo_evictions = Counter(
            "xbgateway_decision_memo_evictions",
            "Decisions forgotten for want of room.",
            registry=registry,
        )
        self.log_entries = Gauge(
            "xbgateway_log_entries",
            "Size of a log or mirror, in entries.",
            ["origin"],
            registry=registry,
        )
        self.held_lag_entries = Gauge(
            "xbgateway_held_lag_entries",
            "Entries of our log that the peer has not yet cosigned as held.",
            ["origin"],
            registry=registry,
        )
        self.fsyncs = Counter(
            "xbgateway_fsyncs", "Durable commits of the store.", registry=registry
        )
        self.link_connected = Gauge(
            "xbgateway_link_connected",
            "1 while the lane of this origin is connected to the peer.",
            ["peer", "origin"],
            registry=registry,
        )
        self.refusals_before_admission = Counter(
            "xbgateway_refusals_before_admission",
            "Calls refused before anybody was known or anything well-formed.",
            ["reason"],
            registry=registry,
        )
        self.certificate_expiry_seconds = Gauge(
            "xbgateway_certificate_expiry_seconds",
            "When a certificate ends, as Unix time.",
            ["certificate"],
            registry=registry,
        )
        self.lane_stopped = Gauge(
            "xbgateway_lane_stopped",
            "1 while a lane is stopped and waits for a person.",
            ["origin"],
            registry=registry,
        )
        self._for_people(registry)

    def _for_people(self, registry: CollectorRegistry) -> None:
        """What waits for a person's word."""
        self.duties_open = Gauge(
            "xbgateway_duties_open",
            "Duties that decisions left to people of this node and nobody has confirmed.",
            ["verb"],
            registry=registry,
        )
        self.duties_overdue = Gauge(
            "xbgateway_duties_overdue",
            "Of these, those whose time is over.",
            ["verb"],
            registry=registry,
        )

        self.register_changes, self.register_due = _of_registers(registry)
        self.delivery_attempts = Counter(
            "xbgateway_delivery_attempts",
            "Deliveries to services: answered, not reached, broken off, or handed out to a puller.",
            ["service", "result"],
            registry=registry,
        )
        self.deliveries_waiting = Gauge(
            "xbgateway_deliveries",
            "Deliveries by state; dead and unknown ones wait for a person.",
            ["service", "state"],
            registry=registry,
        )
        self.delivery_age_seconds = Gauge(
            "xbgateway_delivery_oldest_seconds",
            "Age of the oldest delivery in a state.",
            ["service", "state"],
            registry=registry,
        )

    def exchange(self, direction: str, outcome: str, reason: str | None = None) -> None:
        """Count one leg: ``direction`` is ``outbound`` or ``inbound``.

        A reason may be a peer's word: what is not on our list is ``OTHER``, so that nobody else
        decides how many series there are.
        """
        told = "" if not reason else reason if reason in Reason.__members__ else "OTHER"
        self.exchanges.labels(direction, outcome, told).inc()

    def duties(self, verb: str, opened: int, overdue: int) -> None:
        """Set how many duties of one verb are open, and how many of these are overdue."""
        self.duties_open.labels(verb).set(opened)
        self.duties_overdue.labels(verb).set(overdue)

    def register_change(self, kind: str, result: str) -> None:
        """Count one register change; of one that was refused a peer said the kind: none is told."""
        self.register_changes.labels(kind, result).inc()

    def attempt(self, service: str, result: str) -> None:
        """Count one delivery to a registered service."""
        self.delivery_attempts.labels(service, result).inc()

    def deliveries(self, service: str, state: str, rows: int, oldest_s: float) -> None:
        """Set how many deliveries of a service are in a state, and how old the oldest is."""
        self.deliveries_waiting.labels(service, state).set(rows)
        self.delivery_age_seconds.labels(service, state).set(oldest_s)

    def refused_early(self, reason: Reason) -> None:
        """Count one call refused before admission."""
        self.refusals_before_admission.labels(str(reason)).inc()

    def step(self, step: str, seconds: float) -> None:
        """Record how long one step took."""
        self.step_seconds.labels(step).observe(seconds)


def _of_registers(registry: CollectorRegistry) -> tuple[Counter, Gauge]:
    changes = Counter(
        "xbgateway_register_changes",
        "Register changes: own, a peer's, or a peer's that was refused and wants a look.",
        ["kind", "result"],
        registry=registry,
    )
    due = Gauge(
        "xbgateway_register_due",
        "Deadlines that register records have, still open or over.",
        ["state"],
        registry=registry,
    )
    return changes, due
