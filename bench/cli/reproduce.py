"""`bench.py reproduce`: runs a bundle's scenario again and says whether the results agree."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.environment import say_differences
from bench.cli.gate import environment_here, share, whole_bundle
from bench.cli.options import JsonWhenDone
from bench.cli.output import note, print_json, print_table, say
from bench.cli.run import RESULTS, execute, show
from bench.model.errors import ConfigurationError, ExitCode, NotComparableError, worst
from bench.model.version import __version__

if TYPE_CHECKING:
    from bench.bundle.environment_difference import Difference
    from bench.bundle.reader import Bundle
    from bench.report.held import Held
    from bench.report.repeated import Exact
    from bench.scenario.schema import Scenario

_EXAMPLE = "\b\nExample:\n  bench.py reproduce results/20260314-091500-transfer-anvil-1a2b3c --tolerance 5%"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came out: exact things first, then the figures; `agrees` is None where it is undecided."""

    exact: Sequence[Exact]
    figures: Sequence[Held]
    agrees: bool | None

    @property
    def code(self) -> ExitCode:
        """0 agrees, 4 differs, 8 undecided."""
        return {True: ExitCode.DONE, False: ExitCode.GATE_FAILED, None: ExitCode.UNDECIDED}[self.agrees]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reproduce", epilog=_EXAMPLE)(reproduce)


def reproduce(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Directory of the run to repeat.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Directory in which the new bundle is made.")
    ] = RESULTS,
    trials: Annotated[
        int | None, typer.Option("--trials", metavar="N", help="Repeats. Default: as the bundle's scenario says.")
    ] = None,
    tolerance: Annotated[
        str, typer.Option("--tolerance", metavar="SHARE", help="How far a figure may be off and still agree.")
    ] = "5%",
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", metavar="FILE", help="Key of a funded account, if the run was on an endpoint."),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option("--endpoint", metavar="URL", help="Whole address of the run's node; bundles keep no keys of it."),
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Run although hardware or versions differ.")] = False,
    as_json: JsonWhenDone = False,
) -> None:
    """Run a bundle's scenario again, and say whether the results agree.

    A figure agrees when the whole interval of its difference lies within the tolerance. Ends with 0 when all do, 4 when
    one differs, 8 when that cannot be told, 7 when the machine is another one.
    """
    from bench.bundle.environment_difference import difference

    earlier = whole_bundle(bundle)
    bound = share(tolerance)
    scenario = scenario_of(earlier, trials, endpoint)
    here = environment_here(scenario, out)
    differences = difference(earlier.environment, here)
    say_differences(differences, "the bundle", "here", note)
    refuse_other_ground(other_ground(earlier, here, endpoint), anyway=anyway)
    outcome = execute(scenario, out, key_file)
    for problem in outcome.problems:
        note(f"error: {problem}")
    if not outcome.bundles:
        raise typer.Exit(outcome.exit_code)
    from bench.bundle.reader import read_bundle

    later = read_bundle(outcome.bundles[0])
    answer = answer_of(earlier, later, bound)
    code = worst([outcome.exit_code, answer.code])
    if as_json:
        print_json(_as_data(earlier, later, answer, differences, code))
    else:
        show(later.directory, later.result)
        _say(earlier, answer)
    raise typer.Exit(code)


def scenario_of(bundle: Bundle, trials: int | None, endpoint: str | None = None) -> Scenario:
    """What to run again: the bundle's scenario on the bundle's ledger alone, at the address `endpoint` if given.
    Refuses what is no plain run.
    """
    from bench.scenario.loader import load_scenario

    result, path = bundle.result, bundle.directory / "scenario.yaml"
    if result.capacity is not None:
        raise ConfigurationError(
            "bundle is of a capacity search, whose trials depend on each other",
            value=result.run_id,
            remedy=f"search again with `bench.py capacity {path}`, and compare the two intervals",
        )
    whole = load_scenario(path)
    if endpoint is not None:
        if whole.endpoint is None:
            raise ConfigurationError(
                "--endpoint is given, but the bundle's run started its ledger itself", remedy="leave --endpoint out"
            )
        whole = load_scenario(path, [f"endpoint.url={json.dumps(endpoint)}"])
    changes: dict[str, object] = {}
    if trials is not None:
        if trials < 1:
            raise ConfigurationError("--trials is too small", value=trials, remedy="use 1 or more")
        changes |= {"trials": trials, "stopping": None}
    if len(whole.ledgers) > 1:
        own = tuple(choice for choice in whole.ledgers if choice.name == result.ledger.name)
        if len(own) != 1:
            raise ConfigurationError(
                "the scenario runs this ledger more than once, and the bundle does not say which it is",
                value=result.ledger.name,
                remedy=f"repeat all of them with `bench.py run {path}`, and compare the bundles",
            )
        changes["ledgers"] = own
    return whole.model_copy(update=changes)


def other_ground(bundle: Bundle, here: Mapping[str, object], endpoint: str | None = None) -> list[str]:
    """What makes agreement meaningless: other hardware, another version of this program or of the ledger's, a node at
    another address.
    """
    from bench.model.masking import masked
    from bench.report.judgement import hardware, hardware_differences
    from bench.scenario.loader import load_scenario, scenario_sha256

    result = bundle.result
    found = hardware_differences(hardware(bundle.environment), hardware(here))
    if result.bench_version != __version__:
        found.append(f"version of this program {result.bench_version} and {__version__}")
    scenario = load_scenario(bundle.directory / "scenario.yaml")
    if endpoint is not None and scenario.endpoint is not None and masked(endpoint) != masked(scenario.endpoint.url):
        found.append(f"address of the node {masked(scenario.endpoint.url)} and {masked(endpoint)}")
    if scenario_sha256(scenario) != result.scenario_sha256:
        found.append("reading of scenario.yaml: its digest is not the one in result.json")
    before, now = (environment.get("programs") for environment in (bundle.environment, here))
    if isinstance(before, dict) and isinstance(now, dict):
        found += [
            f"version of {name} {before[name]} and {now[name]}"
            for name in before.keys() & now.keys()
            if before[name] != now[name]
        ]
    return found


def refuse_other_ground(found: Sequence[str], *, anyway: bool) -> None:
    """NotComparableError for what `other_ground` found; with `anyway` a warning."""
    if not found:
        return
    if not anyway:
        raise NotComparableError(
            "the run cannot be repeated here: different " + "; ".join(found),
            remedy="repeat it on the machine and with the versions of the bundle, or give --anyway",
        )
    note(f"warning: not the same ground, as --anyway accepts: {'; '.join(found)}")


def answer_of(earlier: Bundle, later: Bundle, tolerance: float) -> Answer:
    """Hold the new run against the bundle. What must be equal and is not makes them differ, whatever the figures."""
    from bench.report import held, repeated
    from bench.report.repeated import Exact

    loads = [held.load_digest(side.directory)[:16] for side in (earlier, later)]
    exact = [Exact("load", loads[0] == loads[1], " and ".join(dict.fromkeys(loads))), *repeated.exact(earlier, later)]
    figures = held.agreements(held.candidate(earlier, held.EARLIER), held.candidate(later, held.LATER), tolerance)
    return Answer(exact, figures, _agrees(exact, figures))


def _agrees(exact: Sequence[Exact], figures: Sequence[Held]) -> bool | None:
    from bench.report.held import Answer as Told

    answers = {figure.answer for figure in figures}
    if Told.DIFFERS in answers or not all(one.equal for one in exact):
        return False
    return None if Told.UNDECIDED in answers or Told.AGREES not in answers else True


def _say(earlier: Bundle, answer: Answer) -> None:
    from bench.report import held

    unequal = [one for one in answer.exact if not one.equal]
    for one in unequal:
        say(f"not equal, but must be: {one.name}: {one.detail}")
    if not unequal:
        say(f"equal as they must be: load, seeds, counts and plan ({len(answer.exact)} checks)")
    print_table(("FIGURE", "BUNDLE", "NOW", "DIFFERENCE", "FINDING"), held.rows(answer.figures))
    word = {True: "agrees with", False: "differs from", None: "is neither said to agree with nor to differ from"}
    say(f"the new run {word[answer.agrees]} {earlier.result.run_id}")


def _as_data(
    earlier: Bundle, later: Bundle, answer: Answer, differences: Sequence[Difference], code: ExitCode
) -> dict[str, object]:
    from bench.report import held

    return {
        "exit_code": int(code),
        "bundle": str(earlier.directory),
        "again": str(later.directory),
        "agrees": answer.agrees,
        "exact": [{"name": one.name, "equal": one.equal, "detail": one.detail} for one in answer.exact],
        "figures": held.as_data(answer.figures),
        "environment": [one._asdict() for one in differences],
    }
