"""``gate``: the kill switch, what stands behind releases, and new certificates."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Annotated, Any

import typer

from app.access.principals import LOCAL
from app.answering.answerer import Ask
from app.backends import open_gate, open_larger_gate
from app.corpus.corpus import Corpus
from app.db import Database
from app.errors import Invalid, NotFound
from app.gate.admission import Gate
from app.gate.carry import Carried, carry_labels
from app.gate.certify import Certifier
from app.gate.drift import DriftMonitors
from app.gate.labels import ANY_DAY, ONCE, labelled
from app.gate.modes import known_stratum, switch_mode
from app.gate.plan import MINUTES, look_advice, next_step, plan_labels
from app.gate.planned_looks import plan_look
from app.gate.reviewer_error import reviewer_report
from app.gate.status import CertificateView, gate_in_words, gate_status, overruled
from app.gate.strata import SERVICE, STANDARD, Stratum, members_of
from app.review import disagreements as review
from app.settings import Settings
from app.wiring import open_database, open_services
from cli.gate_report import RiskOutcomes, reviewer_figures, write_page
from cli.output import MOST_ROWS, Json, console, in_short, print_json, print_table
from guardrails.gate.certificate import Certificate
from guardrails.gate.certify import NotCertifiable

gate_commands = typer.Typer(help="The release gate.", no_args_is_help=True)
Collection = Annotated[str, typer.Option(help="Collection; empty is the whole service.")]
RiskClass = Annotated[str, typer.Option(help="Risk class of the answers.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit log.")]


@gate_commands.command()
def mode(
    mode: Annotated[
        str,
        typer.Argument(help="off, provisional, certified, review_everything or retrieval_only."),
    ],
    reason: Reason,
    collection: Collection = SERVICE,
    as_json: Json = False,
) -> None:
    """Switch how answers are released; it counts at once, in every process."""
    with _database() as (database, _):
        switched = switch_mode(database, mode, reason, LOCAL.name, collection)
    if as_json:
        print_json(asdict(switched))
    else:
        console.print(f"{collection or 'the service'}: {mode}", markup=False, highlight=False)


@gate_commands.command()
def status(as_json: Json = False) -> None:
    """Modes, certificates with their running tests, labels, and alarms of drift."""
    with _gate() as (gate, database, settings):
        found = gate_status(database, gate.certificates)
    if as_json:
        print_json(asdict(found))
        return
    console.print(f"mode: {found.mode}", markup=False, highlight=False)
    words = overruled(found, settings.gate_mode) + gate_in_words(found)
    console.print(words, markup=False, highlight=False)
    columns = "collection mode reason changed_by changed_at".split()
    print_table("Switches", columns, map(astuple, found.modes))
    columns = ["collection", "class", "state", "alpha", "threshold", "audits", "e-value"]
    columns += ["reviewer error", "why it ended"]
    print_table("Certificates", columns, map(_certificate_cells, found.certificates))
    columns = "collection class source wrong labels".split()
    print_table("Labels", columns, map(astuple, found.labels))
    columns = "collection monitor detail raised_at".split()
    print_table("Alarms", columns, map(astuple, found.alarms))


@gate_commands.command()
def clear(reason: Reason, as_json: Json = False) -> None:
    """Close the open alarms of drift; certificates that they ended stay ended."""
    with _database() as (database, _):
        cleared = DriftMonitors(database).clear(reason, LOCAL.name)
    if as_json:
        print_json({"cleared": cleared})
    else:
        console.print(f"{cleared} cleared.", highlight=False)


@gate_commands.command()
def report(
    outcomes: Annotated[
        Path | None, typer.Option(help="Rows {score, wrong} instead of the labels.", exists=True)
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write curves to this HTML file.")] = None,
    collection: Collection = SERVICE,
    as_json: Json = False,
) -> None:
    """AUROC, calibration and risk-coverage of the risk, from labels or from a file, and reviewer
    error beside labels."""
    judged = RiskOutcomes.read(outcomes) if outcomes is not None else _labels(collection)
    figures = judged.figures()
    reviewers = _reviewers(collection) if outcomes is None else None
    if html is not None:
        title = outcomes.name if outcomes is not None else collection or "All collections"
        write_page(judged, f"Risk: {title}", html, reviewers)
    if as_json:
        print_json(figures if reviewers is None else {**figures, "reviewers": reviewers})
        return
    print_table("Risk", ["measure", "value"], figures.items())
    if reviewers is not None:
        print_table("Reviewers", ["measure", "value"], reviewer_figures(reviewers).items())


@gate_commands.command()
def disagreements(collection: Collection = SERVICE, as_json: Json = False) -> None:
    """Answers that two reviewers judged differently, for a third person to look at."""
    found = _reviewers(collection)["disagreements"]
    if as_json:
        print_json({"disagreements": found})
        return
    columns = ["answer", "question", "first, in force", "second"]
    print_table("Disagreements", columns, [_pair_cells(pair) for pair in found])


def _reviewers(collection: str) -> dict[str, Any]:
    with _database() as (database, settings):
        report = reviewer_report(database, settings.gate_delta, collection or None)
        pairs = review.disagreements(database, collection or None)
        return {**asdict(report), "disagreements": [asdict(pair) for pair in pairs]}


def _pair_cells(pair: dict[str, Any]) -> list[str]:
    said = [f"{pair[who]['reviewer']}: {pair[who]['kind']}" for who in ("first", "second")]
    return [pair["answer_id"], in_short(pair["question"]), *said]


def _labels(collection: str) -> RiskOutcomes:
    with _database() as (database, _):
        rows = labelled(database, collection)
    return RiskOutcomes([risk for risk, _ in rows], [wrong for _, wrong in rows])


@gate_commands.command()
def certify(
    collection: Annotated[str, typer.Option(help="Collection to certify.")],
    alpha: Annotated[
        float | None, typer.Option(min=0, max=1, help="Default: setting gate_alpha.")
    ] = None,
    delta: Annotated[
        float | None, typer.Option(min=0, max=1, help="Default: setting gate_delta.")
    ] = None,
    risk_class: RiskClass = STANDARD,
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            help="A single look, with a test that needs fewer labels, at labels that no "
            "certificate was tried on; it uses them up.",
        ),
    ] = False,
    larger: Annotated[
        bool,
        typer.Option("--larger", help="The larger generator's answers to hard questions."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Certify a collection from its own labels; exit status 1 when that is not possible yet."""
    with _gate(larger=larger) as (gate, database, settings):
        collection = _stratum(database, collection)
        result = Certifier(database, settings, gate.certificates).certify(
            collection,
            risk_class,
            settings.gate_alpha if alpha is None else alpha,
            settings.gate_delta if delta is None else delta,
            LOCAL.name,
            ONCE if once else ANY_DAY,
        )
    certified = isinstance(result, Certificate)
    if as_json:
        told = {"reviewer_error": result.reviewer_error} if isinstance(result, Certificate) else {}
        print_json({"certified": certified, **asdict(result), **told})
    elif isinstance(result, Certificate):
        released = f"{result.released_share:.1%}"
        limit = f"risk up to {result.threshold:g}, about {released} of the answers"
        console.print(f"Certified: {limit}.", markup=False, highlight=False)
        console.print(f"Reviewer error: {result.reviewer_error}.", markup=False, highlight=False)
    else:
        console.print(result.message, markup=False, highlight=False)
    if not certified:
        raise typer.Exit(1)


@gate_commands.command()
def plan(
    collection: Annotated[
        str, typer.Option(help="Collection to certify; default: each that has documents.")
    ] = "",
    minutes: Annotated[
        float, typer.Option(help="Minutes that reviewers label each day.", min=1, max=1440)
    ] = MINUTES,
    risk_class: RiskClass = STANDARD,
    as_json: Json = False,
) -> None:
    """How many more labels a certificate needs, in days, and what to do next; it changes
    nothing."""
    with _gate() as (gate, database, settings):
        certifier = Certifier(database, settings, gate.certificates)
        alpha, delta = settings.gate_alpha, settings.gate_delta
        found = {
            name: plan_labels(certifier, name, risk_class, alpha, delta, minutes)
            for name in _chosen(database, collection)
        }
        steps = {
            name: next_step(one, certifier.standing(Stratum(name, risk_class)))
            for name, one in found.items()
        }
    if as_json:
        plans = list(map(asdict, found.values()))
        print_json(plans[0] if collection else {"plans": plans})
    else:
        _tell_each({name: f"{one.message}\n{steps[name]}" for name, one in found.items()})


NO_DOCUMENTS = "There are no documents yet: `countersign ingest FOLDER` adds some."


def _chosen(database: Database, collection: str) -> list[str]:
    """The collection or the stratum that was named, or each collection that has documents; raises
    ``NotFound``."""
    known = Corpus(database).documents.collections()
    if not collection:
        return list(known)
    if collection not in known and not known.keys() >= set(members_of(collection)):
        raise NotFound(f"There is no collection {collection[:80]!r} with documents.")
    return [collection]


def _stratum(database: Database, collection: str) -> str:
    """The name by which a collection, or several of them, are known; raises ``NotFound``."""
    if not collection:
        raise Invalid("Please name the collection.")
    with database.reading() as session:
        return known_stratum(session, collection)


def _tell_each(told: Mapping[str, str]) -> None:
    lines = [f"{name}: {words}" for name, words in told.items()] or [NO_DOCUMENTS]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


@gate_commands.command()
def look(
    collection: Annotated[
        str, typer.Option(help="Collection to certify; without it nothing is planned.")
    ] = "",
    labels: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_ROWS,
            help="How many labels it counts, pilot and all; without it nothing is planned.",
        ),
    ] = None,
    risk_class: RiskClass = STANDARD,
    as_json: Json = False,
) -> None:
    """Plan one exact look at so many labels, before the first of them; without a number it says
    what is planned, and what could be."""
    if labels is None or not collection:
        if labels is not None:
            raise Invalid("Please name the collection: a plan cannot be changed.")
        _advise_look(collection, risk_class, as_json)
        return
    with _gate() as (gate, database, settings):
        collection = _stratum(database, collection)
        stratum = Stratum(collection, risk_class)
        alpha, delta = settings.gate_alpha, settings.gate_delta
        plan = plan_look(database, stratum, gate.lineage, labels, alpha, delta, LOCAL.name)
    if as_json:
        print_json({"collection": collection, "risk_class": risk_class, **asdict(plan)})
    else:
        told = f"{collection}: one exact look at {labels} labels, the first {plan.pilot} a pilot."
        console.print(told, markup=False, highlight=False)


def _advise_look(collection: str, risk_class: str, as_json: bool) -> None:
    with _gate() as (gate, database, settings):
        certifier = Certifier(database, settings, gate.certificates)
        standing = {
            name: certifier.standing(Stratum(name, risk_class))
            for name in _chosen(database, collection)
        }
    if as_json:
        rows = [
            {"collection": name, "labels": one.labels, "look": one.look and asdict(one.look)}
            for name, one in standing.items()
        ]
        print_json({"looks": rows})
    else:
        _tell_each({n: look_advice(n, one, MINUTES) for n, one in standing.items()})


@gate_commands.command()
def carry(
    collection: Annotated[str, typer.Option(help="Collection whose labels are carried.")],
    risk_class: RiskClass = STANDARD,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask the changed ones for the record, to be reviewed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Keep the labels of answers that a change left as they were, and certify anew; exit status 1
    when that is not possible yet."""
    services = open_services(Settings())
    try:
        collection = _stratum(services.database, collection)
        answerer, gate = services.answerer, services.gate
        carried = carry_labels(
            services.database,
            Stratum(collection, risk_class),
            lambda question: answerer.rehearse(LOCAL, Ask(question)),
            LOCAL.name,
        )
        for question in carried.to_label if ask else ():
            answerer.answer(LOCAL, Ask(question))
        result = Certifier(services.database, services.settings, gate.certificates).certify(
            collection,
            risk_class,
            services.settings.gate_alpha,
            services.settings.gate_delta,
            LOCAL.name,
        )
    finally:
        services.close()
    _tell_carried(carried, result, as_json)


def _tell_carried(carried: Carried, result: Certificate | NotCertifiable, as_json: bool) -> None:
    certified = isinstance(result, Certificate)
    if as_json:
        print_json({**asdict(carried), "certified": certified, "certificate": asdict(result)})
    else:
        told = f"Labels kept: {carried.kept}; of answers that changed: {carried.changed}"
        told += f" (wrong until they are labelled); gone: {carried.gone}."
        console.print(told, markup=False, highlight=False)
        limit = (
            result.message
            if isinstance(result, NotCertifiable)
            else (f"Certified: risk up to {result.threshold:g}.")
        )
        console.print(limit, markup=False, highlight=False)
    if not certified:
        raise typer.Exit(1)


@gate_commands.command()
def revoke(
    collection: Annotated[str, typer.Option(help="Collection whose certificates end.")],
    reason: Reason,
    risk_class: RiskClass = STANDARD,
    as_json: Json = False,
) -> None:
    """End the certificates of a collection."""
    with _gate() as (gate, _, _):
        ended = gate.certificates.revoke(collection, risk_class, reason, LOCAL.name)
    if as_json:
        print_json({"revoked": ended})
    else:
        console.print(f"{ended} revoked.", highlight=False)


@contextmanager
def _database() -> Iterator[tuple[Database, Settings]]:
    settings = Settings()
    database = open_database(settings)
    try:
        yield database, settings
    finally:
        database.close()


@contextmanager
def _gate(*, larger: bool = False) -> Iterator[tuple[Gate, Database, Settings]]:
    with _database() as (database, settings):
        opened = (open_larger_gate if larger else open_gate)(settings, database)
        yield opened, database, settings


def _certificate_cells(row: CertificateView) -> list[Any]:
    stated = row.certificate
    kind = "provisional, " if stated["provisional"] else ""
    e_value = "broken" if row.e_value is None else f"{row.e_value:g} of {row.limit:g}"
    return [
        row.collection,
        row.risk_class,
        kind + row.state,
        "not measured here" if stated["provisional"] else stated["alpha"],
        stated["threshold"],
        row.audits,
        e_value,
        row.reviewer_error,
        row.reason,
    ]
