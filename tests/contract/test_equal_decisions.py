"""The real rules decide the same, to the byte, inside the process and on an OPA server.

Inputs are seeded mutations of every allowed input: sections and single facts removed, verdicts
turned, bands moved. Most are denied; that is the point.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.contract.opa_server import OwnOpa, opa_check
from tests.harness.facts import ALLOWED, make_facts
from tests.harness.scale import scaled

from xbgateway.model.errors import Unavailable
from xbgateway.policy.engine import EmbeddedEngine, Snapshot, strict_json
from xbgateway.policy.engine.server import ServerEngine
from xbgateway.policy.projection import Projector
from xbgateway.policy.revision import load_directory

_WORDS = ("valid", "ended", "not_yet", "missing", "over", "low", "half", "stale", "fresh", "x")


def _places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, below in items:
        yield (*above, key)
        if isinstance(below, dict | list):
            yield from _places(below, (*above, key))


def _mutated(base: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """One to three facts of an input removed or turned."""
    found: dict[str, Any] = json.loads(json.dumps(base))
    for _ in range(draw.randint(1, 3)):
        *way, last = draw.choice(list(_places(found)))
        holder: Any = found
        for key in way:
            holder = holder[key]
        old = holder[last]
        if draw.random() < 0.5:
            del holder[last]
        elif isinstance(old, bool):
            holder[last] = not old
        elif isinstance(old, int):
            holder[last] = old + draw.choice((-1, 1, 1000))
        else:
            holder[last] = draw.choice(_WORDS)
    return found


def _said(snapshot: Snapshot, raw: bytes) -> bytes:
    try:
        return snapshot.decide(raw, 5000)
    except Unavailable as error:
        return str(error.reason).encode()


@pytest.mark.tool("opa")
def test_generated_inputs_are_decided_alike_by_both_engines(tmp_path: Path) -> None:
    revision = load_directory()
    projector, draw = Projector(revision), random.Random(20260316)
    bases = [json.loads(projector.input_bytes(make_facts(name))) for name in ALLOWED]
    inputs = [
        strict_json.canonical(_mutated(draw.choice(bases), draw)) for _ in range(scaled(2000))
    ]
    opa = OwnOpa(tmp_path, unix=True)
    inside = EmbeddedEngine().load(revision.bundle())
    server = ServerEngine(opa.address, opa_check(), opa.publish).load(revision.bundle())
    try:
        with ThreadPoolExecutor(2) as pool:
            ours = list(pool.map(lambda raw: _said(inside, raw), inputs))
            theirs = list(pool.map(lambda raw: _said(server, raw), inputs))
    finally:
        inside.close()
        server.close()
        opa.close()
    differ = [raw for raw, one, other in zip(inputs, ours, theirs, strict=True) if one != other]
    assert not differ, f"{len(differ)} of {len(inputs)} differ, the first: {differ[0]!r}"
    verdicts = Counter(json.loads(one)["decision"] for one in ours if one.startswith(b"{"))
    # A corpus in which everything is denied, or nothing, would prove little.
    assert verdicts["deny"] > len(inputs) / 2
    assert verdicts["allow"] > len(inputs) / 100
