"""Documentation is tested: every command, asset and configuration key appears where a user looks for it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import typer.main

from incident_pipeline.cli.app import app
from incident_pipeline.settings import Settings
from incident_pipeline.stages import STAGES

PROJECT = Path(__file__).parents[2]
GUIDE = (PROJECT / "docs" / "guide.md").read_text()
README = (PROJECT / "README.md").read_text()


def commands() -> list[str]:
    root = typer.main.get_command(app)
    found = []
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        children = getattr(command, "commands", None)
        found += [f"{name} {child}" for child in children] if children else [name]
    return found


@pytest.mark.parametrize("command", commands())
def test_each_command_is_documented_and_has_help(command: str) -> None:
    assert f"incident-pipeline {command}" in README
    assert f"`{command}" in GUIDE
    node = typer.main.get_command(app)
    for part in command.split():
        node = node.commands[part]  # type: ignore[attr-defined]
    assert node.help
    assert len(node.help) > 20


@pytest.mark.parametrize("stage", STAGES)
def test_each_asset_is_documented(stage: str) -> None:
    assert f"`{stage}`" in GUIDE


@pytest.mark.parametrize("key", [field.name for field in fields(Settings)])
def test_each_setting_is_documented(key: str) -> None:
    assert f"`{key}`" in GUIDE


def test_links_in_the_docs_lead_somewhere() -> None:
    for page in [*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")]:
        for part in page.read_text().split("](")[1:]:
            target = part.split(")")[0].split("#")[0]
            if target and "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
