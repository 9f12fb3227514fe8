"""Sensors: a run starts by itself when an alert arrives, and recorded incidents appear as partitions.

An alert file stays where it is until its run exists, and only then moves to `claimed/`: a crash
between two steps loses nothing, and asking twice for the same run does nothing because the run key is
the alert's identity (fingerprint and start), not the delivery's.
"""

from pathlib import Path

import dagster as dg

from incident_pipeline.defs.jobs import investigate_incident
from incident_pipeline.defs.partitions import incidents
from incident_pipeline.defs.resources import WorkspaceResource
from incident_pipeline.errors import MalformedInputError, MissingArtifactError
from incident_pipeline.ingest import Alert, Inbox, read_alert, write_alert_bundle
from incident_pipeline.workspace import Workspace

BATCH = 50
"""Alerts per tick: a tick must end within a minute."""
RUN_KEY_TAG = "incident/run_key"


@dg.sensor(
    job=investigate_incident,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Start an investigation for each new alert in the inbox folder.",
)
def alert_inbox(
    context: dg.SensorEvaluationContext, workspace: WorkspaceResource
) -> dg.SensorResult | dg.SkipReason:
    """Take alert files from the inbox: a partition and a run for each new alert, malformed ones aside."""
    place = workspace.open()
    inbox = Inbox(place.inbox)
    requests: list[dg.RunRequest] = []
    for path in inbox.pending()[:BATCH]:
        try:
            request = _take(context, place, inbox, path)
        except (OSError, MissingArtifactError) as error:
            # One file that can't be read or moved must not keep the others from their runs.
            context.log.warning("%r left in the inbox: %s", path.name, error)
            continue
        if request is not None:
            requests.append(request)
    keys = sorted({str(request.partition_key) for request in requests})
    if not requests:
        return dg.SkipReason(f"No new alert in {place.inbox}.")
    return dg.SensorResult(
        run_requests=requests, dynamic_partitions_requests=[incidents.build_add_request(keys)]
    )


def _take(
    context: dg.SensorEvaluationContext, place: Workspace, inbox: Inbox, path: Path
) -> dg.RunRequest | None:
    """Give the run an alert file asks for; move it where it belongs when there is none to ask for."""
    try:
        data = inbox.read(path)
        alert = read_alert(data, path.name)
    except MalformedInputError as error:
        inbox.reject(path, error.diagnostics())
        context.log.warning("%r moved aside: %s", path.name, error.message)
        return None
    if alert.status == "resolved" or _started(context.instance, alert):
        inbox.claim(path)
        return None
    bundle = write_alert_bundle(alert, data, place.store / "alerts")
    return dg.RunRequest(
        run_key=alert.run_key,
        partition_key=place.register(bundle),
        tags={RUN_KEY_TAG: alert.run_key, "incident/trigger": "alert"},
    )


def _started(instance: dg.DagsterInstance, alert: Alert) -> bool:
    """Tell whether a run for this alert exists, whatever the name of the sensor that asked for it."""
    return instance.get_runs_count(dg.RunsFilter(tags={RUN_KEY_TAG: alert.run_key})) > 0


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    target=investigate_incident,
    description="Offer each bundle in the incidents folder as a partition; starts nothing.",
)
def incident_catalogue(
    context: dg.SensorEvaluationContext, workspace: WorkspaceResource
) -> dg.SensorResult | dg.SkipReason:
    """Add a partition for each bundle that has none yet."""
    place = workspace.open()
    found, broken = place.read_catalogue()
    for error in broken:
        context.log.warning("%s", error.diagnostics())
    new = sorted(set(found) - set(context.instance.get_dynamic_partitions("incident")))
    if not new:
        return dg.SkipReason(f"No new bundle in {place.incidents}.")
    return dg.SensorResult(dynamic_partitions_requests=[incidents.build_add_request(new)])
