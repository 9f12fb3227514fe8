from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from incident_pipeline.checks.allowed import FUNCTIONS
from incident_pipeline.checks.database import CheckNotRunError, IncidentDatabase
from incident_pipeline.checks.guard import unstable_functions
from incident_pipeline_tests.checks.check_tables import steady

HOSTILE = {
    "copies": "COPY (SELECT 1) TO '{file}'",
    "exports": "EXPORT DATABASE '{file}'",
    "attaches": "ATTACH '{file}' AS other",
    "installs": "INSTALL httpfs",
    "loads": "LOAD httpfs",
    "creates": "CREATE TABLE t AS SELECT 1",
    "drops": "DROP TABLE events",
    "deletes": "DELETE FROM events",
    "deletes in a WITH": "WITH gone AS (DELETE FROM events RETURNING *) SELECT count(*) AS value FROM gone",
    "inserts in a WITH": "WITH put AS (INSERT INTO artifacts VALUES ('x', 'x', 'x', 'x') RETURNING *) "
    "SELECT 1 AS value FROM put",
    "updates in a WITH": "WITH up AS (UPDATE events SET message = 'x' RETURNING *) SELECT 1 AS value FROM up",
    "sets": "SET memory_limit = '1TB'",
    "resets": "RESET lock_configuration",
    "pragma": "PRAGMA database_list",
    "calls": "CALL pragma_version()",
    "explains": "EXPLAIN ANALYZE SELECT 1",
    "prepares": "PREPARE p AS SELECT 1",
    "two statements": "SELECT 1 AS value; SELECT 2 AS value",
    "second statement after a comment": "SELECT 1 AS value; -- \nDROP TABLE events",
    "nothing": "",
    "no SQL": "the cause is DNS",
    "reads a CSV": "SELECT count(*) AS value FROM read_csv('{file}')",
    "reads a text": "SELECT size AS value FROM read_text('/etc/hostname')",
    "reads a blob": "SELECT size AS value FROM read_blob('/etc/*')",
    "lists files": "SELECT count(*) AS value FROM glob('/*')",
    "file as a table": "SELECT count(*) AS value FROM '{file}'",
    "python variable as a table": "SELECT count(*) AS value FROM HOSTILE",
    "query as text": "SELECT * FROM query('SELECT 1 AS value')",
    "table by name": "SELECT count(*) AS value FROM query_table('events')",
    "settings": "SELECT count(*) AS value FROM duckdb_settings()",
    "one setting": "SELECT length(current_setting('temp_directory')) AS value",
    "secrets": "SELECT count(*) AS value FROM duckdb_secrets()",
    "catalogue": "SELECT count(*) AS value FROM information_schema.tables",
    "environment": "SELECT length(getenv('HOME')) AS value",
    "clock": "SELECT epoch_ns(now()) AS value",
    "clock without brackets": "SELECT epoch_ns(current_timestamp) AS value",
    "local time": "SELECT epoch_ns(localtimestamp) AS value",
    "date": "SELECT extract(day FROM current_date) AS value",
    "age until today": "SELECT length(age(timestamp '2020-01-01')::VARCHAR) AS value",
    "age in a window": "SELECT max(age(timestamp '2020-01-01')) OVER () AS value FROM events LIMIT 1",
    "today": "SELECT date_diff('day', DATE '2020-01-01', today()) AS value",
    "engine": "SELECT length(version()) AS value",
    "schema of the session": "SELECT length(current_schema()) AS value",
    "zone of the machine": "SELECT epoch('2020-01-01'::TIMESTAMPTZ) AS value",
    "zone in a struct": "SELECT epoch(CAST({'t': '2020-01-01'} AS STRUCT(t TIMESTAMPTZ)).t) AS value",
    "zone of a parsed text": "SELECT epoch(strptime('2020-01-01 +0000', '%Y-%m-%d %z')) AS value",
    "zone of a column": "SELECT epoch(to_timestamp(0)) AS value",
    "zone as a word": "SELECT epoch(timestamp '2020-01-01' AT TIME ZONE 'UTC') AS value",
    "names of aliases": "SELECT 'x'.version() AS value",
    "function of another schema": "SELECT main.pg_catalog.version() AS value",
    "dynamic aggregate": "SELECT list_aggr([1, 2], 'histogram_exact') AS value",
    "name of a type": "SELECT length(CAST('x' AS JSON)::VARCHAR) AS value",
    "chance": "SELECT random() AS value",
    "uuid": "SELECT hash(uuid()) AS value",
    "sample": "SELECT count(*) AS value FROM events USING SAMPLE 10",
    "table sample": "SELECT count(*) AS value FROM events TABLESAMPLE 10%",
    "show": "SELECT count(*) AS value FROM (SHOW ALL TABLES)",
    "deep inside": "SELECT (SELECT count(*) FROM (SELECT * FROM read_json('{file}'))) AS value FROM events",
}


@pytest.fixture(scope="module")
def database() -> Iterator[IncidentDatabase]:
    with IncidentDatabase(steady().build(), seconds=10) as database:
        yield database


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sql_is_refused_and_writes_nothing(
    name: str, database: IncidentDatabase, tmp_path: Path
) -> None:
    before = database.query("SELECT count(*) AS value FROM events", {})
    with pytest.raises(CheckNotRunError):
        database.query(HOSTILE[name].replace("{file}", str(tmp_path / "out")), {})
    assert list(tmp_path.iterdir()) == []
    assert database.query("SELECT count(*) AS value FROM events", {}) == before


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) AS value FROM spans",
        "FROM spans SELECT count(*) AS value",
        "WITH few AS (SELECT * FROM calls LIMIT 3) SELECT count(*) AS value FROM few",
        "SELECT sum(n) AS value FROM range(10) AS r(n)",
        "SELECT 1 AS value UNION ALL SELECT 2 ORDER BY value LIMIT 1",
        (
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 9) "
            "SELECT max(n) AS value FROM r"
        ),
        "SELECT corr(time_ns, duration_ns) AS value FROM spans",
        "SELECT rank() OVER (ORDER BY sum(duration_ns)) AS value FROM spans GROUP BY service LIMIT 1",
        "SELECT count(*) FILTER (attributes['span.kind'] = 'client') AS value FROM events",
        "SELECT regexp_matches(lower(service), 'sh.p')::INT AS value FROM spans ORDER BY 1 DESC LIMIT 1",
        "SELECT date_part('year', make_timestamp(min(time_ns) // 1000)) AS value FROM spans",
        "SELECT list_sum(list_transform([1, 2, 3], lambda x: x * 2)) AS value",
        "SELECT count(*) AS value FROM events e JOIN artifacts a ON a.sha256 = e.artifact_sha256 -- all\n;",
    ],
)
def test_plain_queries_pass(sql: str, database: IncidentDatabase) -> None:
    assert len(database.query(sql, {}).rows) == 1


def test_a_name_from_the_evidence_is_a_value_never_sql(database: IncidentDatabase) -> None:
    hostile = "front'; DROP TABLE spans; --"
    sql = "SELECT count(*) AS value FROM spans WHERE service = $component"
    assert database.query(sql, {"component": hostile}).rows == ((0,),)
    assert database.query(sql, {"component": "front"}).rows[0][0] != 0


def test_a_query_nobody_could_read_is_refused(database: IncidentDatabase) -> None:
    with pytest.raises(CheckNotRunError, match="longer than"):
        database.query("SELECT 1 AS value" + " " * 30_000, {})


def test_an_endless_query_is_stopped() -> None:
    endless = (
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) AS value FROM r"
    )
    with IncidentDatabase(steady().build(), seconds=0.3) as database:
        with pytest.raises(CheckNotRunError, match=r"stopped after 0\.3 s"):
            database.query(endless, {})
        assert database.query("SELECT 1 AS value", {}).rows == ((1,),)


def test_an_answer_too_large_for_memory_is_an_error_of_the_check(database: IncidentDatabase) -> None:
    with pytest.raises(CheckNotRunError, match="memory"):
        database.query("SELECT length(string_agg(repeat('x', 10000000), '')) AS value FROM range(1000)", {})
    assert database.query("SELECT 1 AS value", {}).rows == ((1,),)


def test_missing_and_excess_parameters_are_errors_of_the_check(database: IncidentDatabase) -> None:
    for parameters in ({}, {"a": 1, "b": 2}):
        with pytest.raises(CheckNotRunError):
            database.query("SELECT $a AS value", parameters)


def test_every_function_on_the_list_is_declared_to_give_the_same_answer_always() -> None:
    with duckdb.connect(":memory:") as connection:
        assert not FUNCTIONS & unstable_functions(connection)
