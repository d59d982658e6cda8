"""Reading the settings from `usher.toml`, a mapping and the environment.

The environment wins over the rest: `USHER__TOKEN__LIFETIME_SECONDS=30` is the key
`lifetime_seconds` of the table `[token]`. Its values are written as in TOML; what is no TOML
value is taken as a string.
"""

from __future__ import annotations

import os
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from .errors import Fault, RefusedPin, SettingsError
from .provider_settings import tables
from .rules.settings import PolicySettings
from .setting_types import HIDDEN_FAULT, REFUSED_PIN, UNKNOWN_KEY, Table, suggestion
from .settings import Settings

ENVIRONMENT_PREFIX = "USHER__"
FILE_VARIABLE = "USHER_SETTINGS"
DEFAULT_FILE = "usher.toml"
MAIN_FILE = f"the settings; {FILE_VARIABLE} names another file"
LONGEST_VALUE_SHOWN = 120
PASSWORD_IN_URL = re.compile(r":.*@")
KEY_OF_TABLE = "[key]"
PROVIDERS = "providers"
NO_TYPE, UNKNOWN_TYPE = "union_tag_not_found", "union_tag_invalid"
HIDDEN = "a value that is not shown, as it may hold a secret"
FOUND = {
    "missing": "nothing",
    NO_TYPE: "nothing",
    "extra_forbidden": "an unknown key",
    "invalid_key": "an unknown key",
    UNKNOWN_KEY: "an unknown key",
    HIDDEN_FAULT: HIDDEN,
    REFUSED_PIN: HIDDEN,
}
"""What is told instead of the value."""
EXPECTED = {
    "missing": "a value: this key is required",
    "invalid_key": "keys that are strings",
    "string_type": "a string",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a table",
    "mapping_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
"""Our words for what pydantic expects."""
Tree = TypeVar("Tree", bound=BaseModel)


def load(
    config: Mapping[str, Any] | Path | str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Return the settings in `config`: a mapping, or the path of a TOML file.

    Without `config` the file is the one that `USHER_SETTINGS` names, else `usher.toml`.
    Relative paths in a file count from its folder, in a mapping from the working directory.
    Raises `SettingsError` with every fault.
    """
    values, folder = _values(config, environment)
    _include_policy(values, folder)
    return _validated(Settings, values, folder, environment)


def load_without_policy(
    config: Mapping[str, Any] | Path | str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Return the settings with an empty `[policy]`. Arguments and errors as for `load`.

    For what must work while the policy has faults, such as stopping everything.
    """
    values, folder = _values(config, environment)
    values.pop("policy", None)
    return _validated(Settings, values, folder, environment)


def settings_file(
    config: Mapping[str, Any] | Path | str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Path | None:
    """Return the file that settings are read from, `None` for a mapping."""
    if isinstance(config, Mapping):
        return None
    return Path(config or environment.get(FILE_VARIABLE) or DEFAULT_FILE).absolute()


@dataclass(frozen=True, slots=True)
class PolicySource:
    """Where the table `[policy]` comes from, to read it again. Arguments as for `load`."""

    config: Mapping[str, Any] | Path | str | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    def load(self) -> PolicySettings:
        """Return the table as it is now. Raises `SettingsError` with every fault of it."""
        values, folder = _values(self.config, self.environment)
        _include_policy(values, folder)
        return _validated(_PolicyOnly, values, folder, self.environment).policy

    def files(self) -> tuple[Path, ...]:
        """Return the files whose change may change the table, there or not, good or faulty."""
        path = settings_file(self.config, self.environment)
        try:
            named = _policy_file(*_values(self.config, self.environment))
        except SettingsError:
            named = None
        return tuple(it for it in (path, named) if it is not None)


class _PolicyOnly(Table):
    model_config = ConfigDict(extra="ignore")

    policy: PolicySettings = Field(default_factory=PolicySettings)


def _validated(
    model: type[Tree], values: dict[str, Any], folder: Path, environment: Mapping[str, str]
) -> Tree:
    try:
        return model.model_validate(
            values, context={"folder": folder, "environment": environment}
        )
    except ValidationError as error:
        faults = tuple(_fault(details, environment) for details in error.errors())
        raise SettingsError(faults) from None


def _values(
    config: Mapping[str, Any] | Path | str | None, environment: Mapping[str, str]
) -> tuple[dict[str, Any], Path]:
    """Return all that is written, and the folder that relative paths count from."""
    path = settings_file(config, environment)
    folder = path.parent if path else Path.cwd()
    values = _plain(config) if isinstance(config, Mapping) else _read(folder / str(path))
    _merge(values, _from_environment(environment))
    return values, folder


def _policy_file(values: dict[str, Any], folder: Path) -> Path | None:
    policy = values.get("policy")
    if not isinstance(policy, dict) or not isinstance(policy.get("file"), str | Path):
        return None
    return folder / str(policy["file"])


def _include_policy(values: dict[str, Any], folder: Path) -> None:
    """Put what the file of `policy.file` holds beside it."""
    path = _policy_file(values, folder)
    if path is None:
        return
    if set(values["policy"]) != {"file"}:
        fault = Fault("policy", "policy.file and other keys", "the other keys in that file")
        raise SettingsError((fault,))
    content = _read(path, expected="the policy, in TOML")
    if "file" in content:
        raise SettingsError((Fault(str(path), "the key file", "rules, and no further file"),))
    if not content:
        # A file that a full disk or an editor has emptied is good TOML.
        expected = "rules; write rules = [] to have none"
        raise SettingsError((Fault(str(path), "nothing", expected),))
    values["policy"] = {**content, "file": str(path)}


def _read(path: Path, expected: str = MAIN_FILE) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        # The decoder's message may quote the line, which may hold a password.
        place = re.search(r"\(at [^)]*\)", str(error))
        found = f"a syntax error {place[0] if place else ''}".strip()
        raise SettingsError((Fault(str(path), found, "TOML"),)) from None
    except UnicodeDecodeError:
        raise SettingsError((Fault(str(path), "bytes that are not UTF-8", "TOML"),)) from None
    except RecursionError:
        found = "too many tables or lists in one another"
        raise SettingsError((Fault(str(path), found, "TOML"),)) from None
    except OSError as error:
        found = "no file" if isinstance(error, FileNotFoundError) else "no readable file"
        raise SettingsError((Fault(str(path), found, expected),)) from None


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _plain(item) if isinstance(item, Mapping) else item for key, item in value.items()
    }


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in sorted(environment.items()):
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        *tables, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        branch = values
        for table in tables:
            branch = branch.setdefault(table, {})
            if not isinstance(branch, dict):
                raise SettingsError((Fault(name, "a value and a table", "one of them"),))
        branch[key] = _environment_value(text)
    return values


def _environment_value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if parsed.keys() == {"value"} else text


def _merge(values: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    for key, override in overrides.items():
        below = values.get(key)
        if isinstance(below, dict) and isinstance(override, dict):
            _merge(below, override)
        else:
            values[key] = override


def _fault(details: ErrorDetails, environment: Mapping[str, str]) -> Fault:
    location = _location(details)
    found, expected = _found(details), _expected(details)
    variable = _variable(location, environment)
    kind = RefusedPin if details["type"] == REFUSED_PIN else Fault
    return kind(".".join(location), f"{found} in {variable}" if variable else found, expected)


def _location(details: ErrorDetails) -> list[str]:
    location = [str(part) for part in details["loc"] if part != KEY_OF_TABLE]
    if location[0] == PROVIDERS:
        # Behind the provider's name comes the type that says which keys there are.
        del location[2:3]
    return [*location, "type"] if details["type"] in (NO_TYPE, UNKNOWN_TYPE) else location


def _found(details: ErrorDetails) -> str:
    value = details["input"]
    if details["type"] == UNKNOWN_TYPE:
        value = value["type"]
    if details["type"] in FOUND:
        return FOUND[details["type"]]
    if isinstance(value, str) and PASSWORD_IN_URL.search(value):
        return HIDDEN
    if isinstance(value, str | int | float | bool | None | Path):
        text = repr(str(value) if isinstance(value, Path) else value)
        short = len(text) <= LONGEST_VALUE_SHOWN
        return text if short else f"a value of {len(text)} characters"
    return "a table" if isinstance(value, Mapping) else f"a {type(value).__name__}"


def _expected(details: ErrorDetails) -> str:
    kind, location = details["type"], details["loc"]
    if kind == "extra_forbidden":
        return suggestion(str(location[-1]), _keys_of_table(location[:-1]))
    if kind in (NO_TYPE, UNKNOWN_TYPE):
        return suggestion(details.get("ctx", {}).get("tag", ""), tables())
    words = details["msg"].removeprefix("Input should be ").removeprefix("String should have ")
    return EXPECTED.get(kind, words)


def _variable(location: list[str], environment: Mapping[str, str]) -> str | None:
    """Return the variable that this value comes from, if there is one."""
    name = ENVIRONMENT_PREFIX + "__".join(location).upper()
    for variable in environment:
        if variable.startswith(ENVIRONMENT_PREFIX) and (
            variable == name
            or name.startswith(variable + "__")
            or variable.startswith(name + "__")
        ):
            return variable
    return None


def _keys_of_table(location: tuple[int | str, ...]) -> set[str]:
    model: type[BaseModel] = Settings
    if location[:1] == (PROVIDERS,):
        model, location = tables()[str(location[2])], location[3:]
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:
            continue
        model = next(iter(_models(field.annotation)), model)
    return set(model.model_fields)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if isinstance(annotation, types.GenericAlias | types.UnionType) or typing.get_args(
        annotation
    ):
        return [model for part in typing.get_args(annotation) for model in _models(part)]
    return []
