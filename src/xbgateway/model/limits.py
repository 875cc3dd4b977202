"""Every limit of the gateway in one place, unit last, each with the reason for its number."""

# One gRPC message stays below gRPC's own default of 4 MiB; never raised (grpc.io#1254).
MESSAGE_BYTES_MAX = 4 * 1024 * 1024
# A payload that travels inside a link group; larger ones need streams.
INLINE_PAYLOAD_BYTES_MAX = 1024 * 1024
# tlog-tiles entry bundles carry a 16-bit length.
ENTRY_BYTES_MAX = 65_535
# A group closes at 256 entries (one full tile) or 2 MiB, so a group with one more inline payload
# still fits one gRPC message.
GROUP_ENTRIES_MAX = 256
GROUP_BYTES_MAX = 2 * 1024 * 1024
# Unacknowledged groups per lane: bounds what either side must buffer (8 x ~3 MiB).
LINK_GROUPS_IN_FLIGHT_MAX = 8
# The declaration that travels beside an entry; names and references only.
DECLARATION_BYTES_MAX = 64 * 1024
# Policy input and result: a law question that needs more is a modelling mistake.
POLICY_INPUT_BYTES_MAX = 64 * 1024
POLICY_INPUT_DEPTH_MAX = 32
POLICY_RESULT_BYTES_MAX = 256 * 1024
POLICY_DEADLINE_MS = 250
# A signed note may carry many cosignatures; C2SP asks verifiers to accept at least 16.
NOTE_SIGNATURES_MAX = 64
NOTE_BYTES_MAX = 64 * 1024
# A caller's deadline: below the first, four durable steps cannot fit; above the second we cut.
DEADLINE_MS_MIN = 50
DEADLINE_S_MAX = 60.0
# A submission older or younger than this against our clock is a replay (GW-REPLAY-1).
SUBMISSION_SKEW_S_MAX = 300
# One HPKE wrap serves one link epoch.
EPOCH_S_MAX = 60
EPOCH_MESSAGES_MAX = 65_536
# How long the receiver may act on a request.
EXCHANGE_TTL_S = 300
# Facts may change between the decision and its record this many times before we give up.
RECORD_RETRIES_MAX = 3
# Exchanges in flight per node before RESOURCE_EXHAUSTED.
EXCHANGES_IN_FLIGHT_MAX = 1024
