"""One-stop cases in worlds: opened, followed, and held against each other at both nodes."""

import asyncio
from typing import Any
from uuid import uuid4

from tests.harness.corridors import BIR, TOKEN
from tests.harness.simulator import World, today

from xbgateway.cases import Standing
from xbgateway.casework import Acting, CaseView, Opening

WINDOW, FUND = "cn.hengqin.window", "mo.fss"


def life_application(**more: Any) -> dict[str, Any]:
    """Of case C01, by a counter in Zhuhai."""
    day = today()
    person = {"pid_token": TOKEN, "bir_no": BIR, "birth_date": "1950-02-28", "name_hant": "陳嘉欣"}
    return {
        "person": person,
        "year": day.year,
        "alive_on": day.isoformat(),
        "method": "ATTESTATION_METHOD_COUNTER",
        "office": "ZH000001",
        "officer_id": "ZH000412",
        "form_signed": True,
        "notice": "N-7",
        **more,
    }


def record_application(**more: Any) -> dict[str, Any]:
    """Of case C09, at the window."""
    person = {"pid_token": TOKEN, "fss_no": "SYN000123"}
    return {"person": person, "authenticated_by": "bir", **more}


ROLE = {"C01": "counter", "C09": "window"}


def opening(case_type: str, application: dict[str, Any], request_id: str = "") -> Opening:
    return Opening(
        party=WINDOW,
        subject="clerk-7",
        request_id=request_id or str(uuid4()),
        type=case_type,
        parties={"fund": FUND},
        application=application,
        tls="TLSv1.3",
    )


def acting(case: str, act: str, **more: Any) -> Acting:
    return Acting(WINDOW, "clerk-7", frozenset(), case, act, more.pop("etag", ""), **more)


async def until(w: World, case: str, state: str, node: str = "zhuhai") -> Standing:
    """Where a case stands once it stands there."""
    book = w.nodes[node].core.cases.desk.book
    async with asyncio.timeout(15):
        while True:
            row = book.rows.row(case)
            if row is not None and row.state == state:
                return book.standing(row)
            await asyncio.sleep(0.01)


def seen(w: World, case: str, party: str = WINDOW, node: str = "zhuhai") -> CaseView:
    return w.nodes[node].core.cases.desk.view(party, frozenset(), case)


def agree(w: World) -> int:
    """Both nodes read every case alike, from entries alone (REQ-CASE-2); how many there are."""
    books = {name: node.core.cases.desk.book for name, node in w.nodes.items()}
    found = 0
    for name, book in books.items():
        for row in book.rows.of(WINDOW, "", "", None, 1000):
            if not row.own:
                continue
            mine, theirs = book.standing(row), books[row.peer].rows.row(row.id)
            assert mine.anomalies == 0
            assert theirs is not None, f"{row.peer} has no row of {row.id}"
            assert books[row.peer].standing(theirs) == mine, f"{name} and {row.peer} disagree"
            assert (theirs.state, theirs.step, theirs.ended) == (row.state, row.step, row.ended)
            assert (row.state, row.step) == (mine.since.state, mine.step)
            found += 1
    return found
