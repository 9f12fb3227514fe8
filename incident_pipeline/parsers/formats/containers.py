"""Logs of container runtimes: Docker's json-file, the CRI log of kubelets, and `docker compose logs`.

Each line carries one line of the application, or a piece of it: Docker cuts at 16 KiB and ends a whole line
with a newline, CRI marks pieces with P and the last one with F (kubernetes/design-proposals, kubelet CRI
logging). The names in a CRI file's path (namespace, pod, container) go to the rows.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.envelope import Pieces, wrapped
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.inner import ANSI
from incident_pipeline.parsers.jsontext import flatten, lines, records
from incident_pipeline.parsers.jsontext import text_of as json_text
from incident_pipeline.parsers.line_format import share_of, text_of
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Event, Rows
    from incident_pipeline.parsers.source import Source
    from incident_pipeline.parsers.timestamps import Stamp

_CRI: Final = re.compile(
    rb"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,12})?(?:Z|[+-]\d\d:\d\d)) (?P<stream>stdout|stderr)"
    rb" (?P<tags>[PF](?::\S{0,200})?)(?: (?P<text>[^\n]*))?$"
)
_POD_FOLDER: Final = re.compile(r"(?:.*/)?([a-z0-9.-]+)_([a-z0-9.-]+)_[0-9a-f-]{32,36}/([^/]+)/\d+\.log[^/]*")
_POD_FILE: Final = re.compile(r"(?:.*/)?([a-z0-9.-]+)_([a-z0-9-]+)_([a-z0-9.-]+)-[0-9a-f]{64}\.log[^/]*")
_COMPOSE: Final = re.compile(
    rb"(?:\x1b\[[0-9;]*[A-Za-z])*(?P<name>[A-Za-z0-9][\w.-]{0,120}?)(?:[-_](?P<replica>\d{1,4})"
    rb")?(?: {1,80}|\t)?"
    rb"(?:\x1b\[[0-9;]*m)*\|(?: |\t|(?=\x1b)|$)(?:\x1b\[[0-9;]*m)*"
)
_STAMPED: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,12})?(?:Z|[+-]\d\d:\d\d)) ?")
_KUBECTL: Final = re.compile(
    rb"(?:\[pod/(?P<pod>[^/\]\s]+)/(?P<container>[^\]\s]+)\]"
    rb" )?(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) "
)
_KUBECTL_PREFIX: Final = re.compile(r"\[pod/(?P<pod>[^/\]\s]+)/(?P<container>[^\]\s]+)\] ?")
_KUBECTL_LINE: Final = re.compile(rb"\[pod/[^/\]\s]+/[^\]\s]+\] ")


_STREAMS: Final = ("stdout", "stderr")


class _Pod(NamedTuple):
    attributes: dict[str, str]
    container: str | None
    pod: str | None


def pod_of(source: Source) -> _Pod:
    """Give the pod and container that the path of a kubelet's log names."""
    uri = source.uri
    folder = _POD_FOLDER.fullmatch(uri)
    if folder is not None:
        names = {"k8s.namespace.name": folder[1], "k8s.pod.name": folder[2], "k8s.container.name": folder[3]}
        return _Pod(names, folder[3], folder[2])
    file = _POD_FILE.fullmatch(uri)
    if file is not None:
        names = {"k8s.namespace.name": file[2], "k8s.pod.name": file[1], "k8s.container.name": file[3]}
        return _Pod(names, file[3], file[1])
    return _Pod({}, None, None)


class DockerJson(Format):
    """The parser of Docker's json-file driver."""

    id = "docker_json_file"
    stands_alone = True
    aliases = ("docker_json", "docker", "json_file")
    title = "Docker json-file logs"
    spec = "https://docs.docker.com/engine/logging/drivers/json-file/"
    kinds = (Kind.LOG,)
    splitting: ClassVar[Splitting] = "json"

    def score(self, sample: Sample) -> float:
        """Recognise objects with exactly a log line, its stream and its time (and `attrs`)."""
        held = sample.records
        good = [
            isinstance(item, dict)
            and isinstance(item.get("log"), str)
            and "time" in item
            and ("stream" in item or "attrs" in item)
            and "kubernetes" not in item
            for item in held
        ]
        return 0.95 * sum(good) / len(good) * sample.json_share if good else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every line, joining the pieces of long ones."""
        pieces = Pieces(rows)
        for record in records(data):
            value = record.value
            if not isinstance(value, dict) or not isinstance(value.get("log"), str):
                rows.reject(record.start, record.end, record.problem or "no `log` in this object")
                continue
            text = value["log"]
            stream = json_text(value.get("stream", ""))
            pieces.take(
                stream, record.start, record.end, text,
                whole=_is_whole(value), event=partial(_docker_event, rows, value, record.pointer),
            )  # fmt: skip
        pieces.finish()

    def is_closed(self, data: bytes, at: int) -> bool:
        """Tell whether the last record of each stream before this place is a whole line."""
        return _are_closed(data, at, _docker_piece)


def _is_whole(value: dict[str, Any]) -> bool:
    """Tell whether a record ends a line; pieces are joined per stream, and Docker knows two."""
    return value["log"].endswith("\n") or value.get("stream") not in _STREAMS


def _docker_piece(line: bytes, stream: str) -> bool | None:
    """Tell whether the last record of this stream in a line is whole; None when it holds none."""
    held = [item.value for item in records(line) if isinstance(item.value, dict)]
    of_stream = [item for item in held if item.get("stream") == stream and isinstance(item.get("log"), str)]
    return _is_whole(of_stream[-1]) if of_stream else None


def _cri_piece(line: bytes, stream: str) -> bool | None:
    match = _CRI.match(line)
    return match["tags"][:1] == b"F" if match is not None and match["stream"].decode() == stream else None


def _are_closed(data: bytes, at: int, piece: Callable[[bytes, str], bool | None]) -> bool:
    """Look back for the last record of each stream: at a cut none may wait for its other pieces."""
    for stream in _STREAMS:
        name, end = stream.encode(), at
        while (place := data.rfind(name, 0, end)) >= 0:
            start = data.rfind(b"\n", 0, place) + 1
            stop = data.find(b"\n", place)
            is_whole = piece(data[start : stop if stop >= 0 else len(data)].rstrip(b"\r"), stream)
            if is_whole is not None:
                if not is_whole:
                    return False
                break
            end = start
    return True


def _docker_event(
    rows: Rows, value: dict[str, Any], pointer: str | None, start: int, end: int, text: str, cut: bool
) -> Event:
    attributes = flatten({key: item for key, item in value.items() if key not in ("log", "time")})
    if cut:
        attributes["log.partial"] = "true"
    stamp = parse_time(json_text(value["time"]), rows.zone) if value.get("time") is not None else UNKNOWN
    service = attributes.get("attrs.com.docker.compose.service") or attributes.get("attrs.tag")
    return wrapped(rows, start, end, text, stamp, attributes, service=service, pointer=pointer)


class Cri(Format):
    """The parser of the logs that a kubelet's runtime writes (containerd, CRI-O)."""

    id = "cri"
    stands_alone = True
    aliases = ("cri_log", "containerd", "crio", "kubernetes_container")
    title = "CRI container logs"
    spec = "https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md"
    kinds = (Kind.LOG,)
    splitting: ClassVar[Splitting] = "lines"

    def score(self, sample: Sample) -> float:
        """Recognise time, stream and tag at the front of lines."""
        return 0.97 * share_of(sample.lines, _CRI)

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every line, joining pieces per stream."""
        pod = pod_of(rows.source)
        pieces = Pieces(rows)
        for start, end in lines(data):
            match = _CRI.match(data[start:end])
            if match is None:
                rows.reject(start, end, "no CRI line: time, stream and tag are missing")
                continue
            text = text_of(match["text"] or b"", 0, len(match["text"] or b""), rows)
            stream = match["stream"].decode()
            stamp = parse_time(match["time"].decode())
            pieces.take(
                stream, start, end, text,
                whole=match["tags"][:1] == b"F", event=partial(_cri_event, rows, pod, stream, stamp),
            )  # fmt: skip
        pieces.finish()

    def is_closed(self, data: bytes, at: int) -> bool:
        """Tell whether the last line of each stream before this place is no piece."""
        return _are_closed(data, at, _cri_piece)


def _cri_event(
    rows: Rows, pod: _Pod, stream: str, stamp: Stamp, start: int, end: int, text: str, cut: bool
) -> Event:
    attributes = {"stream": stream, **pod.attributes}
    if cut:
        attributes["log.partial"] = "true"
    return wrapped(rows, start, end, text, stamp, attributes, service=pod.container, host=pod.pod)


class Compose(Format):
    """The parser of what `docker compose logs` prints."""

    id = "docker_compose"
    stands_alone = True
    aliases = ("compose", "compose_logs")
    title = "docker compose logs"
    spec = "https://docs.docker.com/reference/cli/docker/compose/logs/"
    kinds = (Kind.LOG,)
    splitting: ClassVar[Splitting] = "lines"

    def score(self, sample: Sample) -> float:
        """Recognise `service-1  | ` at the front of lines; tables have more than one bar."""
        if not sample.lines:
            return 0.0
        hits = [match for line in sample.lines if (match := _COMPOSE.match(line)) is not None]
        if not hits:
            return 0.0
        numbered = sum(match["replica"] is not None or b"\x1b" in match[0] for match in hits)
        tables = sum(line.count(b" | ") > 1 and b"  | " not in line for line in sample.lines)
        share = len(hits) / len(sample.lines)
        return (0.9 if numbered * 2 > len(hits) else 0.65) * share * (1 - tables / len(sample.lines) / 2)

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every line behind its prefix; `--timestamps` puts a time there too."""
        for start, end in lines(data):
            match = _COMPOSE.match(data, start, end)
            if match is None:
                rows.reject(start, end, "no service stands in front of this line")
                continue
            service = match["name"].decode()
            attributes = {"container.replica": match["replica"].decode()} if match["replica"] else {}
            text = text_of(data, match.end(), end, rows)
            bare = ANSI.sub("", text) if text.startswith("\x1b") else text
            stamped = _STAMPED.match(bare)
            stamp = UNKNOWN
            if stamped is not None:
                stamp = parse_time(stamped[1])
                text = bare[stamped.end() :]
            rows.event(wrapped(rows, start, end, text, stamp, attributes, service=service))


class KubectlStamped(Format):
    """The parser of `kubectl logs --timestamps` and `--prefix`."""

    id = "kubectl_logs"
    stands_alone = True
    aliases = ("kubectl_log", "kubectl_timestamps")
    title = "kubectl logs with times or prefixes"
    spec = "https://kubernetes.io/docs/reference/kubectl/generated/kubectl_logs/"
    kinds = (Kind.LOG,)
    splitting: ClassVar[Splitting] = "lines"

    def score(self, sample: Sample) -> float:
        """Recognise nine-digit UTC times at the front, or `[pod/name/container]`."""
        stamped = share_of(sample.lines, _KUBECTL)
        prefixed = share_of(sample.lines, _KUBECTL_LINE)
        cri = share_of(sample.lines, _CRI)
        return max(0.5 * (stamped - cri), 0.9 * prefixed)

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every line; each is one line of the container."""
        for start, end in lines(data):
            text = text_of(data, start, end, rows)
            attributes: dict[str, str] = {}
            prefix = _KUBECTL_PREFIX.match(text)
            pod = container = None
            if prefix is not None:
                pod, container = prefix["pod"], prefix["container"]
                attributes = {"k8s.pod.name": pod, "k8s.container.name": container}
                text = text[prefix.end() :]
            stamped = _STAMPED.match(text)
            stamp = UNKNOWN
            if stamped is not None:
                stamp = parse_time(stamped[1])
                text = text[stamped.end() :]
            rows.event(wrapped(rows, start, end, text, stamp, attributes, service=container, host=pod))


FORMATS: Final[tuple[Format, ...]] = (DockerJson(), Cri(), Compose(), KubectlStamped())
