"""From a diagnosis to at most five hypotheses that can be refuted.

Two sources: the ranking's leading components, each with the mechanism that its reasons suggest
(`mechanisms.py`), and the explanations that responders raise anyway (`competitors.py`). Every
hypothesis carries checks with predictions written here, before any of them runs, at least one of them
decisive.

Prior confidence of a ranked component: `100 * s / (s + r) * c`, rounded and at most 90, where s is its
score, r the best score of any other component (so 50 % when two are equal, near 100 % when one stands
alone) and c is 0.6 plus 0.1 for each independent kind of reason, at most 0.9. Competing explanations
have priors of at most 45, dependencies at which failing chains end of at most 70 (a quarter less where two
stories are told of one). It is a prior: what the checks make of it is another module's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.diagnosis.competitors import competing_drafts
from incident_pipeline.diagnosis.mechanisms import component_drafts
from incident_pipeline.diagnosis.scene import read_scene
from incident_pipeline.model.hypothesis import Hypotheses, Hypothesis

if TYPE_CHECKING:
    from incident_pipeline.diagnosis.draft import Draft
    from incident_pipeline.diagnosis.scene import Scene
    from incident_pipeline.evidence.reader import EvidenceReader
    from incident_pipeline.model.hypothesis import Diagnosis, RankedComponent
    from incident_pipeline.signals.tables import IncidentTables

MAX_HYPOTHESES: Final = 5
PRIOR_CAP: Final = 90
_LEADING: Final = 3
_WORTH_NAMING: Final = 0.25
"""A component below this part of the best score is no rival of it."""
_CHANGES: Final = 2


def propose(diagnosis: Diagnosis, tables: IncidentTables, reader: EvidenceReader | None) -> Hypotheses:
    """Propose at most five causes, best first, each with evidence and with checks that can refute it.

    A healthy verdict has no cause to look for, and without enough evidence (or an onset to tell before from
    after) no check could settle one: both give no hypotheses, rather than a guess. Without a reader, as
    in bulk evaluation, hypotheses carry no citations; with one, an explanation that nothing can be cited for
    is dropped.
    """
    scene = read_scene(diagnosis, tables, reader) if diagnosis.verdict == "incident" else None
    drafts = [] if scene is None else _chosen(scene)
    if reader is not None:
        drafts = [draft for draft in drafts if draft.evidence]
    return Hypotheses(
        incident_id=diagnosis.incident_id,
        hypotheses=tuple(
            _numbered(rank, draft, _explained_by(draft, drafts, diagnosis.graph))
            for rank, draft in enumerate(drafts, start=1)
        ),
    )


def prior_of(ranked: RankedComponent, best_other: float) -> int:
    """Give the prior confidence of a ranked component; the formula stands in the module's docstring."""
    if ranked.score <= 0:
        return 0
    share = ranked.score / (ranked.score + max(best_other, 0.0))
    terms = len({reason.term for reason in ranked.reasons})
    return min(PRIOR_CAP, round(100 * share * min(0.9, 0.6 + 0.1 * terms)))


def _chosen(scene: Scene) -> list[Draft]:
    ranking = scene.diagnosis.ranking
    leading: list[Draft] = []
    for place, ranked in enumerate(ranking[:_LEADING]):
        if not ranked.reasons or ranked.score < _WORTH_NAMING * ranking[0].score:
            continue
        others = max((other.score for other in ranking if other is not ranked), default=0.0)
        drafts = component_drafts(scene, ranked, prior_of(ranked, others))
        leading.extend(drafts if place == 0 else drafts[:1])
    competing = competing_drafts(scene)
    # What both sources say counts once, with the higher prior. Neither the ranking's first nor the changes
    # that every responder asks about first are crowded out.
    drafts = _distinct([*leading, *competing])
    changes = [draft for draft in drafts if draft.change_row is not None][:_CHANGES]
    safe = {_subject(draft) for draft in (*leading[:1], *changes)}
    kept = [draft for draft in drafts if _subject(draft) in safe]
    kept += [draft for draft in drafts if _subject(draft) not in safe]
    return sorted(kept[:MAX_HYPOTHESES], key=_order)


def _distinct(drafts: list[Draft]) -> list[Draft]:
    """Keep the likeliest draft of each subject, likeliest first."""
    best: dict[tuple[str, ...], Draft] = {}
    for draft in sorted(drafts, key=_order):
        best.setdefault(_subject(draft), draft)
    return list(best.values())


def _subject(draft: Draft) -> tuple[str, ...]:
    # Two changes on one service are two stories; two sets of reasons for one kind of fault are one.
    told_apart = (draft.summary,) if draft.kind in ("change", "load") else ()
    return (draft.component, draft.kind, *told_apart)


def _order(draft: Draft) -> tuple[int, str, str, str]:
    return (-draft.prior, draft.component, draft.kind, draft.summary)


def _explained_by(cause: Draft, drafts: list[Draft], graph: dict[str, list[str]]) -> tuple[str, ...]:
    """Give the ids of the drafts that `cause` would bring about."""
    below = _below(cause.component, graph)
    ids = []
    for rank, effect in enumerate(drafts, start=1):
        if effect is cause:
            continue
        breaks = cause.kind == "change" and effect.kind != "change" and effect.component == cause.component
        loads = cause.raises_demand and effect.kind in ("capacity", "resource") and effect.component in below
        provokes = effect.follows == cause.component
        if breaks or loads or provokes:
            ids.append(f"H{rank}")
    return tuple(ids)


def _below(component: str, graph: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    pending = [component]
    while pending:
        for callee in graph.get(pending.pop(), ()):
            if callee not in found and callee != component:
                found.add(callee)
                pending.append(callee)
    return found


def _numbered(rank: int, draft: Draft, explains: tuple[str, ...]) -> Hypothesis:
    name = f"H{rank}"
    return Hypothesis(
        rank=rank,
        id=name,
        summary=draft.summary,
        component=draft.component,
        kind=draft.kind,
        mechanism=draft.mechanism,
        confidence=draft.prior,
        evidence=draft.evidence,
        explains=explains,
        tests=tuple(
            test.model_copy(update={"id": f"{name}.{number}"})
            for number, test in enumerate(draft.tests, start=1)
        ),
    )
