"""Make every attack of the test suite for real, and print what is said about it as Markdown.

    python benchmarks/attack_table.py [--out FILE]

Two lists: the attacks on evidence, log, keys, time and stores (`evidence/attack_list.py`), and those on an
export (`export/test_export_attacks.py`). The tests run the same rows, so every line here has a test. Ends with 1
when something is said that the tests do not expect. Takes about a minute; two rows need `weed` and `moto_server`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from incident_pipeline.export import verify_path  # noqa: E402 -- after the path is set
from incident_pipeline_tests.evidence import attack_list  # noqa: E402 -- as above
from incident_pipeline_tests.evidence.sealed_case import Case  # noqa: E402 -- as above
from incident_pipeline_tests.export import exported_case, test_export_attacks  # noqa: E402 -- as above

Line = tuple[str, str, str, int, bool]
"""Attack, what was done, what was said, exit code, and whether that is what the tests expect."""


def evidence_lines(place: Path) -> Iterator[Line]:
    for number, row in enumerate(attack_list.ROWS):
        root = place / f"evidence-{number}"
        root.mkdir()
        code, said = row.run(root)
        yield row.attack, row.done, _short(said, root), code, code == row.code and row.says in said


def export_lines(place: Path) -> Iterator[Line]:
    original = Case(place / "original")
    exported_case.make(original)
    for number, attack in enumerate(test_export_attacks.ATTACKS):
        root = place / f"export-{number}"
        shutil.copytree(original.root, root)
        case, bag = Case(root), root / "bag"
        attack.how(bag, attack.target)
        report = verify_path(bag, config_dir=case.config)
        named = test_export_attacks.names_of(attack)
        messages = [
            item.message if item.name in item.message else f"{item.name}: {item.message}"
            for item in report.failures
        ]
        # The first message that names what was attacked; a bag has others, such as that of its manifest.
        said = next((it for it in messages if any(name in it for name in named)), "")
        kind = (
            attack.how.__name__.replace("_", " ") if attack.how.__name__ != "attack" else "edit and rewrite"
        )
        yield (
            kind,
            f"export: {attack.what}",
            _short(said, root),
            report.exit_code,
            report.exit_code == 1 and bool(said),
        )
        shutil.rmtree(root)


def _short(text: str, root: Path) -> str:
    """Take out what differs from run to run or is of this machine, and long digests."""
    text = text.replace(f"{root}/", "").replace(str(root), "DIR")
    text = re.sub(r"([0-9a-f]{8})[0-9a-f]{48,}", r"\1…", text)
    text = re.sub(r"http://127\.0\.0\.1:\d+", "STORE", text)
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= 220 else f"{text[:219]}…"


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("<", "&lt;")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the table here as well")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="Duplicate name")
    rows = ["| attack | what was done | what was said | exit code |", "|---|---|---|---|"]
    count = wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for lines in (evidence_lines, export_lines):
            for attack, done, said, code, expected in lines(Path(folder)):
                count += 1
                wrong += not expected
                note = "" if expected else " **(not as expected)**"
                rows.append(f"| {_cell(attack)} | {_cell(done)} | {_cell(said)}{note} | {code} |")
    rows += ["", f"{count} attacks, {wrong} of them not answered as the tests expect."]
    text = "\n".join(rows) + "\n"
    if options.out:
        options.out.write_text(text)
    print(text, end="")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
