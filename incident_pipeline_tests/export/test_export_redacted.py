"""A redacted export: it holds no raw text, verifies as far as it goes, and says how far that is."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from incident_pipeline.cli.app import main
from incident_pipeline.errors import ConfigError, MissingArtifactError
from incident_pipeline.evidence.manifest import read_signed
from incident_pipeline.export import export, verify_path
from incident_pipeline.redaction import Rules
from incident_pipeline.serialise import sha256_hex
from incident_pipeline_tests.evidence.sealed_case import CHAT, LOG, Case
from incident_pipeline_tests.export import exported_case
from incident_pipeline_tests.export.exported_case import (
    close_anew,
    make_manifests_anew,
    rewrite,
    run_script,
    verify,
)
from incident_pipeline_tests.redaction.test_redaction_canary import canary, content, forbidden, run

__all__ = ["run"]

SECRET = "Kanarie7d2f41b9c05e8a63"  # noqa: S105 -- planted, so that it can be looked for
SECRETS = f"10:00:02 login failed password={SECRET} user=u\n10:00:03 mail to {SECRET}@example.com\n".encode()
OTHER = SECRETS.replace(b"login", b"logon")
RESULTS = "data/results/inc-1"


def view(data: bytes) -> str:
    return f"{RESULTS}/redacted/{sha256_hex(data)}.bin"


def make_case(root: Path, *, title: str = "Stock fails") -> Case:
    """Seal, redact and derive a tiny incident with a secret in two of its four artifacts."""
    case = Case(root)
    files = {"logs/app.log": LOG, "chat.json": CHAT, "logs/secret.log": SECRETS, "logs/other.log": OTHER}
    sealed = case.seal(case.bundle(files, title=title))
    case.write_ledger(sealed)
    exported_case.redact(case, sealed)
    exported_case.derive(case)
    return case


def export_redacted(case: Case, name: str = "redacted") -> Path:
    bag = case.root / name
    export(case.out, bag, case.signer.signer, config_dir=case.config, redact=Rules())
    return bag


@pytest.fixture(scope="module")
def redacted_original(tmp_path_factory: pytest.TempPathFactory) -> Case:
    case = make_case(tmp_path_factory.mktemp("redacted"))
    export_redacted(case)
    return case


@pytest.fixture
def shown(redacted_original: Case, tmp_path: Path) -> tuple[Case, Path]:
    """A copy of a redacted export whose seal is shown, to be altered."""
    shutil.copytree(redacted_original.root, tmp_path / "case")
    case = Case(tmp_path / "case")
    return case, case.root / "redacted"


@pytest.fixture(scope="module")
def canaries(run: tuple[Path, Path, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The redacted export of a whole run over planted secrets, also in the title; and the configuration."""
    from incident_pipeline.evidence import load_or_create_local_signer  # noqa: PLC0415

    bag = tmp_path_factory.mktemp("canaries") / "bag"
    signer = load_or_create_local_signer(run[1], environ={}).signer
    export(run[0], bag, signer, config_dir=run[1], redact=Rules())
    return bag, run[1]


def texts(path: Path) -> list[bytes]:
    """A file's bytes, and what they stand for: a table's values, a statement's payload and what it holds."""
    found = [path.read_bytes()]
    if path.suffix == ".parquet" and found[0][:4] == b"PAR1":
        found.append(content(path))
    if path.name.endswith(".sigstore.json"):
        found.append(read_signed(found[0]).payload)
    return found


def forms(word: bytes) -> list[bytes]:
    """A word as it is, percent-encoded, in hex, and in base64 wherever it begins."""
    encoded = [base64.b64encode(b"\0" * before + word) for before in range(3)]
    cores = [it[4 if before else 0 : len(it) - 4] for before, it in enumerate(encoded)]
    return [word, quote(word).encode(), word.hex().encode(), *cores]


def leaks(bag: Path, words: dict[str, bytes]) -> list[tuple[str, str]]:
    return [
        (path.relative_to(bag).as_posix(), name)
        for path in sorted(bag.rglob("*"))
        if path.is_file()
        for name, word in words.items()
        if any(form in text for text in texts(path) for form in forms(word))
    ]


def test_no_planted_secret_is_in_it_in_any_form(canaries: tuple[Path, Path]) -> None:
    bag, _ = canaries
    assert len([path for path in bag.rglob("*") if path.is_file()]) > 50
    assert leaks(bag, forbidden()) == []


def test_the_search_for_secrets_finds_them_where_they_are(
    run: tuple[Path, Path, str], tmp_path: Path
) -> None:
    """Otherwise finding none would say nothing: tables, signed payloads and encoded forms are looked into."""
    found = {(name, word) for name, word in leaks(run[0], forbidden())}
    assert ("events.parquet", "json") in found
    assert ("manifest.sigstore.json", "title") in found
    word = canary("json").encode()
    for number, form in enumerate(forms(word)):
        (tmp_path / str(number)).write_bytes(b"xx " + form + b" yy")
    assert len(leaks(tmp_path, {"it": word})) == 6


def test_a_seal_with_a_secret_is_withheld_and_its_place_in_the_log_still_shown(
    canaries: tuple[Path, Path],
) -> None:
    bag, config = canaries
    report = verify_path(bag, config_dir=config)
    assert (report.exit_code, report.failures) == (0, ())
    assert not (bag / "data" / "seals").exists()
    assert report.counts["seal"] == {"withheld": 1}
    assert report.counts["log"] == {"ok": 2}
    assert report.counts["artifact"] == {"withheld": 16}
    assert report.counts["citation"]["ok"] > 50
    assert report.counts["derivation"]["withheld"] == 8
    assert "exporter's word" in next(item.message for item in report.withheld if item.kind == "seal")


def test_it_verifies_against_the_digests_of_the_originals(shown: tuple[Case, Path]) -> None:
    case, bag = shown
    report = verify_path(bag, config_dir=case.config)
    assert (report.exit_code, report.failures) == (0, ())
    assert report.counts["seal"] == {"ok": 1}
    assert report.counts["artifact"] == {"withheld": 5}
    assert report.counts["redaction"] == {"ok": 2, "withheld": 2}
    assert report.counts["citation"] == {"ok": 2}
    assert report.counts["derivation"]["withheld"] == 8
    assert report.summary.startswith("Everything that is shown holds: 0 of 5 artifacts (5 withheld)")
    document = report.as_dict()
    assert document["exit_code"] == 0
    assert {item["outcome"] for item in document["withheld"]} == {"withheld"}  # type: ignore[attr-defined]
    assert leaks(bag, {"secret": SECRET.encode()}) == []
    assert not (bag / "data" / "objects").exists()


def test_the_script_says_the_same(shown: tuple[Case, Path], tools: Path) -> None:
    case, bag = shown
    code, text = run_script(bag, case.signer.trust_path, tools=tools)
    assert code == 0, text
    assert "Everything that is shown holds" in text
    assert "13 files are withheld, not verified" in text
    assert "2 of 4 sealed artifacts are shown as they were sealed" in text


def test_the_script_takes_a_withheld_seal(canaries: tuple[Path, Path], tools: Path) -> None:
    bag, config = canaries
    code, text = run_script(bag, *sorted((config / "trust").glob("*.pem")), tools=tools)
    assert code == 0, text
    assert "its digests are the exporter's word" in text
    assert "the seal is entry 0" in text


def swap(bag: Path, one: str, two: str) -> None:
    first, second = (bag / one).read_bytes(), (bag / two).read_bytes()
    assert len(first) == len(second)
    rewrite(bag / one, second)
    rewrite(bag / two, first)


def edit(name: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    def attack(bag: Path) -> None:
        data = (bag / name).read_bytes()
        assert old in data
        rewrite(bag / name, data.replace(old, new))

    return attack


def forget_an_object(predicate: Any) -> None:
    listed = predicate["redacted"]["withheld"]
    listed.remove(next(it for it in listed if it["name"].startswith("data/objects/")))


def lie_about_a_digest(predicate: Any) -> None:
    listed = predicate["redacted"]["withheld"]
    next(it for it in listed if it["name"] == f"{RESULTS}/events.parquet")["digest"]["sha256"] = "0" * 64


def withhold_what_nobody_made(predicate: Any) -> None:
    entry = {"name": f"{RESULTS}/zzz.json", "digest": {"sha256": "0" * 64}, "reason": "raw evidence"}
    predicate["redacted"]["withheld"].append(entry)


def smuggle_an_original(bag: Path) -> None:
    digest = sha256_hex(SECRETS)
    place = bag / "data" / "objects" / digest[:2] / digest[2:]
    place.parent.mkdir(parents=True)
    place.write_bytes(SECRETS)


@dataclass(frozen=True)
class Attack:
    what: str
    how: Callable[[Path], None]
    named: str
    change: Callable[[Any], object] = lambda _: None


def nothing(_: Path) -> None:
    """Only what the exporter says is another thing."""


ATTACKS = [
    Attack("swap two views", lambda bag: swap(bag, view(SECRETS), view(OTHER)), view(SECRETS)),
    Attack("edit a view", edit(view(SECRETS), b"login", b"logon"), view(SECRETS)),
    Attack("edit a view beside nothing replaced", edit(view(LOG), b"failed", b"healed"), view(LOG)),
    Attack("remove a view", lambda bag: (bag / view(LOG)).unlink(), view(LOG)),
    Attack("edit a span map", edit(view(SECRETS).replace(".bin", ".spans.json"), b'"offset":', b'"offset":1'),
           view(SECRETS).replace(".bin", ".spans.json")),
    Attack("edit the card", edit(f"{RESULTS}/redaction.json", b"logs/secret.log", b"logs/secrex.log"),
           f"{RESULTS}/redaction.json"),
    Attack("edit the postmortem", edit(f"{RESULTS}/postmortem.json", b"failed", b"healed"),
           f"{RESULTS}/postmortem.json"),
    Attack("edit a citation", edit(f"{RESULTS}/ledger.json", b"closed", b"opened"), f"{RESULTS}/ledger.json"),
    Attack("remove a derived file", lambda bag: (bag / RESULTS / "timeline.md").unlink(),
           f"{RESULTS}/timeline.md"),
    Attack("smuggle an original back", smuggle_an_original, sha256_hex(SECRETS)[2:]),
    Attack("say nothing of an object", nothing, "data/objects/", forget_an_object),
    Attack("another digest of a withheld table", nothing, f"{RESULTS}/events.parquet", lie_about_a_digest),
    Attack("withhold what nobody made", nothing, f"{RESULTS}/zzz.json", withhold_what_nobody_made),
    Attack("call it a full export", nothing, "data/objects/", lambda it: it.update(redacted=None)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("attack", "signed_anew"),
    [
        pytest.param(attack, anew, id=attack.what.replace(" ", "-") + ("-and-sign" if anew else ""))
        for attack in ATTACKS
        for anew in (False, True)
        if anew or attack.how is not nothing
    ],
)
def test_every_attack_is_refused_and_named(
    attack: Attack, shown: tuple[Case, Path], tools: Path, redacted_original: Case, *, signed_anew: bool
) -> None:
    """By whoever got the export; and by the exporter, who can sign the bag again but not the stages."""
    case, bag = shown
    attack.how(bag)
    if signed_anew:
        close_anew(bag, case.signer, attack.change)
    else:
        make_manifests_anew(bag)
    code, messages = verify(bag, case.config)
    assert code == 1
    short = attack.named.removeprefix(f"{RESULTS}/")
    assert short in messages or (short == "data/objects/" and "sealed with sha256" in messages) or (
        short == "data/objects/" and "does not hold its bytes" in messages
    ), messages  # fmt: skip
    if not signed_anew:
        return
    script = redacted_original.root / "redacted" / "verify.sh"
    code, text = run_script(bag, case.signer.trust_path, tools=tools, script=script)
    assert code == 1, text
    assert any(attack.named in line for line in text.splitlines() if line.startswith("FAILED")), text


def test_a_name_that_is_itself_a_secret_has_no_redacted_export(tmp_path: Path) -> None:
    case = Case(tmp_path)
    sealed = case.seal(
        case.bundle({"logs/app.log": LOG, "chat.json": CHAT, "someone@example.com.log": b"x\n"})
    )
    case.write_ledger(sealed)
    exported_case.redact(case, sealed)
    exported_case.derive(case)
    with pytest.raises(ConfigError, match="name of an artifact"):
        export_redacted(case)
    assert not (case.root / "redacted").exists()


def test_results_without_a_redacted_view_are_not_exported(tmp_path: Path) -> None:
    case = Case(tmp_path)
    exported_case.make(case)
    with pytest.raises(MissingArtifactError, match="no redacted view"):
        export_redacted(case)


def test_a_new_result_file_is_withheld_until_somebody_has_looked_at_it(tmp_path: Path) -> None:
    from incident_pipeline.export.redacted import is_shown  # noqa: PLC0415
    from incident_pipeline.export.steps import STEPS  # noqa: PLC0415

    written = {name for step in STEPS.values() for name in step.writes}
    assert {name for name in written if not is_shown(name)} == {
        "evidence.json", "events.parquet", "samples.parquet", "series.parquet", "quarantine.parquet",
        "templates.parquet", "coverage.json", "clocks.json",
    }  # fmt: skip
    assert not is_shown("new.json")


def test_the_commands_export_and_verify_redacted(
    shown: tuple[Case, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case, _ = shown
    monkeypatch.setenv("INCIDENT_PIPELINE_CONFIG_DIR", str(case.config))
    monkeypatch.chdir(case.root)

    def command(*arguments: str) -> tuple[int, Any]:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--json"])
        return int(ended.value.code or 0), json.loads(capsys.readouterr().out)

    code, value = command("export", "out", "--out", "second", "--redacted")
    assert (code, value["redacted"], value["withheld"]) == (0, True, 13)
    code, value = command("verify", "second")
    assert (code, len(value["withheld"])) == (0, 15)
    with pytest.raises(SystemExit) as ended:
        main(["verify", "second"])
    assert ended.value.code == 0
    assert "withheld" in capsys.readouterr().out
