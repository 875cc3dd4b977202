"""The story of the demo: six scenes at a counter, told on the terminal with real exchanges.

Each scene is a function that calls the gateway as a service system would, through the SDK, and
says what happened and why. Scenes check what they claim; a scene that does not hold ends the story
with an error. Persons, documents and numbers are synthetic.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from xbgateway.api.exchange.v1.exchange_pb2 import CallResponse
from xbgateway.api.holds.v1.holds_pb2 import Hold
from xbgateway.api.socialsecurity.v1 import contribution_pb2 as c
from xbgateway.api.socialsecurity.v1 import contribution_pb2_grpc, life_pb2, life_pb2_grpc
from xbgateway.client import Gateway, GatewayCallError, Receipt
from xbgateway.demo.cluster import Cluster
from xbgateway.demo.people import Person
from xbgateway.demo.population import cached
from xbgateway.demo.register import FUND, HENGQIN, NOT_APPLIED_FOR, ZHUHAI

_SEED = 1


class DidNotHold(Exception):
    """A scene did not show what it claims."""


@dataclass(slots=True)
class Stage:
    """What the scenes share."""

    cluster: Cluster
    console: Console
    window: Gateway  # the Hengqin window's system
    agency: Gateway  # the Zhuhai agency's system
    receipts: dict[str, Receipt]

    def say(self, text: str) -> None:
        """A sentence of the story."""
        self.console.print(Text("  " + text))

    def show(self, label: str, value: str) -> None:
        """A fact, indented under the story."""
        line = Text(f"    {label:<18}", style="dim")
        line.append(value, style="default")
        self.console.print(line, soft_wrap=True)

    def claim(self, holds: bool, what: str) -> None:
        """Stop the story where a claim does not hold."""
        if not holds:
            raise DidNotHold(what)
        line = Text("    ✔ ", style="green")
        line.append(what, style="default")
        self.console.print(line, soft_wrap=True)


async def contribution_query(stage: Stage) -> None:
    """Case C09. A window clerk in Hengqin asks for a contribution record kept in Macao."""
    person = _contributor()
    stage.say(
        f"At the Hengqin window, {person.names.latin} asks what the Macao fund has on record."
    )
    stage.say(
        "The clerk's system calls the fund's own service, on its own node, with its own stub:"
    )
    stub = contribution_pb2_grpc.ContributionServiceStub(stage.window.channel())
    request = c.QueryContributionsRequest(
        pid_token=person.pid_token,
        fss_no=person.fss_no or "",
        detail=c.CONTRIBUTION_DETAIL_STATUS,
    )
    answer, receipt = await stage.window.call(
        stub.QueryContributions, request, purpose="CONTRIB_QUERY", scenario="SC-CQ"
    )
    stage.receipts["query"] = receipt
    for record in answer.records:
        scheme = c.DESCRIPTOR.pool.FindEnumTypeByName(_SCHEME).values_by_number[record.scheme]
        stage.show("scheme", scheme.name.removeprefix("SCHEME_"))
        stage.show("institution", record.institution)
    stage.show("exchange", receipt.exchange_id)
    stage.claim(len(answer.records) > 0, "the record came back, decided by the law of both sides")
    stage.claim(
        len(receipt.entries) == 4,  # noqa: PLR2004 - request, accepted, answer, final
        "four log entries prove it: request, accepted, answer, final",
    )


async def surplus_field(stage: Stage) -> None:
    """The same query, asking for more than its purpose allows."""
    person = _contributor()
    stage.say("The same clerk asks for everything: periods, wage band, names, identity number.")
    stub = contribution_pb2_grpc.ContributionServiceStub(stage.window.channel())
    answer, receipt = await stage.window.call(
        stub.QueryContributions,
        c.QueryContributionsRequest(
            pid_token=person.pid_token,
            fss_no=person.fss_no or "",
            detail=c.CONTRIBUTION_DETAIL_FULL,
        ),
        purpose="CONTRIB_QUERY",
        scenario="SC-CQ",
    )
    dropped = [path.removeprefix("answer:") for path in receipt.dropped_fields]
    stage.show("removed", ", ".join(dropped))
    stage.show("masked", ", ".join(p.removeprefix("answer:") for p in receipt.masked_fields))
    stage.claim(len(answer.periods) == 0, "no contribution period left Macao (CN-PIPL-6-1)")
    stage.claim(answer.person.bir_no == "", "nor the identity number")
    stage.claim("periods.wage_band" in dropped, "and the log says which fields were removed")


async def proof_of_life(stage: Stage) -> None:
    """Case C01. A Macao pensioner in Zhuhai proves once that she is alive."""
    person = next(iter(cached(_SEED).macao_pensioners()))
    stage.say(f"{person.names.latin}, a Macao pensioner living in Zhuhai, shows her papers once.")
    stage.say("The Zhuhai agency sends the attestation to the Macao Social Security Fund:")
    stub = life_pb2_grpc.ProofOfLifeServiceStub(stage.agency.channel())
    answer, receipt = await stage.agency.call(
        stub.SubmitAttestation, _attestation(person), purpose="PROOF_OF_LIFE", scenario="SC-POL"
    )
    stage.receipts["life"] = receipt
    stage.show("fund's receipt", f"{answer.receipt_no} of {answer.received_on}")
    stage.show("removed", ", ".join(receipt.dropped_fields))
    stage.claim(answer.receipt_no != "", "the fund has it, for its own and two other pensions")
    stage.claim(
        "request:attestation.mobile" in receipt.dropped_fields,
        "the telephone number on the form never left Zhuhai: this purpose does not need it",
    )


async def refusal(stage: Stage) -> None:
    """What the law refuses comes back with the rule, the article and the text."""
    stage.say("A second agency form leans on a state assessment whose term has ended.")
    error = await _not_sent(stage, "SC-POL-EXPIRED")
    stage.show("reason", error.reason)
    stage.show("rule", error.metadata.get("rule", ""))
    stage.show("article", error.metadata.get("article", ""))
    for language, text in sorted(error.texts.items()):
        stage.show(language, text)
    stage.claim(error.metadata.get("rule") == "CN-PIPL-36-1", "refused, and nothing has left")


async def held(stage: Stage) -> None:
    """What the law leaves to a person waits for that person, on each side for its own."""
    stage.say("A new counter sends the same attestation, but nobody applied for its data yet.")
    error = await _not_sent(stage, NOT_APPLIED_FOR)
    exchange = error.metadata.get("exchange_id", "")
    stage.show("reason", error.reason)
    stage.show("rule", f"{error.metadata.get('rule', '')}, role {error.metadata.get('role', '')}")
    stage.show("deadline", error.metadata.get("deadline", ""))
    stage.claim(error.reason == "POLICY_HOLD", "held: nothing has left Zhuhai")
    for party, side in ((ZHUHAI, "Zhuhai"), (FUND, "Macao")):
        async with stage.cluster.connect(party, system="officer-7", roles=("cdo",)) as officer:
            waiting = await _on_the_desk(officer, exchange)
            stage.show(
                "on the desk", f"{side}: {waiting.purpose}, until {waiting.deadline.ToJsonString()}"
            )
            await officer.holds.approve(exchange, "file 12/2026")
        stage.claim(True, f"{side}'s chief data officer says yes, and law is asked again")
    operation = await stage.agency.operations.wait(exchange)
    response = CallResponse()
    stage.claim(
        operation.done and operation.response.Unpack(response), "allowed now, delivered, answered"
    )
    answer = life_pb2.SubmitAttestationResponse.FromString(response.payload)
    stage.show("fund's receipt", f"{answer.receipt_no} of {answer.received_on}")


async def _not_sent(stage: Stage, scenario: str) -> GatewayCallError:
    """A proof of life that the law does not let go at once, and what it says."""
    person = next(iter(cached(_SEED).macao_pensioners()))
    stub = life_pb2_grpc.ProofOfLifeServiceStub(stage.agency.channel())
    try:
        await stage.agency.call(
            stub.SubmitAttestation, _attestation(person), purpose="PROOF_OF_LIFE", scenario=scenario
        )
    except GatewayCallError as error:
        return error
    raise DidNotHold("the law should have stopped this transfer")


async def _on_the_desk(officer: Gateway, exchange: str) -> Hold:
    """The hold as an officer sees it, once it is there: never its content."""
    for _ in range(200):
        async for one in officer.holds.list():
            if one.exchange_id == exchange:
                return one
        await asyncio.sleep(0.05)
    raise DidNotHold("the exchange did not come to the officer's desk in time")


async def offline(stage: Stage) -> None:
    """Anybody can check the logs, with public keys only and no node's help."""
    await _held(stage)
    stage.say("An auditor takes both stores and the public register, and re-hashes everything:")
    report = await _verify(stage, *(str(stage.cluster.store(n)) for n in stage.cluster.ports))
    for node in stage.cluster.ports:
        store = str(stage.cluster.store(node))
        logs = [log for log in report["logs"] if log["source"] == store]
        entries = sum(log["entries_checked"] for log in logs)
        sound = all(log["state"] == "OK" for log in logs)
        stage.claim(sound, f"{node}: {len(logs)} logs, {entries} entries, every mirror equal")
    stage.say("And a receipt of the proof of life, against the other side's key:")
    receipt = await stage.agency.receipt(stage.receipts["life"].exchange_id)
    answer = next(e for e in receipt.entries if json.loads(e.entry)["kind"] == "answer")
    folder = stage.cluster.folder / "receipt"
    folder.mkdir(exist_ok=True)
    (folder / "answer.entry").write_bytes(answer.entry)
    (folder / "answer.tlog-proof").write_bytes(answer.proof)
    report = await _verify(stage, str(folder), "--require-cosigned")
    stage.show("written by", answer.origin)
    stage.claim(report["ok"] is True, "Macao signed it, Zhuhai cosigned it; both can prove it")


Scene = Callable[[Stage], Awaitable[None]]
SCENES: dict[str, tuple[str, tuple[Scene, ...]]] = {
    "C09": ("A contribution record at the Hengqin window", (contribution_query, surplus_field)),
    "C01": ("A proof of life from Zhuhai to Macao", (proof_of_life,)),
    "LAW": ("What the law refuses", (refusal,)),
    "HOLD": ("What the law leaves to a person", (held,)),
    "PROOF": ("Proof without trust", (offline,)),
}


async def tell(cluster: Cluster, console: Console, chosen: list[str]) -> None:
    """Tell the chosen scenes in order. Raises ``DidNotHold`` or ``GatewayCallError``."""
    async with cluster.connect(HENGQIN) as window, cluster.connect(ZHUHAI) as agency:
        stage = Stage(cluster, console, window, agency, {})
        for name in chosen:
            title, scenes = SCENES[name]
            console.rule(f"[bold]{name}[/bold]  {title}", align="left")
            for scene in scenes:
                await scene(stage)
            console.print()


async def _held(stage: Stage) -> None:
    """Wait until the last entries are held by the other side: a receipt has both signatures."""
    for _ in range(100):
        receipt = await stage.agency.receipt(stage.receipts["life"].exchange_id)
        if all(entry.proof.count("— ".encode()) > 1 for entry in receipt.entries):
            return
        await asyncio.sleep(0.05)
    raise DidNotHold("the other side did not cosign in time")


async def _verify(stage: Stage, *arguments: str) -> Any:
    """``xbgateway log verify``, as an auditor runs it: files and public keys, no node."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "xbgateway", "log", "verify", *arguments,
        "--register", str(stage.cluster.register), "--output", "json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    if process.returncode != 0:
        raise DidNotHold(err.decode(errors="replace").strip() or "verification failed")
    return json.loads(out)


def _contributor() -> Person:
    return next(p for p in cached(_SEED).contributors() if p.periods)


def _attestation(person: Person) -> life_pb2.SubmitAttestationRequest:
    today = datetime.now(UTC).date()
    return life_pb2.SubmitAttestationRequest(
        attestation=life_pb2.ProofOfLifeAttestation(
            pid_token=person.pid_token,
            bir_no=person.bir_no or "",
            fss_no=person.fss_no or "",
            name_hant=person.names.hant or "",
            name_hans=person.names.hans or "",
            name_latin=person.names.latin or "",
            birth_date=person.birth_on.isoformat(),
            year=today.year,
            alive_on=today.isoformat(),
            method=life_pb2.ATTESTATION_METHOD_COUNTER,
            result=life_pb2.ATTESTATION_RESULT_ALIVE,
            officer_id="ZH000412",
            office="ZH000001",
            mobile=person.mobile or "",
        )
    )


_SCHEME = "xbgateway.api.socialsecurity.v1.Scheme"
__all__ = ["SCENES", "DidNotHold", "tell"]
