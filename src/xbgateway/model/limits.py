"""Every limit of the gateway in one place, unit last, each with the reason for its number."""

# One gRPC message that we send stays below gRPC's own default of 4 MiB (grpc.io#1254).
MESSAGE_BYTES_MAX = 4 * 1024 * 1024
# What is taken in from callers and services: above what we allow, so that our own check answers,
# with its reason, and what gRPC would refuse without one is rare. Not more, since gRPC holds a
# whole message before anybody can look at it, one for each stream of a connection.
RECEIVE_BYTES_MAX = 2 * MESSAGE_BYTES_MAX
# A page of a listing closes here: well below one message, whatever a single row adds.
PAGE_BYTES_MAX = 2 * 1024 * 1024
# A payload that travels inside a link group; larger ones need streams.
INLINE_PAYLOAD_BYTES_MAX = 1024 * 1024
# One segment of an attachment, before it is sealed: large enough that its costs do not show, and a
# quarter of a gRPC message.
SEGMENT_BYTES = 1024 * 1024
# Segments that are written and synced at once, and as many are on their way meanwhile: what an
# attachment under way holds of memory, whatever its size.
SEGMENTS_AT_ONCE_MAX = 8
# The largest attachment: at the slowest pace below it crosses while its sealing key is kept.
STREAM_BYTES_MAX = 1024 * 1024 * SEGMENT_BYTES
# A slower line does not count as working: it sets how long an exchange with an attachment may take.
STREAM_BYTES_PER_S_MIN = SEGMENT_BYTES
# Attachments of one party that wait at a node; its disk is what bounds it, so it is a setting.
STREAM_BYTES_PER_PARTY_MAX = 64 * 1024 * SEGMENT_BYTES
# An upload that no exchange took along is forgotten after a week.
STREAM_UNTAKEN_DAYS = 7
# How often law is asked again while an attachment moves: what was revoked stops within it.
STREAM_ASKED_EVERY_S = 1.0
# Uploads and downloads under way per node: each holds two times eight segments at most.
STREAMS_OPEN_MAX = 32
# tlog-tiles entry bundles carry a 16-bit length.
ENTRY_BYTES_MAX = 65_535
# A group closes at 256 entries (one full tile) or 2 MiB, so a group with one more inline payload
# still fits one gRPC message.
GROUP_ENTRIES_MAX = 256
GROUP_BYTES_MAX = 2 * 1024 * 1024
# A group of a busy log waits for company (store/pace.py), at most so long: an exchange takes part
# in six groups one after the other, so this adds at most 60 ms.
GROUP_WAIT_S_MAX = 0.01
# Unacknowledged groups per lane: bounds what either side must buffer (8 x ~3 MiB).
LINK_GROUPS_IN_FLIGHT_MAX = 8
# A receipt may come this much later than the group: under load one cosignature serves several, and
# at most half of the groups that may be on the way.
COSIGN_EVERY_S = 0.06
COSIGN_GROUPS_MAX = LINK_GROUPS_IN_FLIGHT_MAX // 2
# The declaration that travels beside an entry; names and references only.
DECLARATION_BYTES_MAX = 64 * 1024
# Policy input and result: a law question that needs more is a modelling mistake.
POLICY_INPUT_BYTES_MAX = 64 * 1024
POLICY_INPUT_DEPTH_MAX = 32
POLICY_RESULT_BYTES_MAX = 256 * 1024
POLICY_DEADLINE_MS = 250
# Full tiles of each log that a start hashes again: a millisecond each, so never felt, and more
# entries than stand between two checkpoints of the store.
START_TILES_MAX = 16
# A signed note may carry many cosignatures; C2SP asks verifiers to accept at least 16.
NOTE_SIGNATURES_MAX = 64
NOTE_BYTES_MAX = 64 * 1024
# A path in a tree of fewer than 2^63 entries has at most 63 hashes.
PROOF_HASHES_MAX = 63
# A proof file: the checkpoint with all its signatures, the path, and what rides along unsigned.
PROOF_BYTES_MAX = 128 * 1024
# An audit names the first findings and counts the rest: a wrecked log must not fill memory.
AUDIT_FINDINGS_MAX = 100
# A caller's deadline: below the first, four durable steps cannot fit; above the second we cut.
DEADLINE_MS_MIN = 50
DEADLINE_S_MAX = 60.0
# A submission older or younger than this against our clock is a replay (GW-REPLAY-1).
SUBMISSION_SKEW_S_MAX = 300
# One HPKE wrap serves one link epoch.
EPOCH_S_MAX = 60
EPOCH_MESSAGES_MAX = 65_536
# Opened epoch secrets kept per sender: four lanes for an hour; a miss costs one decapsulation.
EPOCHS_HELD_MAX = 256
# A verified certificate is believed this long without looking again; revoking must bite.
IDENTITY_CACHE_S_MAX = 60
# Verified certificates and tokens remembered; beyond it each call pays the signature check again.
IDENTITIES_CACHED_MAX = 4096
TOKENS_CACHED_MAX = 4096
# gRPC's own default for all metadata of a call is 8 KiB; a token of ours is under 1 KiB.
TOKEN_BYTES_MAX = 4 * 1024
# Tokens are bound to a certificate and cheap to mint: longer ones only help a thief.
TOKEN_LIFETIME_S_MAX = 3600
TOKEN_ROLES_MAX = 16
# Clocks of two institutions may differ by this much before a token counts as from the future.
TOKEN_SKEW_S_MAX = 30
# A leaf and what it needs: two intermediates are one more than our own plan uses.
CERTIFICATE_INTERMEDIATES_MAX = 2
# A certificate, key, root bundle or revocation list larger than this is not one of ours.
CREDENTIAL_FILE_BYTES_MAX = 1024 * 1024
# How long the receiver may take to begin a request whose caller waits for the answer.
EXCHANGE_TTL_S = 300
# The same for what is submitted and fetched later, where its provider names no horizon: a night's
# outage and a morning to see to it.
SUBMITTED_TTL_S = 24 * 3600
# Facts may change between the decision and its record this many times before we give up.
RECORD_RETRIES_MAX = 3
# Hashes of persons that one transaction forgets: a few milliseconds that its neighbours wait.
SUBJECTS_FORGOTTEN_MAX = 1000
# Exchanges in flight per node before RESOURCE_EXHAUSTED.
EXCHANGES_IN_FLIGHT_MAX = 1024
# Exchanges of a lane that are recorded and wait for the other side, whose callers may be gone: a
# few KiB of memory each, and eight times what may be in flight. While a peer is away it fills up.
EXCHANGES_UNDER_WAY_MAX = 8 * EXCHANGES_IN_FLIGHT_MAX
# Exchanges of one party that have not ended, and what is kept for them: half of a lane's above, so
# that a party whose system runs wild leaves room for the others.
OPEN_OF_PARTY_MAX = EXCHANGES_UNDER_WAY_MAX // 2
OPEN_OF_PARTY_BYTES_MAX = 512 * 1024 * 1024
# The same on their way to one peer: what a disk bears while that peer is away for days.
OPEN_TO_PEER_MAX = 4 * EXCHANGES_UNDER_WAY_MAX
OPEN_TO_PEER_BYTES_MAX = 4 * 1024 * 1024 * 1024
# Mirrored entries acted on at once, each with its payload; the rest wait as rows. Enough for all
# that two peers have in flight, both legs; an engine that is down must not fill memory with tasks.
ENTRIES_ACTED_ON_MAX = 4 * EXCHANGES_IN_FLIGHT_MAX
# Documents of standings and decisions of which is remembered that they are on record.
DOCUMENTS_REMEMBERED_MAX = 16_384
# A register of ten thousand instruments is about 3 MiB; a larger one is a mistake or an attack.
REGISTER_BYTES_MAX = 4 * 1024 * 1024
# Values after aliases are expanded: what 4 MiB can hold without any, so aliases cannot multiply.
REGISTER_VALUES_MAX = 500_000
REGISTER_DEPTH_MAX = 32
# A descriptor set with all its imports; ours is below 200 KiB.
DESCRIPTOR_SET_BYTES_MAX = 8 * 1024 * 1024
# Leaf fields of one message type, each a row of the policy input of at most 64 KiB.
MESSAGE_FIELDS_MAX = 1024
MESSAGE_DEPTH_MAX = 32
# Corridors whose standing facts are kept; a miss costs a fraction of a millisecond.
STANDINGS_CACHED_MAX = 4096
# How long an inbound request waits for the control lane it was decided at.
CONTROL_WAIT_S = 5.0
# A service that cannot be reached at all for this long ends the exchange, so that a caller who
# waits hears of it; a service that may have acted is asked until the exchange's last moment.
SERVICE_REACH_S_MAX = 10.0
# How long an exchange that was just accepted keeps its task while its service gives no word: just
# beyond the above, so that a caller who waits is served as soon as the service is back, and what
# ends there needs no row. After it the exchange waits in the store.
SERVICE_TASK_S_MAX = SERVICE_REACH_S_MAX + 2.0
# The longest pause between two of its attempts: law is asked before each, so a change reaches it.
SERVICE_PAUSE_S_MAX = 0.5
# Calls of one service under way: an eighth of what is acted on, so that services that do not
# answer leave room for the others. What comes beyond waits in the store.
SERVICE_CALLS_MAX = ENTRIES_ACTED_ON_MAX // 8
# The longest horizon of a delivery: as long as sealing keys and law let an exchange wait.
HORIZON_S_MAX = 30 * 24 * 3600
# A lease: long enough to act and answer, and a crash of whoever pulled is felt within a day.
LEASE_S_MIN = 1
LEASE_S_MAX = 24 * 3600
# Messages of one pull, and how long it waits for the first: below what middleboxes cut off.
PULL_MESSAGES_MAX = 100
PULL_WAIT_S_MAX = 20.0
# Pulls under way per node: each may wait and then holds one answer of PAGE_BYTES_MAX.
PULLS_OPEN_MAX = 128
# How long the node knows an acknowledged answer, so that the same one again is no error.
ACKNOWLEDGED_KEPT_DAYS = 7
# Acknowledged rows that one transaction forgets: a few milliseconds that its neighbours wait.
ACKNOWLEDGED_FORGOTTEN_MAX = 1000
# So much before others that began with them do exchanges of a priority come. Nobody waits for ever:
# what is older than a head start comes first.
HEAD_START_S = {"urgent": 86_400, "normal": 3_600, "bulk": 0}
# How often the node looks whose time has come, and how many deliveries that have ended it ends at
# each look.
DELIVERIES_LOOK_S = 0.25
DELIVERIES_ENDED_MAX = 64
# As law or register change, what waits is asked again in slices of so long at each look, read so
# many rows at a time: the queue's own work goes on beside it.
REVOKING_SLICE_S = 0.2
REVOKING_ROWS = 32
# Holds of one peer's exchanges that wait here: more than officers can read in a term of eight days,
# so that a hostile peer cannot bury the others' or fill the store.
HOLDS_OF_PEER_OPEN_MAX = 1000
# What an officer may write beside a decision; it rests sealed.
# Proposed revisions that wait for a second officer.
PROPOSALS_OPEN_MAX = 16
NOTE_CHARS_MAX = 2000
# What a service may say of its own error; a caller's status carries no longer message.
SERVICE_ERROR_BYTES_MAX = 512
# Reads (Get, List, logs) in flight per node: each is a few store reads, and must not starve calls.
READS_IN_FLIGHT_MAX = 128
# Watches of exchanges per node: each is a few store reads in a second while nothing happens.
WATCHES_OPEN_MAX = 256
# Open tails per node: bounds what slow readers can hold, gRPC buffers up to 4 MiB for each.
TAILS_OPEN_MAX = 32
# Instruments that one call may name beyond those of its scenario.
REFERENCES_MAX = 32
# Ids and names in metadata; entries allow no longer ones.
NAME_CHARS_MAX = 256
# What rides in trailing metadata: peers accept 8 KiB of it in all by default, base64 included.
STATUS_DETAILS_BYTES_MAX = 4 * 1024
TRAILER_LIST_CHARS_MAX = 1024
# Time kept back from a caller's deadline, so that the exchange id still reaches the caller.
ANSWER_MARGIN_MS = 100
# Sources whose refusals are told apart between two readings; the rest share one name.
REFUSAL_SOURCES_MAX = 1024
# Client keepalive; a server's minimum must be strictly below half of it (grpc#28830).
KEEPALIVE_TIME_MS = 60_000
KEEPALIVE_TIMEOUT_MS = 10_000
KEEPALIVE_SERVER_MIN_MS = 20_000
# A node that restarts is back within two seconds: its peers shall not sleep for longer than that.
RECONNECT_BACKOFF_MS_MIN = 200
RECONNECT_BACKOFF_MS_MAX = 15_000
# How long a lane waits at most before it asks its channel again; the channel has its own patience.
LANE_RETRY_S_MAX = 1.0
# How long the mirror waits for a payload that it asked for again.
WANTED_WAIT_S = 5.0
# Cases that one look at the clock moves; the rest follow a second later.
CASES_AT_ONCE = 200
# A peer that sends nothing at all after opening a stream is cut.
HELLO_WAIT_S = 10.0
# An announced sealing key outlives the delivery horizon by far; rotate daily, keep a month.
SEALING_KEY_DAYS = 30
# Calls at once on one connection; gRPC buffers for each.
STREAMS_PER_CONNECTION_MAX = 256
# Connections are renewed, so that new certificates bite and load spreads; calls get time to end.
CONNECTION_AGE_S_MAX = 1800
CONNECTION_AGE_GRACE_S = 300
# A reader of a stream that takes nothing for this long is cut off.
STREAM_STALL_S_MAX = 60
# A retired sealing key still opens what was sealed for it: longer than a request can be held, which
# is eight working days and every holiday between them.
SEALING_RETIRED_S = 30 * 24 * 3600.0
# How long a caller waits for a peer that has never announced a sealing key yet.
FIRST_KEY_WAIT_S = 3.0
