"""One running cluster for the tests of a module that only ask it something."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.harness.callers import Callers, callers
from tests.harness.cluster import Processes, cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Processes]:
    folder: Path = tmp_path_factory.mktemp("nodes")
    async with cluster(folder) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def whole(nodes: Processes) -> AsyncIterator[Processes]:
    """The module's cluster, made whole again where a test left a process down or slow."""
    yield nodes
    for name in nodes.stores():
        if nodes.more.get(f"{name}-agency"):
            await nodes.slow_agency(name, 0.0)
        process = nodes.processes.get(name)
        if process is None or process.returncode is not None:
            await nodes.restart(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(nodes: Processes) -> AsyncIterator[Callers]:
    async with callers(nodes) as made:
        yield made
