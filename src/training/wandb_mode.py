"""Decide whether a run can be logged online, without a prompt and within a bounded time."""

import threading
import urllib.error
import urllib.request
from http.client import HTTPException

from src.config.errors import UserError


def choose_mode(timeout: float = 2.0) -> tuple[str, str]:
    """Return wandb's mode, `online`, `offline` or `disabled`, and the reason in a few words.

    A mode set by the user (WANDB_MODE, `wandb offline`) is used as it is. Otherwise the mode is `online` if there is a
    key for the server (WANDB_API_KEY, netrc or wandb's settings) and the server answers an HTTP request in any way,
    else `offline`. The server is WANDB_BASE_URL, that of `wandb login --host`, or wandb's default.

    Args:
        timeout: seconds to wait for the server, including name resolution.

    Raises:
        UserError: WANDB_MODE=online is set, but wandb is not logged in.
    """
    import wandb

    settings = wandb.setup().settings
    if "mode" in settings.model_fields_set:
        if settings.mode == "online":
            require_login()
        return {"dryrun": "offline"}.get(settings.mode, settings.mode), "set by WANDB_MODE or wandb's settings"
    if not logged_in():
        return "offline", "not logged in: run `wandb login` or set WANDB_API_KEY"
    if not answers(settings.base_url, timeout):
        return "offline", f"{settings.base_url} did not answer within {timeout:g} s"
    return "online", "logged in"


def logged_in() -> bool:
    """Return whether wandb has a well-formed key for its server, without a request and without revealing the key."""
    import wandb
    from wandb.errors import AuthenticationError
    from wandb.sdk.lib import wbauth

    host = wandb.setup().settings.base_url
    try:
        return bool(wbauth.authenticate_session(host=host, source="wandb", prompt=False, update_session=False))
    except AuthenticationError:
        return False


def require_login() -> None:
    """Refuse to log online without a key, instead of wandb's prompt.

    Raises:
        UserError: no well-formed key is known for the server.
    """
    if not logged_in():
        raise UserError(
            "wandb cannot log online without a login: run `wandb login`, set WANDB_API_KEY, or use "
            "logger.mode=auto without WANDB_MODE."
        )


def answers(url: str, timeout: float) -> bool:
    """Return whether an HTTP server answers at this address within a number of seconds, even with an error.

    The waiting thread may outlive the timeout, because name resolution cannot be interrupted.
    """
    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(url, timeout=timeout).close()
        except urllib.error.HTTPError as error:
            error.close()
        except (OSError, ValueError, HTTPException):  # nobody, no address of a web server, something else there
            return
        answered.set()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout)
    return answered.is_set()
