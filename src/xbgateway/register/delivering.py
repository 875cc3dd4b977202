"""How the provider of a service is given its exchanges: the terms that a register document says.

``push`` calls the service, as soon as an exchange is accepted and again until its horizon ends;
``pull`` leaves the exchange in the provider's inbox until the provider fetches and acknowledges it.
Pure values; ``catalogue.py`` checks them against the methods, ``exchange`` carries them out.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from xbgateway.model.limits import HORIZON_S_MAX, LEASE_S_MAX, LEASE_S_MIN
from xbgateway.register.values import Record

_OF_PUSH = ("backoff_s_min", "backoff_s_max")
_OF_PULL = ("visibility_s",)
_ATTEMPTS_PULL = 10


class DeliveryTerms(Record):
    """Terms of one service or method of one provider. Times are seconds."""

    mode: Literal["push", "pull"] = "push"
    # From acceptance on; never beyond the exchange's last moment. Without one, what is pushed ends
    # after ``SERVICE_REACH_S_MAX`` if never reached, all else at its last moment.
    horizon_s: Annotated[int, Field(ge=1, le=HORIZON_S_MAX)] | None = None
    backoff_s_min: Annotated[int, Field(ge=1, le=3600)] = 1
    backoff_s_max: Annotated[int, Field(ge=1, le=86_400)] = 60
    # Attempts that may have been heard, before a person has to look.
    attempts_max: Annotated[int, Field(ge=1, le=1000)] | None = None
    visibility_s: Annotated[int, Field(ge=LEASE_S_MIN, le=LEASE_S_MAX)] = 60
    at_end: Literal["end", "park"] = "end"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        foreign = _OF_PULL if self.mode == "push" else _OF_PUSH
        for name in foreign:
            # What a whole document spells out as the default is no word against the mode.
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} means nothing for mode {self.mode}")
        if self.backoff_s_min > self.backoff_s_max:
            raise ValueError("backoff_s_min is above backoff_s_max")
        return self

    @property
    def is_push(self) -> bool:
        """Whether the node calls the service itself."""
        return self.mode == "push"

    @property
    def attempts(self) -> int | None:
        """Attempts before an exchange is parked; ``None``: no limit."""
        return (
            _ATTEMPTS_PULL if self.mode == "pull" and not self.attempts_max else (self.attempts_max)
        )


PUSH = DeliveryTerms()
