"""One call through the node, from the command line."""

from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from xbgateway.cli.connection import Connection, connected
from xbgateway.cli.ending import Ending
from xbgateway.cli.messages import Messages
from xbgateway.cli.output import Format, Output, shown
from xbgateway.cli.receipts import write_receipt
from xbgateway.client import Gateway, Receipt

Method = Annotated[str, typer.Argument(metavar="SERVICE/METHOD", help="Full name of the method.")]
Data = Annotated[str, typer.Option(help="The request as JSON, or @FILE.")]
Purpose = Annotated[str, typer.Option(help="Purpose code, e.g. CONTRIB_QUERY.")]
Scenario = Annotated[str, typer.Option(help="Registered scenario, e.g. SC-CQ.")]
References = Annotated[
    list[str] | None, typer.Option("--reference", help="Further instrument; repeatable.")
]
Recipient = Annotated[str, typer.Option(help="Provider, where several provide the service.")]
Descriptors = Annotated[
    Path | None,
    typer.Option(help="Register file whose descriptor sets describe the service.  [default: ours]"),
]
Attachment = Annotated[str, typer.Option(metavar="STREAM", help="An upload that goes along.")]
RequestId = Annotated[
    str | None, typer.Option(help="UUID; the same one again gives the stored result.")
]


@connected
def call(
    *,
    method: Method,
    connection: Connection,
    data: Data = "{}",
    purpose: Purpose = "",
    scenario: Scenario = "",
    reference: References = None,
    recipient: Recipient = "",
    attachment: Attachment = "",
    request_id: RequestId = None,
    timeout_s: Annotated[float, typer.Option(help="How long to wait, in seconds.")] = 30.0,
    receipt: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the receipt's files there.")
    ] = None,
    validate_only: Annotated[
        bool, typer.Option("--validate-only", help="Decide and explain; move nothing.")
    ] = False,
    register: Descriptors = None,
    output: Output = Format.TABLE,
) -> int:
    """Call a service of the other side through one's own node, and show answer and outcome.

    With --validate-only nothing moves: the node says what it would decide, and why; a denial or a
    hold then ends with 1.
    """
    messages = Messages(method, register)
    request = messages.request(data)
    said: dict[str, Any] = {
        "purpose": purpose,
        "scenario": scenario,
        "references": reference or (),
        "recipient": recipient,
    }
    if validate_only:
        found = validated(connection, messages, request, said)
        shown(found, output)
        return Ending.OK if found["verdict"] == "allow" else Ending.REFUSED

    async def work(gateway: Gateway) -> tuple[Message, Any, Receipt | None]:
        answer, exchange = await gateway.call_method(
            messages.path,
            request,
            messages.answer_type,
            **said,
            attachment=attachment,
            request_id=request_id,
            timeout_s=timeout_s,
        )
        proven = await gateway.receipt(exchange.exchange_id) if receipt else None
        return answer, exchange, proven

    answer, exchange, proven = connection.run(work)
    record = {"answer": messages.plain(answer), **exchange_record(exchange)}
    if receipt is not None and proven is not None:
        record["receipt"] = [str(path) for path in write_receipt(receipt, proven)]
    shown(record, output)
    return Ending.OK


def validated(
    connection: Connection, messages: Messages, request: Message, said: dict[str, Any]
) -> dict[str, Any]:
    """What a running node would decide."""
    decision = connection.run(lambda gateway: gateway.validate(messages.path, request, **said))
    read = MessageToDict(decision, preserving_proto_field_name=True)
    return {
        "verdict": read.get("verdict", ""),
        "revision": read.get("revision", ""),
        "findings": read.get("findings", []),
        "dropped_fields": read.get("dropped_fields", []),
        "masked_fields": read.get("masked_fields", []),
    }


def exchange_record(exchange: Message) -> dict[str, Any]:
    """An exchange as the node knows it, every key always there."""
    read = MessageToDict(exchange, preserving_proto_field_name=True)
    entries = [
        f"{one.get('kind', '')} {one.get('origin', '')} {one.get('index', 0)}"
        for one in read.get("entries", [])
    ]
    return {
        "exchange_id": read.get("exchange_id", ""),
        "outcome": read.get("outcome", "OUTCOME_UNSPECIFIED").removeprefix("OUTCOME_").lower(),
        "reason": read.get("reason", ""),
        "sender": read.get("sender", ""),
        "recipient": read.get("recipient", ""),
        "service": read.get("service", ""),
        "method": read.get("method", ""),
        "purpose": read.get("purpose", ""),
        "create_time": read.get("create_time", ""),
        "expire_time": read.get("expire_time", ""),
        "dropped_fields": read.get("dropped_fields", []),
        "masked_fields": read.get("masked_fields", []),
        "entries": entries,
        "rungs": [_rung(one) for one in read.get("rungs", [])],
    }


def _rung(read: dict[str, Any]) -> str:
    kind = read.get("kind", "RUNG_KIND_UNSPECIFIED").removeprefix("RUNG_KIND_").lower()
    return f"{kind} {read.get('time', '')}".rstrip()
