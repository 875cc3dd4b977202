"""When the mirror gives its word (REQ-LINK-8), over the real link on loopback."""

from pathlib import Path

import pytest
from tests.unit.link.test_streams import ORIGIN, linked, until

from xbgateway.model.limits import COSIGN_GROUPS_MAX


async def test_a_cosignature_waits_for_half_of_a_writers_window_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xbgateway.link.mirror.COSIGN_EVERY_S", 60.0)  # time alone brings no second
    async with linked(tmp_path) as pair:
        await pair.append(1)
        await until(lambda: pair.writers.held()[ORIGIN] == 1)  # the first one at once
        for size in range(2, 2 + COSIGN_GROUPS_MAX):
            assert pair.writers.held()[ORIGIN] == 1
            await pair.append(1)
            await until(lambda size=size: pair.mirror.size(ORIGIN) == size)  # type: ignore[misc]
        await until(lambda: pair.writers.held()[ORIGIN] == 1 + COSIGN_GROUPS_MAX)
