"""Panels: the settings that every panel of a kind shares, so that a dashboard's file holds only what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders.dashboard import FieldColor
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models import table as tables
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.generate.look import GOOD, PALETTE, Steps, fixed, thresholds, words
from dashboards.generate.queries import Query

SOURCE = kinds.DataSourceRef(type_val="prometheus", uid="${datasource}")
STEP = "1s"
"""Exporters are scraped once a second: no panel asks for finer steps."""

NOTHING = "No data: is the harness running and scraped?"
DASH = {"dash": [8, 6], "fill": "dash"}


@dataclass(frozen=True, slots=True)
class About:
    """What a panel is. `id` never changes once published: links hold it. `width` is in columns, of which there are 24.
    `text` says what is shown, and what it means when it looks wrong; `nothing` stands in place of data.
    """

    id: int
    width: int
    title: str
    unit: str
    text: str
    nothing: str = NOTHING


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the query it comes from, its heading and unit."""

    query: str
    title: str
    unit: str
    mapping: dict[str, tuple[str, str]] = field(default_factory=dict)


def lines(
    about: About,
    *queries: Query,
    steps: Steps = (),
    low: float | None = 0,
    high: float | None = None,
    log: bool = False,
    stacked: bool = False,
) -> model.Panel:
    """Lines over time. Lines with fixed names get fixed colours, and dashes when colours repeat."""
    panel = (
        timeseries.Panel()
        .line_width(2)
        .fill_opacity(30 if stacked else 0)
        .show_points(kinds.VisibilityMode.AUTO)
        .legend(_legend())
        .tooltip(_tooltip())
        .color_scheme(_palette())
    )
    if low is not None:
        panel = panel.min(low)
    if high is not None:
        panel = panel.max(high)
    if log:
        scale = common.ScaleDistributionConfig().type(kinds.ScaleDistribution.LOG).log(10)
        panel = panel.scale_distribution(scale)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL).group("A"))
    if steps:
        style = common.GraphThresholdsStyleConfig().mode(kinds.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(thresholds(steps)).thresholds_style(style)
    for index, query in enumerate(queries):
        if "{{" not in query.legend:
            look = [fixed(PALETTE[index % len(PALETTE)])]
            if index >= len(PALETTE) // 2:
                look.append(model.DynamicConfigValue(id_val="custom.lineStyle", value=DASH))
            panel = panel.override_by_name(query.legend, look)
    return _finish(panel, about, queries)


def tile(
    about: About,
    *queries: Query,
    steps: Steps = (),
    base: str = GOOD,
    mapping: dict[str, tuple[str, str]] | None = None,
    names: dict[str, str] | None = None,
    decimals: int | None = None,
) -> model.Panel:
    """One value, large. With `mapping` it is a light with a word; with `names` (legend to colour) the name is shown."""
    panel = (
        stat.Panel()
        .graph_mode(kinds.BigValueGraphMode.NONE)
        .color_mode(kinds.BigValueColorMode.VALUE)
        .text_mode(kinds.BigValueTextMode.NAME if names else kinds.BigValueTextMode.AUTO)
        .orientation(kinds.VizOrientation.AUTO)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(thresholds(steps, base))
        .color_scheme(_by_threshold())
    )
    if decimals is not None:
        panel = panel.decimals(decimals)
    if mapping:
        panel = panel.mappings(words(mapping))
    for name, colour in (names or {}).items():
        panel = panel.override_by_name(name, [fixed(colour)])
    return _finish(panel, about, queries)


def timeline(about: About, query: Query, mapping: dict[str, tuple[str, str]]) -> model.Panel:
    """States over time, a lane for each series, each state with its word."""
    panel = (
        statetimeline.Panel()
        .mappings(words(mapping))
        .color_scheme(_by_threshold())
        .thresholds(thresholds([]))
        .show_value(kinds.VisibilityMode.AUTO)
        .merge_values(True)
        .legend(_legend())
        .tooltip(_tooltip())
    )
    return _finish(panel, about, (query,))


def heat_map(about: About, query: Query) -> model.Panel:
    """How many fell into which bucket, over time. The unit is that of the buckets."""
    panel = (
        heatmap.Panel()
        .calculate(False)
        .color(heatmap.HeatmapColorOptions().mode(heat.HeatmapColorMode.SCHEME).scheme("Viridis").steps(64))
        .y_axis(heatmap.YAxisConfig().unit(about.unit).axis_placement(kinds.AxisPlacement.LEFT))
        .rows_frame(heatmap.RowsHeatmapOptions().layout(kinds.HeatmapCellLayout.LE))
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .show_legend()
        .tooltip(heatmap.HeatmapTooltip().mode(kinds.TooltipDisplayMode.SINGLE).y_histogram(True))
    )
    return _finish(panel, about, (query,), PromQueryFormat.HEATMAP)


def bars(about: About, query: Query) -> model.Panel:
    """One bar for each series, newest value."""
    panel = (
        bargauge.Panel()
        .orientation(kinds.VizOrientation.HORIZONTAL)
        .display_mode(kinds.BarGaugeDisplayMode.BASIC)
        .value_mode(kinds.BarGaugeValueMode.TEXT)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .min(0)
        .thresholds(thresholds([]))
        .color_scheme(_by_threshold())
    )
    return _finish(panel, about, (query,))


def rows(
    about: About, queries: Sequence[Query], columns: Sequence[Column], labels: dict[str, str], link: str = ""
) -> model.Panel:
    """A table with a row for each set of label values. `labels` are the headings of label columns, in order; `link` is
    where a click on the first one leads.
    """
    panel = table.Panel().show_header(True).cell_height(kinds.TableCellHeight.SM).filterable(True)
    for column in columns:
        look = [model.DynamicConfigValue(id_val="unit", value=column.unit)]
        if column.mapping:
            look.append(model.DynamicConfigValue(id_val="mappings", value=words(column.mapping)))
            cell = kinds.TableColorTextCellOptions()
            look.append(model.DynamicConfigValue(id_val="custom.cellOptions", value=cell))
        panel = panel.override_by_name(column.title, look)
    if link:
        target = [{"title": "Open this run", "url": link}]
        first = next(iter(labels.values()))
        panel = panel.override_by_name(first, [model.DynamicConfigValue(id_val="links", value=target)])
    named = {f"Value #{column.query}": column.title for column in columns} if len(queries) > 1 else {}
    order = [*labels, *(f"Value #{column.query}" for column in columns)]
    organised = {
        "excludeByName": {"Time": True, **({} if named else {"Value": True})},
        "indexByName": {name: index for index, name in enumerate(order)},
        "renameByName": {**labels, **named},
    }
    panel = panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    panel = panel.with_transformation(model.DataTransformerConfig(id_val="organize", options=organised))
    made = _finish(panel, about, queries, PromQueryFormat.TABLE)
    assert isinstance(made.options, tables.Options)
    made.options.footer = None  # the builder's default is one that newer versions do not know
    return made


def _finish(
    builder: Builder[model.Panel], about: About, queries: Sequence[Query], form: PromQueryFormat | None = None
) -> model.Panel:
    """What all panels have: identity, unit, words, data source, queries."""
    panel = builder.build()
    panel.grid_pos = model.GridPos(w=about.width)
    panel.id_val, panel.title, panel.description = about.id, about.title, about.text
    panel.datasource, panel.interval = SOURCE, STEP
    panel.repeat_direction = None
    panel.targets = []
    for index, query in enumerate(queries):
        target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(chr(ord("A") + index))
        target = target.datasource(SOURCE).format(form or PromQueryFormat.TIME_SERIES)
        panel.targets.append((target.instant() if query.instant else target.range()).build())
    assert panel.field_config is not None
    panel.field_config.defaults.unit = about.unit
    panel.field_config.defaults.no_value = about.nothing
    return panel


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(kinds.LegendDisplayMode.TABLE)
        .placement(kinds.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
    )


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING)


def _palette() -> FieldColor:
    return FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME)


def _by_threshold() -> FieldColor:
    return FieldColor().mode(model.FieldColorModeId.THRESHOLDS)
