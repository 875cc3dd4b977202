"""How long the other side may take to begin an exchange: what its caller asks, within bounds.

A call that somebody waits for has minutes. What is submitted to be fetched later lives as long as
its provider's exchanges are delivered, or a day where the provider names no horizon: to begin it
later than it would have been given up is of no use to anybody.
"""

from xbgateway.model.errors import Reason, Refused
from xbgateway.model.limits import EXCHANGE_TTL_S, SUBMITTED_TTL_S
from xbgateway.register import DeliveryTerms


def lives_s(asked_s: int | None, terms: DeliveryTerms) -> int:
    """Seconds from leaving this node to the exchange's last moment.

    ``asked_s`` is ``Submission.lives_s``. Raises ``Refused(ARGUMENT_INVALID)`` for more than the
    provider's terms allow.
    """
    if asked_s is None:
        return EXCHANGE_TTL_S
    most = max(EXCHANGE_TTL_S, terms.horizon_s or SUBMITTED_TTL_S)
    if asked_s > most:
        raise Refused(
            Reason.ARGUMENT_INVALID,
            f"An exchange with this provider lives {most} s at most.",
            field="time_to_live",
            most_s=str(most),
        )
    return asked_s or most
