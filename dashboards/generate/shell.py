"""What stands around the panels: rows and their layout, variables, annotations, links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as model

from dashboards.generate.look import AMBER, BLUE, GREY, VERMILION
from dashboards.generate.panels import SOURCE, STEP
from dashboards.generate.queries import of

TAG = "bench"
"""On every dashboard, so that they find each other, and on every annotation that is pushed."""

WIDTH = 24
OWN = kinds.DataSourceRef(type_val="grafana", uid="-- Grafana --")
SHOWN_PHASES = "warm_up|measure|drain"

Variable = Builder[model.VariableModel]


@dataclass(frozen=True, slots=True)
class Section:
    """A row of the dashboard: the question its panels answer. Folded, it shows its panels when somebody opens it."""

    id: int
    question: str
    lines: tuple[tuple[model.Panel, ...], ...]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard. `uid` never changes once published."""

    uid: str
    title: str
    text: str
    refresh: str
    since: str
    variables: tuple[Variable, ...]
    sections: tuple[Section, ...]

    def build(self) -> model.Dashboard:
        """The classic JSON model, version 1."""
        made = (
            build.Dashboard(self.title)
            .uid(self.uid)
            .description(self.text)
            .tags([TAG])
            .editable()
            .tooltip(model.DashboardCursorSync.CROSSHAIR)
            .time(self.since, "now")
            .timezone("browser")
            .refresh(self.refresh)
            .timepicker(build.TimePicker().refresh_intervals(["1s", "2s", "5s", "10s", "30s", "1m", "5m"]))
            .variables([_datasource(), *self.variables])
            .annotations(list(annotation_queries(any(_name(variable) == "run" for variable in self.variables))))
            .link(_link())
            .build()
        )
        for link in made.links or []:
            link.placement = None  # type: ignore[assignment] # the default would hide it in a menu of newer versions
        made.panels = laid_out(self.sections)
        return made


def laid_out(sections: Sequence[Section]) -> list[model.Panel | model.RowPanel]:
    """Every panel with its place: sections below each other, lines below each other, no gap."""
    placed: list[model.Panel | model.RowPanel] = []
    y = 0
    for section in sections:
        where = model.GridPos(h=1, w=WIDTH, x=0, y=y)
        row = build.Row(section.question).id(section.id).grid_pos(where).collapsed(section.folded).build()
        panels, below = _below(section.lines, y + 1)
        placed.append(row)
        if section.folded:
            row.panels = panels
            y += 1
        else:
            placed += panels
            y = below
    return placed


def _below(lines: Sequence[Sequence[model.Panel]], y: int) -> tuple[list[model.Panel], int]:
    """The panels of a section that begins at `y`, placed, and where the next one begins."""
    placed: list[model.Panel] = []
    for panels in lines:
        x = 0
        for panel in panels:
            grid = panel.grid_pos or model.GridPos()
            grid.x, grid.y = x, y
            placed.append(panel)
            x += grid.w
        y += grid.h
    return placed, y


def section(identifier: int, question: str, *lines: tuple[model.Panel, ...]) -> Section:
    """A row and the lines below it."""
    return Section(identifier, question, lines)


def folded(identifier: int, question: str, *lines: tuple[model.Panel, ...]) -> Section:
    """A row that is closed at first: for what few runs have. In it panels ask nothing until it is opened."""
    return Section(identifier, question, lines, folded=True)


def line(height: int, *panels: model.Panel) -> tuple[model.Panel, ...]:
    """Panels side by side, of one height; their widths fill the grid."""
    for panel in panels:
        assert panel.grid_pos is not None
        panel.grid_pos.h = height
    return panels


def annotation_queries(of_a_run: bool) -> list[build.AnnotationQuery]:
    """What people added, what `dashboards annotate` pushed and, of the chosen run, phases and alerts by query."""
    people = build.AnnotationQuery().name("Annotations & Alerts").datasource(OWN).built_in(1).enable(True).hide(True)
    people = people.icon_color(GREY).type("dashboard")
    pushed = build.AnnotationQuery().name("Phases and faults (pushed)").datasource(OWN).enable(True).icon_color(AMBER)
    tags = [TAG, "run:$run"] if of_a_run else [TAG]  # Grafana fills in variables; without `match_any` it wants both
    pushed.build().target = model.AnnotationTarget(limit=500, match_any=False, tags=tags, type_val="tags")  # type: ignore[assignment] # the model takes it, its type asks for a data query
    if not of_a_run:
        return [people, pushed]
    phases = _by_query("Phases", of("bench_phase", f'phase=~"{SHOWN_PHASES}"'), BLUE, "{{phase}}")
    alerts = _by_query("Alerts", of("ALERTS", 'alertstate="firing"'), VERMILION, "{{alertname}}")
    return [people, phases, alerts, pushed]


def _by_query(name: str, expr: str, colour: str, title: str) -> build.AnnotationQuery:
    """Seconds in which `expr` is above zero, joined to regions."""
    target = prometheus.Dataquery().expr(expr).interval(STEP).ref_id("Anno").range().datasource(SOURCE)
    made = build.AnnotationQuery().name(name).datasource(SOURCE).enable(True).icon_color(colour).target(target)
    return made.title_format(title).text_format(title).use_value_for_time(False)


def query_variable(
    name: str, label: str, text: str, metric: str, key: str, *, many: bool = True, newest_first: bool = False
) -> build.QueryVariable:
    """Values of the label `key` of `metric`, asked again whenever the time range moves."""
    order = model.VariableSort.ALPHABETICAL_DESC if newest_first else model.VariableSort.ALPHABETICAL_ASC
    query = f"label_values({metric}, {key})"
    made = (
        build.QueryVariable(name)
        .label(label)
        .description(text)
        .datasource(SOURCE)
        .query({"query": query, "refId": f"variable-{name}", "qryType": 1})
        .definition(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(order)
        .multi(many)
        .include_all(many)
    )
    if many:
        made = made.current(model.VariableOption(selected=True, text=["All"], value=["$__all"]))
    return made


def ledger_and_workload(metric: str) -> tuple[Variable, Variable]:
    """The two filters in front of the choice of a run."""
    narrowed = f'{metric}{{ledger=~"$ledger"}}'
    return (
        query_variable("ledger", "Ledger", "Only runs on these ledgers.", metric, "ledger"),
        query_variable("workload", "Workload", "Only runs of these workloads.", narrowed, "workload"),
    )


def one_run() -> tuple[Variable, ...]:
    """Filters and the run; run ids begin with their time, so the newest comes first and is chosen."""
    narrowed = 'bench_run_info{ledger=~"$ledger",workload=~"$workload"}'
    run = query_variable(
        "run", "Run", "The run shown; the newest comes first.", narrowed, "run_id", many=False, newest_first=True
    )
    return (*ledger_and_workload("bench_run_info"), run)


def _datasource() -> build.DatasourceVariable:
    return build.DatasourceVariable("datasource").label("Data source").description("A Prometheus.").type("prometheus")


def _link() -> build.DashboardLink:
    """To the other dashboards, with the choices made here."""
    return (
        build.DashboardLink("Benchmark dashboards")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .icon("external link")
        .tooltip("The other dashboards, with this time range and these choices")
        .include_vars(True)
        .keep_time(True)
    )


def _name(variable: Variable) -> str:
    return variable.build().name
