"""One call handed over to the node, from the command line; nobody waits for its end."""

from datetime import timedelta
from typing import Annotated

import typer

from xbgateway.cli.call import (
    Attachment,
    Data,
    Descriptors,
    Method,
    Purpose,
    Recipient,
    References,
    RequestId,
    Scenario,
    exchange_record,
)
from xbgateway.cli.connection import Connection, connected
from xbgateway.cli.messages import Messages
from xbgateway.cli.output import Format, Output, shown


@connected
def submit(
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
    time_to_live_s: Annotated[
        int | None,
        typer.Option(
            help="Seconds the other side may take to begin it.  [default: as its provider allows]",
            min=1,
        ),
    ] = None,
    register: Descriptors = None,
    output: Output = Format.TABLE,
) -> None:
    """Hand a call over to one's own node: it is in the log when this ends, and cannot be lost.

    `exchange watch` follows it, `exchange answer` fetches what came back.
    """
    messages = Messages(method, register)
    request = messages.request(data)
    lives = None if time_to_live_s is None else timedelta(seconds=time_to_live_s)
    found = connection.run(
        lambda gateway: gateway.submit(
            messages.path,
            request,
            purpose=purpose,
            scenario=scenario,
            references=reference or (),
            recipient=recipient,
            attachment=attachment,
            request_id=request_id,
            time_to_live=lives,
        )
    )
    shown(exchange_record(found), output)
