"""One running cluster for the tests of a module that only ask it something."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.harness.cluster import Callers, Processes, callers, cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Processes]:
    folder: Path = tmp_path_factory.mktemp("nodes")
    async with cluster(folder) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(nodes: Processes) -> AsyncIterator[Callers]:
    async with callers(nodes) as made:
        yield made
