"""Whatever comes in, nothing crashes: in each file another session looks on."""

import pytest
from support.server import Bystander


@pytest.fixture(scope="module", autouse=True)
def unharmed(module_database):
    """The server never restarts, and no other session notices anything."""
    bystander = Bystander(module_database)
    yield
    bystander.check()
