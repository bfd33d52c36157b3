"""Hydra's own command-line options, checked before Hydra's parser, which would print its whole usage page."""

from __future__ import annotations

from collections.abc import Sequence

INFO = ("--info", "-i")
# Options whose value is the next argument, with its allowed values or a description; --info may stand alone.
WORDS: dict[str, tuple[str, ...] | str] = {
    **dict.fromkeys(("--cfg", "-c"), ("job", "hydra", "all")),
    **dict.fromkeys(INFO, ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")),
    **dict.fromkeys(("--package", "-p"), "a part of the config, such as data"),
    **dict.fromkeys(("--config-path", "-cp", "--config-dir", "-cd"), "a folder"),
    **dict.fromkeys(("--config-name", "-cn"), "the name of a config"),
    "--experimental-rerun": "a file that a run pickled",
}
COMPLETION = ("-sc", "--shell-completion")
MULTIRUN = ("-m", "--multirun")
FLAGS = (
    *(*WORDS, *COMPLETION, *MULTIRUN),
    *("-h", "--help", "--hydra-help", "--version", "--resolve", "-r", "--run"),
)
ONCE = ("new", "compare", "status", "dashboard")  # commands for which -m makes no sense


def takes_a_word(flag: str) -> bool:
    """Return whether the argument after an option is its value."""
    return flag in WORDS or flag in COMPLETION


def wrong_flag(arguments: Sequence[str], config_name: str = "train") -> str | None:
    """Return what is wrong with the options of a command line, in one sentence, or None if nothing is.

    >>> wrong_flag(["--cfg", "foo"])
    '--cfg must be followed by job, hydra or all, as in --cfg job, got foo.'
    >>> wrong_flag(["study", "-m"], "new")
    'new cannot run as a multirun: drop -m.'
    """
    for at, argument in enumerate(arguments):
        if not argument.startswith("-"):
            continue
        flag, equals, word = argument.partition("=")
        if flag not in FLAGS:
            return f"Unknown option {argument}: keys are given without dashes, as in seed=1 or model=lstm."
        if flag in MULTIRUN and config_name in ONCE:
            return f"{config_name} cannot run as a multirun: drop {flag}."
        if flag in COMPLETION and not any(a.startswith(("install=", "uninstall=", "query=")) for a in arguments):
            return f"{flag} needs a value, as in {flag} install=bash."
        if flag not in WORDS:
            continue
        word = word if equals else "".join(arguments[at + 1 : at + 2])
        known = WORDS[flag]
        if isinstance(known, tuple) and word not in known and (flag not in INFO or word):
            listed = f"{', '.join(known[:-1])} or {known[-1]}"
            return f"{flag} must be followed by {listed}, as in {flag} {known[0]}{f', got {word}' if word else ''}."
        if isinstance(known, str) and not word:
            return f"{flag} must be followed by {known}."
    return None
