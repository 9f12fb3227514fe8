from __future__ import annotations

import inspect

from incident_pipeline import errors


def classes() -> list[type[errors.IncidentPipelineError]]:
    return [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, errors.IncidentPipelineError)
    ]


def test_the_outline_in_the_docstring_names_every_error() -> None:
    for value in classes():
        assert value.__name__ in (errors.__doc__ or "")


def test_families_have_their_exit_codes_and_every_error_advises() -> None:
    families = {
        errors.EvidenceError: 1,
        errors.ConfigError: 2,
        errors.UnreadableInputError: 3,
        errors.ServiceError: 3,
    }
    for value in classes():
        for family, code in families.items():
            if issubclass(value, family):
                assert value.exit_code == code
                assert value("x").advice
        assert value.__name__.endswith("Error")


def test_diagnostics_hold_message_and_advice() -> None:
    error = errors.MissingArtifactError("a.json is missing.", advice="Put it there.")
    assert error.diagnostics() == "a.json is missing.\nPut it there."
