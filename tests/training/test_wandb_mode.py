import socket
import threading
import time
from pathlib import Path

import pytest

from src.config.errors import UserError
from src.training.wandb_mode import answers, choose_mode, require_login
from tests.standin.wandb_server import KEY, WandbServer


def test_online_where_logged_in_and_the_server_answers(server: WandbServer) -> None:
    assert choose_mode() == ("online", "logged in")
    assert server.operations == [], "asking whether it is there logs nobody in"


@pytest.mark.parametrize(("key", "mode"), [(KEY, "online"), ("password", "offline")])
def test_a_key_in_netrc_counts_where_it_is_one(
    server: WandbServer, no_wandb_account: pytest.MonkeyPatch, tmp_path: Path, key: str, mode: str, capfd: object
) -> None:
    no_wandb_account.delenv("WANDB_API_KEY")
    (tmp_path / "netrc").write_text(f"machine {server.url.removeprefix('http://')}\n  login user\n  password {key}\n")
    (tmp_path / "netrc").chmod(0o600)
    assert choose_mode()[0] == mode
    assert key not in "".join(capfd.readouterr())  # type: ignore[attr-defined]


def test_without_a_key_offline_and_no_prompt(server: WandbServer, no_wandb_account: pytest.MonkeyPatch) -> None:
    no_wandb_account.delenv("WANDB_API_KEY")
    no_wandb_account.setattr("sys.stdin", None)  # a prompt would fail
    assert choose_mode() == ("offline", "not logged in: run `wandb login` or set WANDB_API_KEY")
    with pytest.raises(UserError, match="without a login"):
        require_login()


def test_a_server_that_accepts_and_never_answers_is_left_within_the_bound(
    no_wandb_account: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        no_wandb_account.setenv("WANDB_BASE_URL", address)
        no_wandb_account.setenv("WANDB_API_KEY", KEY)
        choose_mode(0.0)  # loads what wandb loads
        start = time.monotonic()
        assert choose_mode(0.25) == ("offline", f"{address} did not answer within 0.25 s")
        assert 0.2 < time.monotonic() - start < 1.5


def test_what_is_no_web_server_does_not_answer_and_leaves_no_stack_trace() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0\r\n")

        threading.Thread(target=greet, daemon=True).start()
        assert not answers(f"http://127.0.0.1:{other.getsockname()[1]}", 5.0)
    assert not answers("localhost:9", 5.0)


def test_a_name_that_takes_long_to_resolve_is_left_within_the_bound(
    no_wandb_account: pytest.MonkeyPatch,
) -> None:
    no_wandb_account.setenv("WANDB_BASE_URL", "http://nowhere.invalid")
    no_wandb_account.setenv("WANDB_API_KEY", KEY)

    def resolve(*args: object, **options: object) -> None:
        time.sleep(2)
        raise socket.gaierror

    no_wandb_account.setattr("socket.getaddrinfo", resolve)
    choose_mode(0.0)
    start = time.monotonic()
    assert choose_mode(0.25)[0] == "offline"
    assert time.monotonic() - start < 1.5


@pytest.mark.parametrize(
    ("asked", "mode"), [("offline", "offline"), ("dryrun", "offline"), ("disabled", "disabled"), ("online", "online")]
)
def test_wandb_mode_is_respected(no_wandb_account: pytest.MonkeyPatch, asked: str, mode: str) -> None:
    no_wandb_account.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody listens
    no_wandb_account.setenv("WANDB_API_KEY", KEY)
    no_wandb_account.setenv("WANDB_MODE", asked)
    assert choose_mode(0.25)[0] == mode


def test_wandb_mode_online_without_a_key_is_a_mistake(no_wandb_account: pytest.MonkeyPatch) -> None:
    no_wandb_account.setenv("WANDB_MODE", "online")
    with pytest.raises(UserError, match="without a login"):
        choose_mode()
