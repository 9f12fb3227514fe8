"""Who owns whom in a cluster, and how pods are, as people's tools draw it.

Trees of kube-lineage (`├── ReplicaSet/x  1/1  5m`): the depth of a branch is its owner. Chains (`Pod/a →
ReplicaSet/b → Deployment/c`) with what they say of drift. Pods in a line each (`web  Running ready=1/1
restarts=1 age=3h`), with lines of reasons (`⚠`, `✗`) below. Ages count back from the time of collection.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.ages import AGE, before_collection, granularity
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.kubectl_text import Reference, kind_named, known_as
from incident_pipeline.parsers.kubernetes import state_severity, workload_of
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.text_table import header_of
from incident_pipeline.parsers.timestamps import UNKNOWN

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_REF: Final = r"[A-Z][A-Za-z]{1,60}(?:\.[a-z0-9.]{1,100})?/[\w.:-]{1,253}"
_BRANCH: Final = re.compile(
    rf"(?P<branch>[\s│|]{{0,200}}(?:[├└|`+][─-]{{1,3}}\s?)?)(?P<about>{_REF})(?:\s+(?P<rest>\S.{{0,2000}}))?"
)
_CHAIN: Final = re.compile(
    rf"\s{{0,40}}(?P<chain>{_REF}(?:\s{{0,4}}(?:→|->|=>|<-|←)\s{{0,4}}{_REF}){{1,12}})(?P<rest>.{{0,4000}})"
)
_ARROW: Final = re.compile(r"\s{0,4}(?:→|->|=>|<-|←)\s{0,4}")
_STATUS: Final = re.compile(
    r"\s{0,40}(?:[✓✔✗✘⚠●○•*-]\s{0,3})?(?P<name>[a-z0-9][\w./-]{0,252})\s+(?P<status>[A-Z][\w:/-]{1,80})\s+"
    r"(?P<pairs>(?:ready|restarts|age|node|ip|phase)=.{0,2000})"
)
_PAIR: Final = re.compile(r"([a-zA-Z_][\w.-]{0,60})=(\"[^\"]{0,500}\"|\S{1,300})")
_REASON: Final = re.compile(r"\s{0,80}[⚠✗✘✖❌]")
_LAST_AGE: Final = re.compile(rf"(?:^|\s)({AGE})$")
_DRAWN: Final = re.compile(r"[├└]")
_SHARE: Final = re.compile(r"(\d{1,6})/(\d{1,6})", re.ASCII)
_MAX_BLOCK: Final = 16_384


class KubeLineage(Format):
    """The parser of owner trees, owner chains and pods in lines."""

    id = "kube_lineage"
    aliases = ("owner_chain", "kubectl_lineage", "kubectl_tree", "pod_status_text")
    title = "Owners in a cluster as trees and chains; pods in lines"
    spec = "https://github.com/tohjustin/kube-lineage"
    kinds = (Kind.OBJECT_STATE,)

    def score(self, sample: Sample) -> float:
        """Recognise branches and chains of Kind/name, or pods with `ready=`."""
        texts = [line.decode("utf-8", "replace") for line in sample.lines]
        known = drawn = 0
        for text in texts:
            chain = _CHAIN.fullmatch(text) or _STATUS.fullmatch(text)
            branch = _BRANCH.fullmatch(text)
            drawn += chain is not None or (branch is not None and bool(_DRAWN.search(branch["branch"])))
            known += chain is not None or branch is not None or _REASON.match(text) is not None
        if not drawn or not texts:
            return 0.0
        return 0.9 * min(1.0, 0.3 + known / len(texts))

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every branch, chain and pod."""
        owners: list[tuple[int, str]] = []
        held: Event | None = None
        for start, end in lines(data):
            begin = data.rfind(b"\n", 0, start) + 1
            line = data[begin:start].decode("utf-8", "replace") + text_of(data, start, end, rows)
            chain, pod, branch = _CHAIN.fullmatch(line), _STATUS.fullmatch(line), _BRANCH.fullmatch(line)
            found: Event | None = None
            if chain is not None:
                found = _chain(chain, start, end)
            elif pod is not None:
                found = _pod(pod, start, end, rows)
            elif branch is not None:
                found = _branch(branch, owners, start, end, rows)
            elif header_of(line) is not None:
                found = Event(start, end, Kind.TOOL_OUTPUT, line.strip(), {"record": "headings"})
            elif (
                held is not None
                and (line[:1].isspace() or _REASON.match(line))
                and end - held.start <= _MAX_BLOCK
            ):
                held = _with(held, line.strip(), end)
                continue
            if held is not None:
                rows.event(held)
            held = found
            if found is None:
                rows.reject(start, end, "no branch, chain or pod in this line")
        if held is not None:
            rows.event(held)


def _row(start: int, end: int, message: str, named: Reference, facts: dict[str, str]) -> Event:
    owner = facts.get("k8s.owner", "").partition("/")
    service = workload_of(named.kind, named.name)
    if owner[2] and owner[0] not in ("Node", "Namespace"):
        service = workload_of(owner[0], owner[2])
    return Event(
        start=start,
        end=end,
        kind=Kind.OBJECT_STATE,
        message=message,
        attributes={**facts, **known_as(named.kind, facts.get("namespace"), named.name)},
        service=None if named.kind in ("Node", "Namespace") else service,
        host=named.name if named.kind in ("Pod", "Node") else None,
    )


def _branch(match: re.Match[str], owners: list[tuple[int, str]], start: int, end: int, rows: Rows) -> Event:
    kind, _, name = match["about"].partition("/")
    depth = len(match["branch"])
    while owners and owners[-1][0] >= depth:
        owners.pop()
    facts = {"k8s.owner": owners[-1][1]} if owners else {}
    owners.append((depth, f"{kind_named(kind)}/{name}"))
    rest = (match["rest"] or "").strip()
    if rest:
        facts["state"] = " ".join(rest.split())
    found = _row(start, end, match.string.strip(), Reference(kind_named(kind), name), facts)
    age = _LAST_AGE.search(rest)
    stamp = before_collection(age[1], rows) if age is not None else UNKNOWN
    if age is not None and stamp.time_ns is not None:
        facts = {**found.attributes, "time.of": "created", **granularity(age[1])}
        found = found._replace(attributes=facts)
    return found._replace(stamp=stamp, severity=_weight(rest))


def _chain(match: re.Match[str], start: int, end: int) -> Event:
    refs = _ARROW.split(match["chain"].strip())
    if "<-" in match["chain"] or "←" in match["chain"]:
        refs.reverse()
    kind, _, name = refs[0].partition("/")
    facts = {"k8s.owner": refs[1], "k8s.owners": " -> ".join(refs[1:])}
    if match["rest"].strip():
        facts["note"] = match["rest"].strip()
    top_kind, _, top = refs[-1].partition("/")
    found = _row(start, end, match.string.strip(), Reference(kind_named(kind), name), facts)
    return found._replace(service=workload_of(kind_named(top_kind), top))


def _pod(match: re.Match[str], start: int, end: int, rows: Rows) -> Event:
    facts = {key: value.strip('"') for key, value in _PAIR.findall(match["pairs"])}
    namespace, slash, name = match["name"].rpartition("/")
    if slash:
        facts["namespace"] = namespace
    facts["status"] = match["status"]
    found = _row(start, end, match.string.strip(), Reference("Pod", name), facts)
    age = facts.get("age")
    stamp = before_collection(age, rows) if age else UNKNOWN
    if stamp.time_ns is not None:
        found = found._replace(attributes={**found.attributes, "time.of": "created", **granularity(age)})
    return found._replace(
        stamp=stamp,
        severity=_weight(f"{match['status']} {facts.get('ready', '')}"),
        severity_raw=match["status"],
    )


def _with(event: Event, reason: str, end: int) -> Event:
    """Add a line of reasons to the row that it stands below."""
    said = "\n".join(part for part in (event.attributes.get("reasons"), reason) if part)
    weight = max(event.severity or 0, state_severity(reason) or 0)
    if reason[:1] in "✗✘✖❌":
        weight = max(weight, Severity.ERROR)
    elif reason[:1] == "⚠":
        weight = max(weight, Severity.WARN)
    message = f"{event.message}\n{reason}"
    return event._replace(
        end=end, message=message, attributes={**event.attributes, "reasons": said}, severity=weight or None
    )


def _weight(text: str) -> int | None:
    by_word = state_severity(text)
    share = _SHARE.search(text)
    short = share is not None and int(share[1]) < int(share[2])
    done = any(word in text for word in ("Completed", "Succeeded"))
    return max(by_word or 0, Severity.WARN) if short and not done else by_word


FORMATS: Final[tuple[Format, ...]] = (KubeLineage(),)
