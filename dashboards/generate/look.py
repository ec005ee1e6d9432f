"""Colours and thresholds. Every colour has a contrast of at least 3:1 on the dark and the light theme, and none bears
a meaning alone: lights carry a word, lines a legend, and repeated colours another dash.
"""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model

BLUE = "#0072B2"
VERMILION = "#D55E00"
GREEN = "#00916A"
PURPLE = "#A05195"
AMBER = "#A87900"
GREY = "#7A7A7A"

GOOD, WARN, BAD = BLUE, AMBER, VERMILION
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, AMBER, GREY)

Steps = Sequence[tuple[float, str]]


def thresholds(steps: Steps, base: str = GOOD) -> build.ThresholdsConfig:
    """`base` below the first step; each step's colour from its value on."""
    return (
        build.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=None, color=base), *(model.Threshold(value=v, color=c) for v, c in steps)])
    )


def words(mapping: dict[str, tuple[str, str]]) -> list[model.ValueMapping]:
    """From a value to a word and its colour."""
    options = {
        value: model.ValueMappingResult(text=text, color=colour, index=index)
        for index, (value, (text, colour)) in enumerate(mapping.items())
    }
    return [model.ValueMap(options=options)]


def fixed(colour: str) -> model.DynamicConfigValue:
    """A series in one colour."""
    return model.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})
