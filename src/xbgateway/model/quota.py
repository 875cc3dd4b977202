"""How much may be open at once: what an operator sets."""

from pydantic import BaseModel, ConfigDict, Field

from . import limits


class Quota(BaseModel):
    """How many exchanges of this node's callers may be open, not ended, and the bytes kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    party_exchanges: int = Field(
        default=limits.OPEN_OF_PARTY_MAX, ge=1, description="Open exchanges of one party at most."
    )
    party_bytes: int = Field(
        default=limits.OPEN_OF_PARTY_BYTES_MAX,
        ge=limits.MESSAGE_BYTES_MAX,
        description="Bytes that these may keep in the store.",
    )
    peer_exchanges: int = Field(
        default=limits.OPEN_TO_PEER_MAX, ge=1, description="Open exchanges with one peer at most."
    )
    peer_bytes: int = Field(
        default=limits.OPEN_TO_PEER_BYTES_MAX,
        ge=limits.MESSAGE_BYTES_MAX,
        description="Bytes that these may keep in the store.",
    )
    party_attachment_bytes: int = Field(
        default=limits.STREAM_BYTES_PER_PARTY_MAX,
        ge=limits.SEGMENT_BYTES,
        description="Bytes of attachments that one party may have waiting at this node.",
    )
