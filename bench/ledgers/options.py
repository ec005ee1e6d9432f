"""Reading `ledger.options` of a scenario into a pydantic model, with every mistake named at once."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.model.errors import ConfigurationError


class Options(BaseModel):
    """Unknown keys are refused; values are read once."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Chosen = TypeVar("Chosen", bound=Options)


def parse_options(ledger: str, model: type[Chosen], options: Mapping[str, object]) -> Chosen:
    """The options as `model`. Raises ConfigurationError that lists every mistake, with the nearest known name."""
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        details = error.errors(include_url=False)
        mistakes = "; ".join(
            _sentence(model, item["loc"], item["type"], item["msg"], item["input"]) for item in details
        )
        raise ConfigurationError(
            f"options of ledger {ledger}: {mistakes}",
            remedy=f"docs/adapters/{ledger.partition('-')[0]}.md lists them all",
        ) from error


def _sentence(model: type[BaseModel], location: tuple[int | str, ...], kind: str, message: str, value: object) -> str:
    path = ".".join(str(part) for part in location) or "options"
    if kind != "extra_forbidden":
        return f"{path}: {message.removeprefix('Value error, ')} (got {value!r})"
    known = _known(model, location[:-1])
    near = get_close_matches(str(location[-1]), known, n=1)
    return f"unknown option {path}, " + (f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}")


def _known(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        field = model.model_fields.get(str(part))
        annotation = None if field is None else field.annotation
        inner = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
        model = next((kind for kind in inner if issubclass(kind, BaseModel)), model)
    return list(model.model_fields)
