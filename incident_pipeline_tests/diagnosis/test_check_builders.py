"""Every kind of check holds where its prediction is true, fails where not, and says when it can't tell."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType

import pytest

from incident_pipeline.checks.database import IncidentDatabase
from incident_pipeline.checks.run import run_check
from incident_pipeline.diagnosis import (
    change_checks,
    failure_checks,
    latency_checks,
    load_checks,
    measure_checks,
    path_checks,
)
from incident_pipeline.diagnosis.path_checks import Feature
from incident_pipeline.model.check import CheckResult, CheckSpec
from incident_pipeline_tests.checks.check_tables import END, ONSET, SECOND, T0, WINDOWS, Tables, steady

QUOTES = 'queue{service="shop"}'


def outcome(tables: Tables, spec: CheckSpec) -> CheckResult:
    with IncidentDatabase(tables.build()) as database:
        return run_check(database, spec, {})


def own_failures(*, every: int = 2, begin: int = ONSET, end: int = END) -> Tables:
    """Two requests a second; from `begin` to `end` one in `every` fails in shop itself."""
    tables = Tables()
    for number in range(2 * END):
        at = number / 2
        bad = begin <= at < end and number % every == 0
        trace = f"{number:032x}"
        front = tables.span(at, "front", "GET /", trace=trace, took=0.05, failed=bad)
        out = tables.span(at, "front", "call shop", trace=trace, parent=front, took=0.04, kind="client",
                          failed=bad, status=500 if bad else 200, peer="shop")  # fmt: skip
        tables.span(at, "shop", "GET /p", trace=trace, parent=out, took=0.03, failed=bad)
    return tables


THROTTLED = steady(failing_status=429, rate=8)
DOWN = steady(failing_status=503, rate=2)
OWN = own_failures()
CALM = steady()


@pytest.mark.parametrize(
    ("component", "tables", "expected"),
    [
        ("quotes", THROTTLED, "holds"),
        ("shop", THROTTLED, "fails"),
        ("shop", OWN, "holds"),
        ("front", OWN, "fails"),
        ("shop", CALM, "no_data"),
    ],
)
def test_failures_begin_where_their_chains_end(component: str, tables: Tables, expected: str) -> None:
    assert outcome(tables, failure_checks.origin(component, WINDOWS)).outcome == expected


def test_failures_that_were_there_before_are_no_news() -> None:
    assert outcome(OWN, failure_checks.absent_before("shop", WINDOWS)).value == 0
    always = own_failures(begin=0)
    assert outcome(always, failure_checks.absent_before("shop", WINDOWS)).outcome == "fails"
    assert outcome(CALM, failure_checks.absent_before("shop", WINDOWS)).outcome == "no_data"


def test_the_cause_fails_first() -> None:
    assert outcome(OWN, failure_checks.precedes("shop", "front", WINDOWS)).outcome == "holds"
    late = own_failures(begin=ONSET + 10)
    late.span(ONSET + 1, "front", "GET /other", trace="f", failed=True)
    result = outcome(late, failure_checks.precedes("shop", "front", WINDOWS))
    assert result.outcome == "fails"
    assert result.value == pytest.approx(9, abs=0.1)


def test_failures_follow_the_calls_or_not() -> None:
    assert outcome(THROTTLED, failure_checks.dose_response("quotes", WINDOWS)).outcome == "holds"
    assert outcome(CALM, failure_checks.dose_response("quotes", WINDOWS)).outcome == "no_data"


def test_failures_end_after_a_remedy_or_not() -> None:
    undone = T0 + (ONSET + 12) * SECOND
    helped = own_failures(end=ONSET + 12)
    assert outcome(helped, failure_checks.reversal_of_change("shop", undone, WINDOWS)).outcome == "holds"
    assert outcome(OWN, failure_checks.reversal_of_change("shop", undone, WINDOWS)).outcome == "fails"
    last = T0 + (END - 2) * SECOND
    assert outcome(OWN, failure_checks.reversal_of_change("shop", last, WINDOWS)).outcome == "no_data"


def test_requests_fail_after_an_event_and_not_before() -> None:
    assert outcome(OWN, failure_checks.failures_follow(T0 + (ONSET - 1) * SECOND, WINDOWS)).outcome == "holds"
    assert (
        outcome(own_failures(begin=0), failure_checks.failures_follow(T0 + 20 * SECOND, WINDOWS)).outcome
        == "fails"
    )


def test_a_limit_and_an_outage_are_told_apart() -> None:
    assert outcome(THROTTLED, load_checks.refused("quotes", WINDOWS)).outcome == "holds"
    assert outcome(DOWN, load_checks.refused("quotes", WINDOWS)).outcome == "fails"
    assert outcome(CALM, load_checks.refused("quotes", WINDOWS)).outcome == "no_data"
    assert outcome(THROTTLED, load_checks.successes_fell("quotes", WINDOWS)).outcome == "fails"
    assert outcome(DOWN, load_checks.successes_fell("quotes", WINDOWS)).outcome == "holds"


def test_demand_rises_before_the_first_failure_or_not() -> None:
    surge = Tables()
    for number in range(2 * ONSET):
        surge.request(number / 2)
    for number in range(10 * (END - ONSET)):
        at = ONSET + number / 10
        surge.request(at, status=429 if at > ONSET + 5 else 200)
    assert outcome(surge, load_checks.demand_rose_first("quotes", WINDOWS)).outcome == "holds"
    assert outcome(surge, load_checks.demand_rose_first("quotes", WINDOWS, rose=False)).outcome == "fails"
    assert outcome(DOWN, load_checks.demand_rose_first("quotes", WINDOWS)).outcome == "fails"
    assert outcome(DOWN, load_checks.demand_rose_first("quotes", WINDOWS, rose=False)).outcome == "holds"


def test_load_rises_or_not() -> None:
    assert outcome(THROTTLED, load_checks.load_rose("front", WINDOWS)).value == 4
    assert outcome(CALM, load_checks.load_rose("front", WINDOWS)).outcome == "fails"
    assert outcome(THROTTLED, load_checks.load_rose("nobody", WINDOWS)).outcome == "no_data"
    event = T0 + ONSET * SECOND
    assert outcome(THROTTLED, load_checks.load_rose_after("front", event, WINDOWS)).outcome == "holds"
    assert outcome(CALM, load_checks.load_rose_after("front", event, WINDOWS)).outcome == "fails"


def test_rates_are_per_second_with_telemetry_so_that_holes_do_not_count() -> None:
    tables = Tables()
    for at in (0, 1, 28, 29, *range(ONSET, END)):
        tables.request(at)
        tables.request(at + 0.5)
    assert outcome(tables, load_checks.load_rose("front", WINDOWS)).value == 1


def test_repeated_calls_multiply_the_load_after_a_failure_not_before() -> None:
    storm = steady(failing_status=429, repeats=3)
    assert outcome(storm, load_checks.repeated_after_failure("shop", "quotes", WINDOWS)).value == 3
    assert outcome(DOWN, load_checks.repeated_after_failure("shop", "quotes", WINDOWS)).outcome == "fails"
    assert outcome(storm, load_checks.calls_per_request("shop", "quotes", WINDOWS)).value == 2
    early = load_checks.calls_per_request("shop", "quotes", WINDOWS, until_failure=True)
    assert outcome(storm, early).outcome == "no_data"
    late = Tables()
    for number in range(2 * END):
        bad = number / 2 > ONSET + 10
        late.request(number / 2, status=429 if bad else 200, repeats=3 if bad else 1)
    assert outcome(late, load_checks.calls_per_request("shop", "quotes", WINDOWS)).outcome == "holds"
    assert outcome(late, early).outcome == "fails"


def test_fewer_calls_per_request_are_seen_too() -> None:
    tables = Tables()
    for second in range(END):
        trace = f"{second:032x}"
        front = tables.span(second, "front", "GET /", trace=trace)
        if second < ONSET or second % 3 == 0:
            tables.span(second, "front", "call shop", trace=trace, parent=front, kind="client", peer="shop")
    assert (
        outcome(tables, load_checks.calls_per_request("front", "shop", WINDOWS, more=False)).outcome
        == "holds"
    )
    assert outcome(tables, load_checks.calls_per_request("front", "shop", WINDOWS)).outcome == "fails"


def test_a_component_that_logs_no_error_saw_none() -> None:
    tables = Tables()
    tables.event("log", ONSET + 1, service="db", message="checkpoint", severity=9)
    assert outcome(tables, load_checks.logs_errors("db", WINDOWS)).outcome == "fails"
    tables.event("log", ONSET + 2, service="db", message="too many clients", severity=21)
    assert outcome(tables, load_checks.logs_errors("db", WINDOWS)).outcome == "holds"
    assert outcome(tables, load_checks.logs_errors("quotes", WINDOWS)).outcome == "no_data"


def test_a_change_breaks_its_own_service_or_is_innocent() -> None:
    before = T0 + (ONSET - 1) * SECOND
    assert outcome(OWN, change_checks.failures_after_change("shop", before, WINDOWS)).outcome == "holds"
    assert outcome(OWN, change_checks.failures_after_change("front", before, WINDOWS)).outcome == "fails"
    assert outcome(CALM, change_checks.failures_after_change("shop", before, WINDOWS)).outcome == "no_data"


def test_a_long_calm_after_a_change_is_no_chance() -> None:
    near, far = T0 + (ONSET - 1) * SECOND, T0 + 5 * SECOND
    assert outcome(OWN, change_checks.calm_after_change("shop", near, WINDOWS)).outcome == "holds"
    assert outcome(OWN, change_checks.calm_after_change("shop", far, WINDOWS)).outcome == "fails"


@pytest.mark.parametrize(
    ("end", "every", "expected"), [(END, 2, "holds"), (ONSET + 10, 2, "fails"), (END - 2, 3, "no_data")]
)
def test_failures_go_on_while_the_change_stays(end: int, every: int, expected: str) -> None:
    tables = own_failures(end=end, every=every)
    change = T0 + (ONSET - 1) * SECOND
    assert outcome(tables, change_checks.persists_while_in_place("shop", change, WINDOWS)).outcome == expected


def moving(*, shop: float = 9.0, front: float = 1.0, from_second: int = ONSET) -> Tables:
    """A queue of both services at about 1, from a second on at the given height."""
    tables = steady(failing_status=503)
    for service, height in (("shop", shop), ("front", front)):
        values = [(height if s >= from_second else 1.0) + 0.1 * (s % 2) for s in range(END)]
        tables.measure("queue", service, values)
    return tables


def test_a_measurement_leaves_its_baseline_or_not() -> None:
    assert outcome(moving(), measure_checks.measure_left_baseline(QUOTES, "up", WINDOWS)).value == 1
    assert outcome(moving(), measure_checks.measure_left_baseline(QUOTES, "down", WINDOWS)).outcome == "fails"
    assert (
        outcome(moving(shop=0.2), measure_checks.measure_left_baseline(QUOTES, "down", WINDOWS)).outcome
        == "holds"
    )
    assert (
        outcome(moving(shop=1.0), measure_checks.measure_left_baseline(QUOTES, "up", WINDOWS)).outcome
        == "fails"
    )
    assert outcome(CALM, measure_checks.measure_left_baseline(QUOTES, "up", WINDOWS)).outcome == "no_data"


def test_a_measurement_moves_before_the_failures_or_after_them() -> None:
    def spec() -> CheckSpec:
        return measure_checks.measure_precedes(QUOTES, "up", "front", WINDOWS, WINDOWS)

    assert outcome(moving(), spec()).outcome == "holds"
    assert outcome(moving(from_second=ONSET + 12), spec()).outcome == "fails"


def test_a_measurement_that_moved_everywhere_is_not_specific() -> None:
    def spec() -> CheckSpec:
        return measure_checks.measure_is_specific(QUOTES, "queue", "shop", "up", WINDOWS)

    assert outcome(moving(), spec()).outcome == "holds"
    assert outcome(moving(front=9.0), spec()).outcome == "fails"


def test_what_lies_below_must_not_have_moved() -> None:
    def spec(component: str, callee: str) -> CheckSpec:
        return measure_checks.callees_stay("queue", component, (callee,), "up", WINDOWS)

    assert outcome(moving(), spec("front", "shop")).outcome == "fails"
    assert outcome(moving(), spec("shop", "front")).outcome == "holds"
    assert outcome(moving(), spec("shop", "nobody")).outcome == "no_data"


def test_failures_follow_a_measurement() -> None:
    assert outcome(moving(), measure_checks.measure_dose_response(QUOTES, "up", WINDOWS)).outcome == "holds"
    assert outcome(moving(), measure_checks.measure_dose_response(QUOTES, "down", WINDOWS)).outcome == "fails"


def slow(*, slow_service: str = "shop") -> Tables:
    """From the onset on, the named service takes 200 ms itself; `wire` makes front wait for shop instead."""
    tables = Tables()
    for number in range(2 * END):
        at, trace = number / 2, f"{number:032x}"
        late = 0.2 if at >= ONSET else 0.0
        own = {
            "shop": late if slow_service == "shop" else 0.0,
            "front": late if slow_service == "front" else 0.0,
        }
        lost = late if slow_service == "wire" else 0.0
        inner = 0.01 + own["shop"]
        outer = 0.02 + inner + lost + own["front"]
        front = tables.span(at, "front", "GET /", trace=trace, took=outer)
        out = tables.span(
            at, "front", "call shop", trace=trace, parent=front, took=inner + lost, kind="client", peer="shop"
        )
        span = tables.span(at, "shop", "GET /p", trace=trace, parent=out, took=inner)
        query = tables.span(
            at, "shop", "call store", trace=trace, parent=span, took=0.002, kind="client", peer="store"
        )
        tables.span(at, "store", "GET /row", trace=trace, parent=query, took=0.001)
    return tables


def test_slowness_is_laid_at_the_door_of_whose_own_time_grew() -> None:
    assert outcome(slow(), latency_checks.slow_by_itself("shop", WINDOWS)).outcome == "holds"
    assert outcome(slow(), latency_checks.slow_by_itself("front", WINDOWS)).outcome == "fails"
    assert outcome(slow(), latency_checks.slower_than_others("shop", WINDOWS)).outcome == "holds"
    assert outcome(slow(), latency_checks.slower_than_others("front", WINDOWS)).outcome == "fails"
    assert outcome(Tables(), latency_checks.slow_by_itself("shop", WINDOWS)).outcome == "no_data"


def test_time_lost_on_the_way_is_the_callers_wait() -> None:
    assert outcome(slow(slow_service="wire"), latency_checks.callers_wait("shop", WINDOWS)).outcome == "holds"
    assert outcome(slow(), latency_checks.callers_wait("shop", WINDOWS)).outcome == "fails"
    wire = slow(slow_service="wire")
    assert outcome(wire, latency_checks.wait_is_specific("shop", WINDOWS)).outcome == "holds"
    assert outcome(wire, latency_checks.wait_is_specific("store", WINDOWS)).outcome == "fails"


def test_slowness_that_does_not_follow_the_load() -> None:
    assert outcome(slow(), latency_checks.slow_with_load("front", WINDOWS)).outcome == "no_data"
    grown = Tables()
    for second in range(END):
        for number in range(1 + second % 5):
            at = second + number / 10
            grown.span(at, "front", "GET /", trace=f"{second}-{number}", took=0.01 * (1 + second % 5))
    assert outcome(grown, latency_checks.slow_with_load("front", WINDOWS)).outcome == "holds"


def paths(*, before: float, during: float, drift: float = 0.0) -> Tables:
    """Shop logs a message and reads a table in these shares of requests; `drift` is added in late calm."""
    tables = Tables()
    for number in range(4 * END):
        at, trace = number / 4, f"{number:032x}"
        share = during if at >= ONSET else before + (drift if at >= ONSET / 2 else 0.0)
        span = tables.span(at, "shop", "GET /p", trace=trace)
        tables.event("log", at, service="shop", message="served", severity=9, trace_id=trace, span_id=span)
        if number % 10 < 10 * share:
            tables.event(
                "log", at, service="shop", message="fell back", mask_id="m1", trace_id=trace, span_id=span
            )
            tables.span(at, "shop", "SELECT", trace=trace, parent=span, kind="client", peer="db")
    return tables


FEATURES = (
    Feature("shop", "GET /p", "logs it", mask_id="m1"),
    Feature("shop", "GET /p", "runs it", child=("shop", "SELECT")),
)


@pytest.mark.parametrize("feature", FEATURES)
def test_a_path_that_changed_and_was_steady_before(feature: Feature) -> None:
    more, same = paths(before=0.1, during=0.6), paths(before=0.3, during=0.3)
    assert outcome(more, path_checks.path_changed(feature, WINDOWS, more=True)).value == pytest.approx(
        0.5, abs=0.02
    )
    assert outcome(more, path_checks.path_changed(feature, WINDOWS, more=False)).outcome == "fails"
    assert outcome(same, path_checks.path_changed(feature, WINDOWS, more=True)).outcome == "fails"
    assert outcome(more, path_checks.path_was_steady(feature, WINDOWS)).outcome == "holds"
    drifting = paths(before=0.1, during=0.6, drift=0.4)
    assert outcome(drifting, path_checks.path_was_steady(feature, WINDOWS)).outcome == "fails"
    assert outcome(Tables(), path_checks.path_changed(feature, WINDOWS, more=True)).outcome == "no_data"


def test_a_message_that_appears_and_one_that_was_always_there() -> None:
    spec = path_checks.template_appears("m1", "shop", WINDOWS)
    assert outcome(paths(before=0.0, during=0.5), spec).value == 1
    assert outcome(paths(before=0.5, during=0.5), spec).outcome == "fails"
    assert outcome(paths(before=0.0, during=0.0), spec).outcome == "no_data"


MODULES = (change_checks, failure_checks, latency_checks, load_checks, measure_checks, path_checks)
SAMPLE_VALUES: dict[str, object] = {
    "windows": WINDOWS, "events": WINDOWS, "direction": "up", "feature": FEATURES[0], "more": True,
    "callees": ("db", "cache"), "change_ns": T0, "event_ns": T0, "undone_at": T0,
}  # fmt: skip


def builders(module: ModuleType) -> list[Callable[..., CheckSpec]]:
    return [
        function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    ]


@pytest.mark.parametrize(
    "builder", [b for module in MODULES for b in builders(module)], ids=lambda b: b.__name__
)
def test_every_check_runs_binds_what_it_names_and_says_why_it_matters(
    builder: Callable[..., CheckSpec],
) -> None:
    hostile = "shop'; DROP TABLE spans; --"
    arguments = {
        name: SAMPLE_VALUES.get(name, hostile)
        for name, parameter in inspect.signature(builder).parameters.items()
        if parameter.default is inspect.Parameter.empty
    }
    spec = builder(**arguments)
    assert hostile not in spec.sql
    assert spec.title
    assert spec.why.endswith(".")
    result = outcome(Tables(), spec)
    assert result.outcome != "error", result.explanation
    assert outcome(moving(), spec).outcome != "error"


def test_a_path_that_changed_as_much_elsewhere_is_not_specific() -> None:
    tables = paths(before=0.1, during=0.6)
    for number in range(4 * END):
        trace = f"c{number:031x}"
        span = tables.span(number / 4, "cart", "GET /c", trace=trace)
        if number / 4 >= ONSET:
            tables.span(number / 4, "cart", "SELECT", trace=trace, parent=span, kind="client", peer="db")
    assert outcome(tables, path_checks.path_is_specific("cart", (), WINDOWS)).outcome == "holds"
    assert outcome(tables, path_checks.path_is_specific("shop", (), WINDOWS)).outcome == "fails"
    alone = path_checks.path_is_specific("shop", ("cart",), WINDOWS)
    assert outcome(tables, alone).outcome == "no_data"


def test_a_burst_is_no_lasting_change_of_path() -> None:
    tables = Tables()
    for number in range(4 * END):
        at, trace = number / 4, f"{number:032x}"
        span = tables.span(at, "shop", "GET /p", trace=trace)
        if ONSET <= at < ONSET + 10:
            tables.event("log", at, service="shop", message="x", mask_id="m1", trace_id=trace, span_id=span)
    assert outcome(tables, path_checks.path_changed(FEATURES[0], WINDOWS, more=True)).outcome == "fails"


def test_errors_in_another_log_as_much_are_not_specific() -> None:
    tables = Tables()
    for second in range(END):
        for service, share in (("api", 1), ("cart", 2)):
            bad = second >= ONSET and second % share == 0
            tables.event("log", second, service=service, message="m", severity=17 if bad else 9)
    assert outcome(tables, path_checks.errors_are_specific("api", (), WINDOWS)).outcome == "holds"
    assert outcome(tables, path_checks.errors_are_specific("cart", (), WINDOWS)).outcome == "fails"
