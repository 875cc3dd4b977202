"""Every reason explained once: gRPC code, meaning, cure.

``docs/errors.md`` is generated from :data:`CATALOGUE` and ``server/status.py`` takes its codes from
it. A test holds it complete: a reason without an explanation cannot be merged. Nothing is decided
here and nothing is said about a particular failure.
"""

from collections.abc import Mapping

from .errors import Explanation, Reason
from .reasons_cases import CASES
from .reasons_delivery import DELIVERY
from .reasons_inside import LINK, NODE
from .reasons_streams import STREAMS

_R = Reason

_CALLER: dict[Reason, Explanation] = {
    _R.CERTIFICATE_REJECTED: Explanation(
        "UNAUTHENTICATED",
        "The client certificate does not verify against the root of its trust domain.",
        "Check the chain, its dates and the revocation list; get a new certificate.",
    ),
    _R.IDENTITY_AMBIGUOUS: Explanation(
        "UNAUTHENTICATED",
        "Certificate and token do not name exactly one identity of the kind that may call here.",
        "Use a certificate with one SPIFFE URI, and a token of the same party.",
    ),
    _R.IDENTITY_FOREIGN: Explanation(
        "UNAUTHENTICATED",
        "The certificate belongs to a trust domain that may not vouch for callers of this node.",
        "Call the node of your own jurisdiction with a certificate of its authority.",
    ),
    _R.CERTIFICATE_REVOKED: Explanation(
        "UNAUTHENTICATED",
        "The client certificate was revoked.",
        "Get a new certificate from your jurisdiction's authority.",
    ),
    _R.TLS_TOO_OLD: Explanation(
        "UNAUTHENTICATED",
        "The connection does not use TLS 1.3.",
        "Enable TLS 1.3 in the client or in what stands before it.",
    ),
    _R.TOKEN_MISSING: Explanation(
        "UNAUTHENTICATED",
        "The call carries no bearer token.",
        "Send `authorization: Bearer <JWT>`, signed by the party's own key.",
    ),
    _R.TOKEN_REJECTED: Explanation(
        "UNAUTHENTICATED",
        "The token is malformed or does not verify under a key of its issuer.",
        "Check issuer, key id, algorithm and claims; see the developers' page.",
    ),
    _R.TOKEN_EXPIRED: Explanation(
        "UNAUTHENTICATED",
        "The token's time is over.",
        "Mint a new one; tokens live an hour at most.",
    ),
    _R.TOKEN_AUDIENCE: Explanation(
        "UNAUTHENTICATED",
        "The token is meant for another node.",
        "Name this node's SPIFFE id as the audience.",
    ),
    _R.TOKEN_UNBOUND: Explanation(
        "UNAUTHENTICATED",
        "The token is not bound to the certificate of this connection.",
        "Put the certificate's SHA-256 thumbprint into `cnf.x5t#S256`.",
    ),
    _R.PARTY_UNKNOWN: Explanation(
        "PERMISSION_DENIED",
        "The party does not stand in the register.",
        "Have the party registered on both sides.",
    ),
    _R.PARTY_NOT_HERE: Explanation(
        "PERMISSION_DENIED",
        "The party belongs to another node.",
        "Call the node that the register names for the party.",
    ),
    _R.AUDITOR_ONLY: Explanation(
        "PERMISSION_DENIED",
        "Only a party that the register names as auditor may ask this.",
        "Ask about one of your own exchanges, or have the party made an auditor.",
    ),
    _R.ROLE_REQUIRED: Explanation(
        "PERMISSION_DENIED",
        "Only an officer of the `role` may do this.",
        "Sign in as that officer: the token claims the role in `roles`, and the register lists it"
        " in the party's `officer_roles`.",
    ),
}

_ASKED: dict[Reason, Explanation] = {
    _R.SERVICE_UNKNOWN: Explanation(
        "UNIMPLEMENTED",
        "No service of that name is registered.",
        "Check the full name, package included; list services by server reflection.",
    ),
    _R.METHOD_UNKNOWN: Explanation(
        "UNIMPLEMENTED",
        "The service has no such method.",
        "Check the name against the registered descriptor set.",
    ),
    _R.METHOD_NOT_UNARY: Explanation(
        "UNIMPLEMENTED",
        "Streaming methods cannot be called through the node.",
        "Call a unary method.",
    ),
    _R.MESSAGE_UNDECODABLE: Explanation(
        "INVALID_ARGUMENT",
        "The payload is not a message of the method's type.",
        "Generate the stubs from the registered descriptor set.",
    ),
    _R.FIELD_UNKNOWN: Explanation(
        "INVALID_ARGUMENT",
        "The payload has a field that the registered type does not have.",
        "Remove it, or have the new descriptor set registered first.",
    ),
    _R.REFERENCE_MISSING: Explanation(
        "INVALID_ARGUMENT",
        "The call does not say its purpose, its scenario or when it was sent.",
        "Send `xb-purpose`, `xb-scenario` and `xb-sent-at`; the SDK does.",
    ),
    _R.REFERENCE_UNKNOWN: Explanation(
        "INVALID_ARGUMENT",
        "A purpose, scenario, instrument or recipient named by the call is not registered.",
        "Check the names against the register.",
    ),
    _R.REFERENCE_MALFORMED: Explanation(
        "INVALID_ARGUMENT",
        "A value of the call's metadata is malformed, stands twice, or has an unknown key.",
        "See the developers' page for each `xb-` key and its form.",
    ),
    _R.REQUEST_ID_MISSING: Explanation(
        "INVALID_ARGUMENT",
        "The call carries no request id, so it could not be repeated safely.",
        "Send a fresh UUID as `xb-request-id`, and the same one when you try again.",
    ),
    _R.REQUEST_ID_REUSED: Explanation(
        "ALREADY_EXISTS",
        "The request id was used for another call.",
        "Make a new UUID for each new call.",
    ),
    _R.PAYLOAD_TOO_LARGE: Explanation(
        "RESOURCE_EXHAUSTED",
        "The payload is larger than an exchange may carry.",
        "Ask for less at once; the limit stands in the error's metadata.",
    ),
    _R.DEADLINE_TOO_SHORT: Explanation(
        "INVALID_ARGUMENT",
        "The caller's deadline is shorter than the durable steps of an exchange take.",
        "Give the call more time; the least stands in the error's metadata.",
    ),
    _R.DEADLINE_PASSED: Explanation(
        "DEADLINE_EXCEEDED",
        "The time for the call was over and nothing was accepted.",
        "Try again with the same request id and more time.",
    ),
    _R.TRANSITION_ILLEGAL: Explanation(
        "FAILED_PRECONDITION",
        "The register's record is in a state in which this cannot happen to it.",
        "The error's metadata names the state and the events that are legal in it.",
    ),
    _R.TRANSITION_REFUSED: Explanation(
        "FAILED_PRECONDITION",
        "What is given for the register's record is not within the terms that the law sets.",
        "The error's metadata names the condition and the field; see the page on registers.",
    ),
    _R.ARGUMENT_INVALID: Explanation(
        "INVALID_ARGUMENT",
        "A field of the request has a value that it cannot have.",
        "The error's metadata names the field.",
    ),
    _R.EXCHANGE_UNKNOWN: Explanation(
        "NOT_FOUND",
        "There is no such exchange, or it is not the caller's.",
        "Check the id; only a party's own exchanges are shown to it.",
    ),
    _R.RECORD_UNKNOWN: Explanation(
        "NOT_FOUND",
        "The register has no such record, or not at the time that was asked about.",
        "Check kind and id; `xbgateway register list` shows what there is.",
    ),
    _R.CHANGE_INVALID: Explanation(
        "INVALID_ARGUMENT",
        "A change of a register record is not well-formed.",
        "Mend what the sentence names; `path` says where.",
    ),
    _R.ETAG_MISMATCH: Explanation(
        "ABORTED",
        "The record is no longer what the change was made for.",
        "Read the record again, look at what changed, and apply the event with its new etag.",
    ),
    _R.NOT_OWNER: Explanation(
        "PERMISSION_DENIED",
        "The record is kept by the officers of another node.",
        "Ask the officers of the node named by `owner`.",
    ),
    _R.ENTRY_UNKNOWN: Explanation(
        "NOT_FOUND",
        "There is no such log or entry, or it is not of the caller's exchanges.",
        "Check origin and index; an auditor may list the logs.",
    ),
    _R.DUTY_UNKNOWN: Explanation(
        "NOT_FOUND",
        "There is no such duty, or another party owes it.",
        "List the duties of your own party.",
    ),
    _R.DUTY_CONFIRMED: Explanation(
        "FAILED_PRECONDITION",
        "The duty was confirmed already, by somebody else or in other words.",
        "Read it: who confirmed it and when stands there.",
    ),
    _R.PAGE_TOKEN_INVALID: Explanation(
        "INVALID_ARGUMENT",
        "The page token was not made by this node for this caller and this list.",
        "Start again from the first page.",
    ),
    _R.TOO_MANY_REQUESTS: Explanation(
        "RESOURCE_EXHAUSTED",
        "The node has as many calls in flight as it takes.",
        "Wait as long as the error says, then try again with the same request id.",
    ),
}

_LAW: dict[Reason, Explanation] = {
    _R.POLICY_DENIED: Explanation(
        "PERMISSION_DENIED",
        "A rule of one of the legal systems forbids the transfer.",
        "Rule, article and text stand in the error; change what they name.",
    ),
    _R.POLICY_HOLD: Explanation(
        "FAILED_PRECONDITION",
        "A person has to decide before the transfer may go on.",
        "Wait for the officer, then ask again with the same request id, or follow the operation.",
    ),
    _R.HOLD_REJECTED: Explanation(
        "PERMISSION_DENIED",
        "The officer who had to decide said no; nothing was done.",
        "Ask the office whose role the error names for its reason.",
    ),
    _R.HOLD_EXPIRED: Explanation(
        "PERMISSION_DENIED",
        "Nobody decided within the term, which counts as no; nothing was done.",
        "Ask the office whose role was named, then start again with a new request id.",
    ),
    _R.HOLD_WITHDRAWN: Explanation(
        "ABORTED",
        "Whoever asked withdrew the request while it waited for an officer.",
        "Start again with a new request id.",
    ),
    _R.HOLD_ANSWERED: Explanation(
        "FAILED_PRECONDITION",
        "The hold is no longer open: it was decided, ran out or was withdrawn.",
        "Look at it again; the decision stands.",
    ),
    _R.DESK_FULL: Explanation(
        "RESOURCE_EXHAUSTED",
        "As many transfers of your side wait for the other side's officers as it takes.",
        "Start again with a new request id once some were decided.",
    ),
    _R.SELF_APPROVAL: Explanation(
        "PERMISSION_DENIED",
        "Whoever asked for something does not decide on it.",
        "Another officer of the role decides.",
    ),
    _R.PROPOSAL_UNKNOWN: Explanation(
        "NOT_FOUND",
        "There is no such proposal of a policy revision at this node.",
        "List the proposals.",
    ),
    _R.PROPOSAL_ANSWERED: Explanation(
        "FAILED_PRECONDITION",
        "The proposal was approved or rejected already.",
        "Look at it again; the decision stands.",
    ),
    _R.PROPOSAL_STALE: Explanation(
        "FAILED_PRECONDITION",
        "Another revision came into use since this one was proposed.",
        "Propose it again, over the revision that is in use now.",
    ),
    _R.POLICY_UNDEFINED: Explanation(
        "FAILED_PRECONDITION",
        "The active policy gives no decision for this transfer, which counts as a refusal.",
        "Compliance officers have to complete the policy.",
    ),
    _R.POLICY_ERROR: Explanation(
        "INTERNAL",
        "The policy failed while it was evaluated; nothing moved.",
        "Operators look at the decision log; officers mend the revision.",
    ),
    _R.POLICY_TIMEOUT: Explanation(
        "UNAVAILABLE",
        "The policy gave no decision in time; nothing moved.",
        "Try again with the same request id.",
    ),
    _R.POLICY_STALE: Explanation(
        "UNAVAILABLE",
        "The decision was made by another revision than the one now active.",
        "Try again with the same request id.",
    ),
    _R.POLICY_UNAVAILABLE: Explanation(
        "UNAVAILABLE",
        "The policy engine does not answer; nothing moved.",
        "Try again with the same request id; operators see the alert.",
    ),
    _R.POLICY_INPUT_LIMIT: Explanation(
        "INVALID_ARGUMENT",
        "What the policy would have to judge is larger than it may be.",
        "Send fewer subjects or fields at once.",
    ),
    _R.POLICY_INVALID: Explanation(
        "FAILED_PRECONDITION",
        "A policy revision is not well-formed or not rightly signed.",
        "Officers mend and sign the revision again.",
    ),
    _R.FACTS_UNSTABLE: Explanation(
        "ABORTED",
        "What the decision rests on changed while it was being recorded, several times.",
        "Try again with the same request id.",
    ),
    _R.CONTENT_UNDECLARED: Explanation(
        "PERMISSION_DENIED",
        "The content is not what its declaration says.",
        "Operators of both sides compare the versions of their registers.",
    ),
}

# No node says these: whoever dials reads them from what gRPC tells of a connection that failed.
_DIALLING: dict[Reason, Explanation] = {
    _R.HANDSHAKE_FAILED: Explanation(
        "UNAVAILABLE",
        "No TLS connection with the node came about; most often it refused the certificate.",
        "Check the certificate's dates and authority; the operator of the node that is dialled"
        " sees the cause. A node that is just stopping looks the same: try again.",
    ),
    _R.NODE_UNTRUSTED: Explanation(
        "UNAVAILABLE",
        "The certificate of the node that was dialled does not verify: nothing was sent.",
        "Check address, roots and the server's name; then ask the node's operator.",
    ),
}

_ACCEPTED: dict[Reason, Explanation] = {
    _R.EXCHANGE_PENDING: Explanation(
        "UNAVAILABLE",
        "The exchange was accepted and is not finished.",
        "Ask again with the same request id, or for the exchange by its id.",
    ),
    _R.EXCHANGE_EXPIRED: Explanation(
        "ABORTED",
        "The other side did not begin before the exchange's last moment; nothing was done.",
        "Start again with a new request id.",
    ),
    _R.EXCHANGE_UNKNOWN_EFFECT: Explanation(
        "UNKNOWN",
        "A crash fell between the service's work and its record: it may have been done.",
        "A person at the provider has to look; do not repeat it blindly.",
    ),
    _R.ANSWER_WITHHELD: Explanation(
        "PERMISSION_DENIED",
        "The service was called, and law keeps its answer from the caller.",
        "The effect stands; rule and article are in the error.",
    ),
    _R.SERVICE_UNAVAILABLE: Explanation(
        "ABORTED",
        "The provider's service cannot be reached by its node; it was not called.",
        "Try again with a new request id once the provider serves.",
    ),
    _R.SERVICE_FAILED: Explanation(
        "UNKNOWN",
        "The provider's service answered with an error of its own, whose code is passed on.",
        "The message is the service's; see its documentation.",
    ),
}

# By group, as docs/errors.md shows them.
GROUPS: Mapping[str, Mapping[Reason, Explanation]] = {
    "Who is calling": _CALLER,
    "No connection": _DIALLING,
    "What is asked": _ASKED,
    "What the law says": _LAW,
    "What happened to an accepted exchange": _ACCEPTED,
    "Cases": CASES,
    "Deliveries that wait": DELIVERY,
    "Attachments": STREAMS,
    "Logs and the peer link": LINK,
    "The node itself": NODE,
}

CATALOGUE: Mapping[Reason, Explanation] = {
    reason: explanation for group in GROUPS.values() for reason, explanation in group.items()
}
