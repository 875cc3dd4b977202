"""Numbers that law sets limits to, on the whole path: who passes, and who is denied."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from tests.harness.corridors import Journal, fund, notice, person, proof_of_life
from tests.harness.numbers import persons, sent
from tests.harness.simulator import World, world

from xbgateway.exchange.stages import Declaration
from xbgateway.model.facts import UNCOUNTED, Counts
from xbgateway.model.outcome import Outcome
from xbgateway.seal import open_at_rest


def by_small_numbers(document: dict[str, Any]) -> None:
    """The corridor rests on the exemption for small numbers (CBDF Provisions Art 5(4))."""
    for paper in document["instruments"]:
        if paper["kind"] == "mechanism":
            paper |= {"type": "exempt", "exempt_art": "CBDF5-4"}


EVERYWHERE = {"zhuhai": by_small_numbers, "macao": by_small_numbers}


async def test_of_64_at_once_below_the_limit_exactly_one_passes(tmp_path: Path) -> None:
    limits = {node: {"pi_contract_from": 3} for node in ("zhuhai", "macao")}
    async with world(tmp_path, {"macao": fund}, registers=EVERYWHERE, limits=limits) as w:
        first = await w.submit("zhuhai", proof_of_life(bir_no=person(0)))
        assert first.outcome is Outcome.EXECUTED, first
        many = await asyncio.gather(
            *(w.submit("zhuhai", proof_of_life(bir_no=person(n))) for n in range(1, 65))
        )
        assert Counter(f.outcome for f in many) == {Outcome.EXECUTED: 1, Outcome.REFUSED: 63}
        for refused in many:
            if refused.outcome is Outcome.REFUSED:
                found = {(f.rule, f.path) for f in refused.findings}
                assert ("CN-CBDF-5-4", "counts.pi_year") in found
        assert persons(w, "zhuhai", "pi_year") == sent(w, "zhuhai") == 2
        assert persons(w, "macao", "pi_year") == 0  # the sender counts
        # Who is counted already may be asked about again.
        again = await w.submit("zhuhai", proof_of_life(bir_no=person(0)))
        assert again.outcome is Outcome.EXECUTED
        await w.settle()
        w.agree()


async def test_the_receiver_decides_on_the_number_that_the_sender_declares(tmp_path: Path) -> None:
    limits = {"macao": {"pi_contract_from": 2}}
    async with world(tmp_path, {"macao": fund}, registers=EVERYWHERE, limits=limits) as w:
        first = await w.submit("zhuhai", proof_of_life(bir_no=person(1)))
        assert first.outcome is Outcome.EXECUTED, first
        assert declared(w, first.exchange) == Counts(
            pi_year=1, spi_year=0, batches_window=1, pi_window=1, spi_window=0
        )
        second = await w.submit("zhuhai", proof_of_life(bir_no=person(2)))
        assert second.outcome is Outcome.NOT_EXECUTED
        assert "CN-CBDF-5-4" in [f.rule for f in second.findings]
        # It went out, and so it counts.
        assert persons(w, "zhuhai", "pi_year") == 2
        await w.settle()
        w.agree()


async def test_an_answer_counts_whom_the_request_names(tmp_path: Path) -> None:
    async with world(tmp_path, {"zhuhai": Journal()}) as w:
        for number, token in enumerate(("pt_" + "a" * 26, "pt_" + "b" * 26, "pt_" + "a" * 26)):
            finished = await w.submit("macao", notice(pid_token=token))
            assert finished.outcome is Outcome.EXECUTED, (number, finished)
            assert declared(w, finished.exchange, node="zhuhai") is UNCOUNTED
        assert persons(w, "zhuhai", "pi_year") == 2
        assert persons(w, "macao", "pi_year") == 0
        await w.settle()
        w.agree()


async def test_of_many_answers_at_once_below_the_limit_exactly_one_leaves(tmp_path: Path) -> None:
    limits = {node: {"pi_contract_from": 3} for node in ("zhuhai", "macao")}
    async with world(tmp_path, {"zhuhai": Journal()}, registers=EVERYWHERE, limits=limits) as w:
        first = await w.submit("macao", notice(pid_token=f"pt_{0:026}"))
        assert first.outcome is Outcome.EXECUTED, first
        many = await asyncio.gather(
            *(w.submit("macao", notice(pid_token=f"pt_{n:026}")) for n in range(1, 17))
        )
        assert Counter(f.outcome for f in many) == {
            Outcome.EXECUTED: 1,
            Outcome.EXECUTED_ANSWER_WITHHELD: 15,
        }
        assert persons(w, "zhuhai", "pi_year") == sent(w, "zhuhai") == 2
        await w.settle()
        w.agree()


async def test_a_day_of_birth_in_the_content_makes_it_a_childs_whatever_the_label_says(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        adult = await w.submit("zhuhai", proof_of_life(birth_date="1950-02-28"))
        assert adult.outcome is Outcome.EXECUTED, adult
        assert persons(w, "zhuhai", "spi_year") == 0
        child = proof_of_life(birth_date="2099-01-01", validate_only=True)
        finished = await w.submit("zhuhai", child)
        assert finished.outcome is Outcome.REFUSED
        # All of it is of the highest level then, and that needs a way of its own.
        assert "GW-CLASS-1" in [f.rule for f in finished.findings]
        assert persons(w, "zhuhai", "spi_year") == 0  # a dry run counts nobody


def declared(w: World, exchange: str, node: str = "macao") -> Counts:
    """The numbers in the declaration that a receiver keeps of a request."""
    core = w.nodes[node].core
    row = core.store.reader.exchange_row(exchange)
    sealed = core.store.reader.part(exchange, "declaration")
    assert row is not None
    assert row[2] is not None
    assert sealed is not None
    key = core.keys.rest.unwrap(row[2])
    return Declaration.decode(open_at_rest(key, b"declaration", sealed)).counts
