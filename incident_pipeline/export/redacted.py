"""What a redacted export holds of an incident, and what it withholds.

An allow list, so that a new result file is withheld until somebody has looked at it: handed out are the
redacted views with their span maps, what was made from them alone, and signed statements. Raw evidence and
tables as parsed stay behind, each by its digest. Seals and custody entries are what people typed and can't be
altered without losing their signature: where the rules find anything in one, those of its incident are
withheld as well, and of a seal only digests, names and its leaf hash in the log are told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from incident_pipeline.errors import ConfigError, MissingArtifactError
from incident_pipeline.evidence.log_records import leaf_of
from incident_pipeline.evidence.manifest import SignedPayload, read_signed, read_statement
from incident_pipeline.evidence.statement import Digest, Subject
from incident_pipeline.evidence.vault import record_name
from incident_pipeline.export import layout
from incident_pipeline.export.derivation import FOLDER
from incident_pipeline.model.redaction import Redaction
from incident_pipeline.redaction import Rules, find
from incident_pipeline.serialise import compact_json, sha256_hex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from incident_pipeline.evidence.statement import Statement
    from incident_pipeline.results import ResultsFolder

SHOWN: Final = frozenset({
    "chunks.parquet", "diagnosis.json", "facts.json", "hypotheses.json", "ledger.json", "parse_report.json",
    "postmortem.json", "postmortem.md", "redaction.json", "report.html", "seal.log.json", "timeline.json",
    "timeline.md", "timeline.parquet", "validated_checks.json",
})  # fmt: skip
"""Result files that hold no raw text; the folders of views and of statements come along whole."""
_FOLDERS: Final = (FOLDER, "redacted")
SEAL: Final = "manifest.sigstore.json"


@dataclass
class Holding:
    """What an export holds back, filled while it is written."""

    rules: Rules
    withheld: dict[str, layout.Withheld] = field(default_factory=dict)
    seals: list[layout.WithheldSeal] = field(default_factory=list)
    rulesets: set[str] = field(default_factory=set)

    def hold(self, name: str, sha256: str, reason: layout.Reason) -> None:
        """Withhold a file of the bag, by the name it would have."""
        self.withheld[name] = layout.Withheld(name=name, digest=Digest(sha256=sha256), reason=reason)

    def hold_object(self, subject: Subject) -> None:
        """Withhold a sealed object."""
        self.hold(f"{layout.DATA}/{subject.name}", subject.digest.sha256, "raw evidence")

    def view(self) -> layout.RedactedView:
        """Give what the bag's statement says."""
        return layout.RedactedView(
            ruleset=", ".join(sorted(self.rulesets)),
            withheld=tuple(self.withheld[name] for name in sorted(self.withheld)),
            seals=tuple(sorted(self.seals, key=lambda it: (it.incident, it.sequence))),
        )

    def shows(self, payloads: Iterable[bytes]) -> bool:
        """Say whether the rules find nothing in signed payloads, so that they can be handed out."""
        return not any(find(payload, self.rules) for payload in payloads)

    def hold_seal(self, raw: bytes, signed: SignedPayload) -> None:
        """Withhold a seal; tell its digests and names.

        Raises:
            ConfigError: a name itself is what the rules redact.
        """
        statement = read_statement(signed)
        incident, sequence = statement.predicate.incident.key, statement.predicate.seal.sequence
        told = _told(statement, leaf_of(signed).hex())
        if not self.shows([compact_json(told.model_dump(mode="json"))]):
            message = (
                f"{incident}: the name of an artifact or of the incident is itself what the rules redact."
            )
            advice = "Every file that cites the artifact holds that name: there is no redacted export of it."
            raise ConfigError(message, advice=advice)
        name = f"{layout.DATA}/seals/{incident}/{sequence:06d}.sigstore.json"
        self.hold(name, sha256_hex(raw), "holds text that is redacted")
        self.seals.append(told)

    def hold_custody(self, records: dict[str, bytes]) -> bool:
        """Withhold an incident's custody entries where any holds text that is redacted; say whether."""
        if self.shows(read_signed(data, name=name).payload for name, data in records.items()):
            return False
        for name, data in records.items():
            place = f"{layout.DATA}/{record_name(name)}"
            self.hold(place, sha256_hex(data), "holds text that is redacted")
        return True


def read_card(folder: ResultsFolder) -> Redaction:
    """Read the card of the redacted view that an export is made from.

    Raises:
        MissingArtifactError: the results have no redacted view, or its card can't be read.
    """
    try:
        return Redaction.model_validate_json(folder.redaction.read_bytes())
    except (OSError, ValidationError) as error:
        message = f"{folder.root.name}: there is no redacted view to export."
        advice = "Run `incident-pipeline investigate` again; its step `embeddings` makes the view."
        raise MissingArtifactError(message, advice=advice) from error


def is_shown(name: str) -> bool:
    """Say whether a result file may be handed out in a redacted export."""
    return name in SHOWN or name.split("/", maxsplit=1)[0] in _FOLDERS


def raw_names(names: Iterable[str]) -> Iterator[str]:
    """Give the result files that stay behind, but the seal, which is judged by what it says."""
    yield from (name for name in names if not is_shown(name) and name != SEAL)


def _told(statement: Statement, leaf: str) -> layout.WithheldSeal:
    predicate = statement.predicate
    return layout.WithheldSeal(
        incident=predicate.incident.key,
        incident_id=predicate.incident.id,
        sequence=predicate.seal.sequence,
        leaf=leaf,
        subject=statement.subject,
        artifacts=tuple(
            layout.WithheldArtifact(
                uri=facts.source.uri,
                also_known_as=facts.source.also_known_as,
                size=facts.size,
                plaintext=facts.plaintext,
                subject=facts.subject,
            )
            for facts in predicate.artifacts
        ),
    )
