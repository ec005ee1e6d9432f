"""Options that mean the same in every command that runs trials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ScenarioFile = Annotated[
    Path | None, typer.Argument(metavar="[SCENARIO.yaml]", help="Scenario file; flags override what it says.")
]
Ledgers = Annotated[
    list[str] | None, typer.Option("--ledger", metavar="NAME", help="Managed ledger; repeat for several.")
]
AdapterName = Annotated[
    str | None, typer.Option("--adapter", metavar="NAME", help="Adapter that speaks to --endpoint.")
]
EndpointUrl = Annotated[str | None, typer.Option("--endpoint", metavar="URL", help="A running node that is not ours.")]
WorkloadName = Annotated[str | None, typer.Option("--workload", metavar="NAME", help="Workload; `plugins` lists them.")]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="Seed of everything random.")]
Workers = Annotated[int | None, typer.Option("--workers", metavar="N", help="Processes that send.")]
Batch = Annotated[int | None, typer.Option("--batch", metavar="N", help="Most transactions in one request.")]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        metavar="FILE",
        help="Key or password for --endpoint; or BENCH_FUNDING_KEY.",
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory in which the bundles are made.")]
Live = Annotated[
    bool, typer.Option("--live", help="Serve live figures to this machine: a page, and metrics for Prometheus.")
]
MetricsListen = Annotated[
    str | None,
    typer.Option("--metrics-listen", metavar="HOST:PORT", help="Serve them there; whoever can reach it can read them."),
]
JsonWhenDone = Annotated[bool, typer.Option("--json", help="Print JSON when done.")]
