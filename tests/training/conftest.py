import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standin.wandb_server import KEY, WandbServer


@pytest.fixture
def no_wandb_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """wandb as on a fresh machine: no key, no netrc, no settings, nothing left of another test."""
    import wandb
    from wandb.sdk.lib import wbauth

    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("WANDB__DISABLE_STATS", "true")
    monkeypatch.setenv("WANDB__DISABLE_MACHINE_INFO", "true")
    wandb.teardown()
    wbauth.unauthenticate_session(update_settings=False)
    yield monkeypatch
    wandb.teardown()
    wbauth.unauthenticate_session(update_settings=False)


@pytest.fixture
def server(no_wandb_account: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    """A stand-in server that the user of this test is logged in to."""
    import wandb

    with WandbServer() as server:
        no_wandb_account.setenv("WANDB_BASE_URL", server.url)
        no_wandb_account.setenv("WANDB_API_KEY", KEY)
        no_wandb_account.setattr("src.training.wandb_mirror.UPLOAD_TIMEOUT", 10.0)
        yield server
        wandb.teardown()  # while the server is there
