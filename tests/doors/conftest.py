"""A desk for each client: `desk` comes as psql, psycopg and JDBC; `door` as each of the doors."""

from contextlib import contextmanager

import pytest
from support.clients import JdbcClient, PsqlClient, PsycopgClient
from support.desk import DOORS, REVIEW_TABLES, Desk


@pytest.fixture(scope="session")
def jdbc_client(tmp_path_factory):
    """The JDBC client, compiled; skips where it cannot be used."""
    problem = JdbcClient.compile(tmp_path_factory.mktemp("jdbc"))
    if problem:
        pytest.skip(problem)
    return JdbcClient


@pytest.fixture(scope="module")
def people(module_database):
    """The database with the roles."""
    Desk.people(module_database)
    return module_database


@contextmanager
def opened(client, database):
    """A desk; whatever was done at it, the tables agree in the end."""
    desk = Desk(client, database)
    try:
        yield desk
        desk.everything_agrees()
    finally:
        desk.close()


@pytest.fixture(scope="module", params=["psql", "psycopg", "JDBC"])
def desk(request, people):
    """The desk of one client."""
    clients = {"psql": PsqlClient, "psycopg": PsycopgClient}
    client = clients.get(request.param) or request.getfixturevalue("jdbc_client")
    with opened(client, people) as desk:
        yield desk


@pytest.fixture(scope="module")
def psycopg_desk(people):
    """A desk with psycopg, for what only that does."""
    with opened(PsycopgClient, people) as desk:
        yield desk


@pytest.fixture(scope="module")
def jdbc_desk(people, jdbc_client):
    """A desk with JDBC, for what only that does."""
    with opened(jdbc_client, people) as desk:
        yield desk


@pytest.fixture(params=DOORS)
def door(request, desk):
    """A door of the desk."""
    return desk.door(request.param)


@pytest.fixture(params=REVIEW_TABLES)
def review_table(request, desk):
    """A relation whose rows are reviews."""
    return desk.review_table(request.param)
