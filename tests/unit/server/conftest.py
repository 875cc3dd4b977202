"""Certificates are made once for the whole run; servers are made anew for each test."""

from collections.abc import AsyncIterator

import pytest
from tests.unit.server.edge import Edge, Material, serving


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return Material.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def edge(material: Material) -> AsyncIterator[Edge]:
    async with serving(material) as running:
        yield running
