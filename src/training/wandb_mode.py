"""Whether a run can be logged online: decided without a prompt and within a bounded time."""

import threading
import urllib.error
import urllib.request

from src.config.errors import UserError


def choose_mode(timeout: float = 2.0) -> tuple[str, str]:
    """Mode of wandb, `online`, `offline` or `disabled`, and the reason in a few words.

    A mode that the user has set (WANDB_MODE, `wandb offline`) is taken as it is. Otherwise `online` where
    there is a key for the server (WANDB_API_KEY, netrc or wandb's settings) and the server answers an HTTP
    request, whatever the answer; else `offline`. The server is WANDB_BASE_URL, that of `wandb login --host`,
    or wandb's default.

    Args:
        timeout: seconds that the server has to answer, name resolution included.

    Raises:
        UserError: the user set WANDB_MODE=online and is not logged in.
    """
    import wandb

    settings = wandb.setup().settings
    if "mode" in settings.model_fields_set:
        if settings.mode == "online":
            require_login()
        return {"dryrun": "offline"}.get(settings.mode, settings.mode), "WANDB_MODE or wandb's settings say so"
    if not logged_in():
        return "offline", "not logged in: `wandb login` or WANDB_API_KEY"
    if not answers(settings.base_url, timeout):
        return "offline", f"{settings.base_url} did not answer within {timeout:g} s"
    return "online", "logged in"


def logged_in() -> bool:
    """Whether wandb knows a well-formed key for its server. Asks nobody, and never shows the key."""
    import wandb
    from wandb.errors import AuthenticationError
    from wandb.sdk.lib import wbauth

    host = wandb.setup().settings.base_url
    try:
        return bool(wbauth.authenticate_session(host=host, source="wandb", prompt=False, update_session=False))
    except AuthenticationError:
        return False


def require_login() -> None:
    """Refuses, in the place of wandb's prompt, to log online without a key.

    Raises:
        UserError: no well-formed key is known for the server.
    """
    if not logged_in():
        raise UserError(
            "wandb cannot log online without a login: run `wandb login`, set WANDB_API_KEY, or let "
            "logger.mode=auto (and WANDB_MODE unset) choose"
        )


def answers(url: str, timeout: float) -> bool:
    """Whether an HTTP server answers at this address within so many seconds, be it with an error.

    The thread that waits may outlive them: a name that does not resolve cannot be interrupted.
    """
    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(url, timeout=timeout).close()
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            return
        answered.set()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout)
    return answered.is_set()
