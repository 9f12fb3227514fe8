"""Sealers in processes of their own, which a test may kill or starve while they seal."""

from __future__ import annotations

import multiprocessing
import resource
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from incident_pipeline.errors import IncidentPipelineError
from incident_pipeline.evidence import Intake, LocalVault, load_or_create_local_signer, seal
from incident_pipeline.ingest import open_bundle

# One server process imports everything once and forks a sealer in milliseconds, so that many rounds fit.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


class SealingProcess:
    """Seals one bundle folder into the vault of a case; returns from the constructor when it begins."""

    def __init__(self, root: Path, bundle: Path, *, file_limit: int | None = None) -> None:
        self._pipe, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_seal, args=(theirs, root, bundle, file_limit))
        self._process.start()
        theirs.close()
        assert self._hear() == "begins"

    def kill(self) -> bool:
        """Send SIGKILL; say whether it was still sealing."""
        self._process.kill()
        return self._end() is None

    def finish(self) -> str | None:
        """Wait for the outcome: `sealed`, or an error of ours."""
        return self._end()

    def _end(self) -> str | None:
        said = self._hear()
        self._process.join()
        self._process.close()
        self._pipe.close()
        return said

    def _hear(self) -> str | None:
        try:
            return str(self._pipe.recv())
        except EOFError:
            return None


def _seal(pipe: Connection, root: Path, bundle: Path, file_limit: int | None) -> None:
    signer = load_or_create_local_signer(root / "config", {}).signer
    vault = LocalVault(root / "out/.store/vault")
    if file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    pipe.send("begins")
    try:
        # As the stage does it: stored while being hashed.
        with Intake(vault) as intake:
            opened = open_bundle(bundle, root / "scratch", intake.take)
            seal(opened, vault, signer, now=datetime.now(UTC), stored=intake.stored())
    except IncidentPipelineError as error:
        pipe.send(error.message)
    else:
        pipe.send("sealed")
