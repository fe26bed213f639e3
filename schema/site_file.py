"""Reading site.toml: its keys and the types of their values, with a message for every mistake."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from schema.words import nearest

Option = str | int | float | bool
# Options of sbatch that sync sets itself, with the keys to use instead
RESERVED_OPTIONS = {
    "job-name": "nowhere: it is how sync finds its jobs again",
    "array": "nowhere",
    "requeue": "nowhere: every end of a job is final, and a new attempt follows",
    "no-requeue": "nowhere: it is always set",
    "output": "nowhere: logs are in the run folders",
    "error": "nowhere: logs are in the run folders",
    "chdir": "nowhere: a job runs in its code snapshot",
    "signal": "signal_s",
    "time": "time_limit_minutes",
    "mem": "memory_gb",
    "cpus-per-task": "cpus_per_trial",
    "gpus-per-node": "gpus_per_trial",
    "nodes": "ranks_per_node, and ranks in a recipe",
    "ntasks-per-node": "ranks_per_node, and ranks in a recipe",
}


# The form of `keep_weights`
KEEP_WEIGHTS = re.compile(r"last|all|every:[1-9][0-9]{0,8}")


class SiteError(ValueError):
    """A site.toml has an unknown key or an invalid value."""


def parsed(path: Path) -> dict[str, Any]:
    """Parse a site.toml; a missing file counts as empty.

    Raises:
        SiteError: it is not TOML.
    """
    try:
        return tomllib.loads(path.read_text()) if path.exists() else {}
    except tomllib.TOMLDecodeError as error:
        raise SiteError(f"{path} is not valid TOML: {error}") from error


def check_table(path: Path, name: str, value: Any) -> None:
    """Check that a value is a TOML table.

    Raises:
        SiteError: it is not; the message says how a table is written.
    """
    if not isinstance(value, dict):
        raise SiteError(f"{path}: {name} must be a table, written [{name}], not {value!r}")


def check_keys(path: Path, keys: Iterable[str], known: Sequence[str], prefix: str = "") -> None:
    """Refuse a key that is not among the known ones.

    Raises:
        SiteError: the message names the known keys and the nearest.
    """
    for key in keys:
        if key not in known:
            raise SiteError(
                f"{path}: unknown key {prefix + key!r}. "
                f"Known keys: {', '.join(known)}.{nearest(key, known)}"
            )


def converted(path: Path, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the values of known keys to the types of their defaults.

    Raises:
        SiteError: a value of another type, or a number below 0.
    """
    return {key: _converted(path, key, value, type(defaults[key])) for key, value in values.items()}


def check_keep_weights(path: Path, key: str, value: Any) -> None:
    """Check a value of `keep_weights`.

    Raises:
        SiteError: it is invalid; the message lists the allowed values.
    """
    if not isinstance(value, str) or KEEP_WEIGHTS.fullmatch(value) is None:
        raise SiteError(
            f"{path}: {key} must be 'last', 'all' or 'every:N' (as 'every:5'), not {value!r}"
        )


def keep_weights_of_study(path: Path, study: str, table: Any) -> str:
    """Return `keep_weights`, the only key of a table `[study.NAME]`.

    Raises:
        SiteError: it is no table, lacks the key, has another key, or its value is invalid.
    """
    check_table(path, f"study.{study}", table)
    check_keys(path, table, ["keep_weights"], f"study.{study}.")
    value = table.get("keep_weights", "")
    check_keep_weights(path, f"study.{study}.keep_weights", value)
    return str(value)


def check_retries(path: Path, retries: Mapping[str, Any]) -> None:
    """Check that numbers of retries are whole numbers, 0 or more.

    Raises:
        SiteError: names the key.
    """
    for key, value in retries.items():
        _converted(path, f"retries.{key}", value, int)


def check_notify(path: Path, notify: Mapping[str, Any]) -> None:
    """Check that `[notify]` has no keys but `url` and `command`, each a text.

    Raises:
        SiteError: names the key.
    """
    check_keys(path, notify, ["url", "command"], "notify.")
    for key, value in notify.items():
        _converted(path, f"notify.{key}", value, str)


def slurm_options(
    path: Path, table: Mapping[str, Any], options: dict[str, Option], setup: tuple[str, ...]
) -> tuple[dict[str, Option], tuple[str, ...]]:
    """Return the options of sbatch and the setup lines, with the overrides of a `[slurm]` table.

    Raises:
        SiteError: an option that sync sets itself, or a value of a wrong type.
    """
    options = dict(options)
    for key, value in table.items():
        option = key.replace("_", "-")
        if option == "setup":
            if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
                raise SiteError(f"{path}: slurm.setup must be a list of shell lines, not {value!r}")
            setup = tuple(value)
        elif option in RESERVED_OPTIONS:
            raise SiteError(
                f"{path}: slurm.{key} cannot be set here; "
                f"where to say it: {RESERVED_OPTIONS[option]}"
            )
        elif not isinstance(value, str | int | float | bool):
            raise SiteError(
                f"{path}: slurm.{key} must be a text, number or true, "
                f"as sbatch's --{option} takes it, not {value!r}"
            )
        else:
            options[option] = value
    return options, setup


def _converted(path: Path, key: str, value: Any, type_: type) -> Any:
    """Convert a value to a type: an int may stand for a float, a text for a path."""
    message = f"{path}: {key} must be a {_type_in_words(type_)}, not {value!r}"
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise SiteError(message)
    if issubclass(type_, Path) and isinstance(value, str):
        return Path(value)
    if type_ is float and isinstance(value, int | float):
        value = float(value)
    if type(value) is not type_ or (isinstance(value, int | float) and value < 0):
        raise SiteError(message)
    return value


def _type_in_words(type_: type) -> str:
    """Return the name of a type in words."""
    if issubclass(type_, Path):
        return "path (text)"
    return {int: "whole number, 0 or more", float: "number, 0 or more", str: "text"}[type_]
