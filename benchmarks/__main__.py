"""Quality and speed as commands: ``python -m benchmarks`` lists them, ``--help`` their options.

Every command takes ``--json``. benchmarks/LOG.md holds the figures.
"""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from app.errors import CountersignError, Invalid
from cli.output import Json, errors, print_json, print_table

app = typer.Typer(help="Measure Countersign on any data.", no_args_is_help=True)
Questions = Annotated[Path, typer.Option(help="JSON lines, plain or gzip.", exists=True)]
Corpus = Annotated[Path, typer.Option(help="JSON lines of documents.", exists=True)]
Limit = Annotated[int | None, typer.Option(help="Only the first N questions.", min=1)]


@app.command()
def retrieval(
    corpus: Corpus,
    questions: Questions,
    limit: Limit = None,
    rerank: Annotated[
        int | None, typer.Option(help="Passages to rerank; default as the service, 0 none.", min=0)
    ] = None,
    as_json: Json = False,
) -> None:
    """Recall and reciprocal rank of the dense, lexical, fused and reranked search."""
    from benchmarks.retrieval import measure_retrieval

    _show(measure_retrieval(corpus, questions, limit, rerank), as_json)


@app.command()
def answers(
    questions: Questions,
    generator: Annotated[
        list[str] | None, typer.Option(help="As in the setting generator (repeatable).")
    ] = None,
    limit: Limit = None,
    device: Annotated[
        list[str] | None, typer.Option(help="cpu or cuda (repeatable); default all there are.")
    ] = None,
    distractors: Annotated[
        int, typer.Option(help="Add up to K contexts of other rows to each question's.", min=0)
    ] = 0,
    as_json: Json = False,
) -> None:
    """F1, abstention, faithfulness and speed of generators that are given the contexts."""
    from benchmarks.answers import measure_answers

    names = generator or ["reader"]
    result = measure_answers(questions, names, limit, device, distractors)
    if "generators" in result and not as_json:
        _compare(result["generators"], result["n"])
    else:
        _show(result, as_json)


@app.command()
def pipeline(
    corpus: Annotated[Path, typer.Option(help="A file or folder of documents.", exists=True)],
    questions: Questions,
    generator: Annotated[str, typer.Option(help="As in the setting generator.")] = "reader",
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """The whole service on a temporary store."""
    from benchmarks.pipeline import measure_pipeline

    _show(measure_pipeline(corpus, questions, limit, generator), as_json)


@app.command()
def quotes(
    folder: Annotated[
        Path, typer.Option(help="It holds questions.jsonl and documents/, or folders that do.")
    ] = Path("examples"),
    generator: Annotated[str, typer.Option(help="As in the setting generator.")] = "reader",
    as_json: Json = False,
) -> None:
    """How often the draft is right, or one of the quotes that a reviewer sees beside it."""
    from benchmarks.pipeline import measure_quotes

    _show(measure_quotes(folder, generator), as_json)


@app.command()
def reading(
    old: Annotated[
        bool, typer.Option(help="As .doc, .xls and .ppt, which LibreOffice makes of them.")
    ] = False,
    peer: Annotated[
        Literal["markitdown", "docling"] | None,
        typer.Option(help="By another reader, in its own environment."),
    ] = None,
    environment: Annotated[
        Path | None, typer.Option(help="The readers' environment; default: in ~/.cache.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Is what is stored what people see? A made corpus of documents that are easy to misread."""
    from benchmarks.reading.measure import ENVIRONMENT, measure_peer, measure_reading

    found = measure_peer(peer, environment or ENVIRONMENT) if peer else measure_reading(old)
    _show(found, as_json)


@app.command()
def index(
    passages: Annotated[int, typer.Option(help="Of the made corpus.", min=2_000)] = 26_000,
    vectors: Annotated[
        list[int] | None,
        typer.Option(help="Only vector search, at so many; may be given again.", min=1_000),
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Only searches while the index is built anew.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Builds, searches, and how soon one changed document counts, on a made corpus."""
    from benchmarks.index import measure_index
    from benchmarks.rebuild import measure_rebuild
    from benchmarks.vectors import measure_vectors

    if vectors:
        _show(measure_vectors(vectors), as_json)
        return
    if rebuild:
        _show(measure_rebuild(passages), as_json)
        return
    _show(measure_index(passages), as_json)


@app.command()
def near(
    folder: Annotated[
        Path, typer.Option(help="It holds questions.jsonl and documents/, or folders that do.")
    ] = Path("examples"),
    pairs: Annotated[
        Path | None, typer.Option(help="Folder of questions altered to have none.", exists=True)
    ] = None,
    least: Annotated[float, typer.Option(help="As in the setting near_answers.")] = 0.8,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """What readings lent to questions in other words save, and what is wrong by them."""
    from benchmarks.near import measure_near

    _show(measure_near(folder, limit, least, pairs), as_json)


@app.command()
def pairs(
    folder: Annotated[
        Path, typer.Option(help="It holds companies with documents/ and pairs.jsonl.", exists=True)
    ] = Path("benchmarks/unseen_companies"),
    model: Annotated[
        Path | None,
        typer.Option(help="Folder of another reader than the shipped one.", exists=True),
    ] = None,
    as_json: Json = False,
) -> None:
    """Is a question that a place answers told from one that it only seems to answer?"""
    from benchmarks.pairs import measure_pairs

    _show(measure_pairs(folder, model), as_json)


@app.command()
def runtime(
    runs: Annotated[int, typer.Option(help="Times each way is measured.", min=1)] = 50,
    threads: Annotated[int, typer.Option(help="CPU threads for each way.", min=1)] = 2,
    as_json: Json = False,
) -> None:
    """Reranking and embedding on this CPU: torch and ONNX Runtime take turns."""
    from benchmarks.runtime import measure_runtime

    _show(measure_runtime(runs, threads), as_json)


@app.command()
def followups(
    rewrite_file: Annotated[
        Path | None, typer.Option(help="Rows {history, question, rewrite}.", exists=True)
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(help="Rows {id, dialogue, question, contexts}.", exists=True)
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="More documents to search beside them.", exists=True)
    ] = None,
    generator: Annotated[
        str | None, typer.Option(help="A model that writes, as in the setting generator.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Follow-up questions: the stand-alone form against a person's, and what a search finds."""
    from benchmarks.followups import measure_followups, rewriter_named

    model = rewriter_named(generator) if generator else None
    _show(measure_followups(rewrite_file, questions, corpus, model), as_json)


@app.command()
def margin(
    questions: Annotated[list[Path], typer.Option(help="Question files (repeatable).")],
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """F1 of the reader on each file for a range of least margins over "no answer"."""
    from benchmarks.answers import sweep_margins

    _show(sweep_margins(questions, limit), as_json)


@app.command()
def gate(
    questions: Annotated[
        Path | None, typer.Option(help="Labelled questions with contexts.", exists=True)
    ] = None,
    outcomes: Annotated[
        Path | None, typer.Option(help="Rows {score, wrong} instead.", exists=True)
    ] = None,
    examples: Annotated[
        bool, typer.Option("--examples", help="Ask the questions of --folder instead, end to end.")
    ] = False,
    folder: Annotated[
        Path,
        typer.Option(
            help="It holds questions.jsonl and documents/, or folders that do, for --examples."
        ),
    ] = Path("examples"),
    whole: Annotated[
        bool, typer.Option("--whole", help="The service must find the contexts of --questions.")
    ] = False,
    generator: Annotated[str, typer.Option(help="As in the setting generator.")] = "reader",
    alpha: Annotated[float, typer.Option(help="Share of released answers that may be wrong.")] = (
        0.05
    ),
    delta: Annotated[float, typer.Option(help="How often a certificate may be mistaken.")] = 0.05,
    splits: Annotated[int, typer.Option(help="Random splits.")] = 100,
    labels: Annotated[
        int | None,
        typer.Option(
            help="Answers that each split certifies on; default 1000, for --examples half of those "
            "that may be released."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the splits.")] = 0,
    save_outcomes: Annotated[
        Path | None,
        typer.Option(
            help="Write the drafted rows here; with --whole one after the other, and a run that "
            "was interrupted goes on."
        ),
    ] = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """What the gate releases, and how often that is wrong, over random splits."""
    from benchmarks import gate as measured

    if (questions is not None) + (outcomes is not None) + examples != 1:
        raise Invalid("Give one of --questions, --outcomes and --examples.")
    measured.refuse_impossible(alpha, delta, splits, 1 if labels is None else labels)
    if outcomes is not None:
        found = measured.read_outcomes(outcomes)
    else:
        keep = save_outcomes if whole else None
        rows = _scored_rows(questions, folder, generator, limit, whole, keep)
        if save_outcomes is not None:
            measured.save_outcomes(rows, save_outcomes)
        found = measured.parse_outcomes(rows, (questions or folder).name)
    if labels is None:
        labels = measured.half_of_labels(found) if examples else measured.LABELS
    result = measured.measure_outcomes(
        found, alpha=alpha, delta=delta, splits=splits, labels=labels, seed=seed
    )
    _show(result, as_json)


@app.command()
def certify(
    streams: Annotated[int, typer.Option(help="Simulated streams of each scenario.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Of the simulation.")] = 0,
    keep: Annotated[
        Path | None, typer.Option(help="File of finished scenarios: go on where a run ended.")
    ] = None,
    as_json: Json = False,
) -> None:
    """How often certificates are false, and labels to the first one, in simulated streams."""
    from benchmarks.certify import measure_certify

    result = measure_certify(streams, seed, keep)
    if as_json:
        print_json(result)
    else:
        columns = list(result["scenarios"][0])
        print_table("Scenarios", columns, [list(row.values()) for row in result["scenarios"]])


@app.command()
def power(
    outcomes: Annotated[Path, typer.Option(help="Rows {score, wrong}.", exists=True)],
    alpha: Annotated[float, typer.Option(help="The share that may be wrong.")] = 0.05,
    delta: Annotated[float, typer.Option(help="How often a certificate may be false.")] = 0.05,
    labels: Annotated[list[int] | None, typer.Option(help="Default: 150, 300, 600.")] = None,
    splits: Annotated[int, typer.Option(help="Draws of the labels.", min=1)] = 100,
    as_json: Json = False,
) -> None:
    """What so many labels of a real score set release, by the way they are used."""
    from benchmarks.power import measure_power

    result = measure_power(outcomes, alpha, delta, tuple(labels or (150, 300, 600)), splits)
    if as_json:
        print_json(result)
    else:
        print_table(
            "Power", list(result["rows"][0]), [list(row.values()) for row in result["rows"]]
        )


@app.command()
def tutorial(
    questions: Annotated[
        Path, typer.Option(help="Rows {question, answers, answerable}.", exists=True)
    ] = Path("examples/tutorial.jsonl"),
    corpus: Annotated[
        Path, typer.Option(help="A folder of documents.", exists=True, file_okay=False)
    ] = Path("examples/documents"),
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """The way to a first certificate, played through, and what a change leaves of its labels."""
    from benchmarks.tutorial import play_tutorial

    _show(play_tutorial(corpus, questions, limit), as_json)


@app.command()
def shipped(
    questions: Questions,
    corpus: Annotated[
        Path | None, typer.Option(help="A file or folder of documents to look in.", exists=True)
    ] = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """What a new installation releases, and how much of that is wrong."""
    from benchmarks.shipped import measure_shipped

    _show(measure_shipped(questions, corpus, limit), as_json)


def _scored_rows(
    questions: Path | None,
    folder: Path,
    generator: str,
    limit: int | None,
    whole: bool,
    keep: Path | None,
) -> list[dict[str, Any]]:
    """Questions with contexts are drafted from them; else, and if the ``whole`` service must find
    them, they go through the service."""
    from benchmarks.pipeline import score_examples, score_whole

    if questions is None:
        return score_examples(folder, generator, limit)
    if whole:
        return score_whole(questions, generator, limit, keep)
    from benchmarks.gate import score_questions

    return score_questions(questions, generator, limit)


@app.command()
def judge(
    runs: Annotated[int, typer.Option(help="Answers to judge.", min=1)] = 200, as_json: Json = False
) -> None:
    """Milliseconds of all deterministic checks on one answer, and of each alone."""
    from benchmarks.judging import measure_judging

    _show(measure_judging(runs), as_json)


@app.command()
def review(
    tasks: Annotated[int, typer.Option(help="Review tasks in the database.", min=100)] = 50_000,
    runs: Annotated[int, typer.Option(help="Times each page is listed.", min=2)] = 40,
    reviewers: Annotated[
        int, typer.Option(help="Instead: so many processes decide at once, some killed.", min=0)
    ] = 0,
    decide: Annotated[int, typer.Option(help="Tasks for them to decide.", min=1)] = 2000,
    most_s: Annotated[float, typer.Option(help="Seconds after which they stop.", min=1)] = 600,
    browser: Annotated[
        bool, typer.Option(help="As Chromium sees it, with all tasks open, on SQLite.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Milliseconds of a page of the review queue, on SQLite and PostgreSQL; or, with --reviewers,
    whether each task is decided once by processes that race and are killed."""
    if reviewers:
        from benchmarks.reviewers import measure_reviewers

        _show(measure_reviewers(reviewers, decide, most_s), as_json)
        return
    from benchmarks.review import measure_review
    from benchmarks.review_browser import measure_browser

    _show((measure_browser if browser else measure_review)(tasks, runs), as_json)


@app.command()
def regress(
    planted: Annotated[int, typer.Option(help="Worse models and policies to plant.", min=4)] = 280,
    as_json: Json = False,
) -> None:
    """How many planted worse models and policies `countersign regress` blocks."""
    from benchmarks.regressions import measure_regress

    _show(measure_regress(planted), as_json)


@app.command()
def ingest(
    peer: Annotated[
        str | None, typer.Option(help="Beside haystack or llamaindex, in their own environment.")
    ] = None,
    documents: Annotated[
        Path | None, typer.Option(help="A folder; default: made pages.", exists=True)
    ] = None,
    environment: Annotated[
        Path | None, typer.Option(help="The peers' environment; default: in ~/.cache.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Files, evenly from all of them.", min=1)] = 100,
    seconds: Annotated[float, typer.Option(help="Each system may take.", min=1)] = 150,
    embed: Annotated[
        bool, typer.Option(help="Else all vectors are the same, on both sides.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Documents a second from files to an index, by stage, beside another toolkit's pipeline."""
    from benchmarks.ingest import ENVIRONMENT, measure_ingest

    place = environment or ENVIRONMENT
    _show(measure_ingest(peer, documents, place, limit, seconds, embed=embed), as_json)


@app.command()
def embedding(
    corpus: Corpus,
    questions: Questions,
    environment: Annotated[
        Path | None, typer.Option(help="The peers' environment; default: in ~/.cache.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Documents, drawn from all.", min=1)] = 300,
    seconds: Annotated[float, typer.Option(help="The peer may take.", min=1)] = 300,
    as_json: Json = False,
) -> None:
    """Passages to vectors beside sentence-transformers: time, CPU, and what is found by them."""
    from benchmarks.embedding import measure_embedding
    from benchmarks.ingest import ENVIRONMENT

    place = environment or ENVIRONMENT
    _show(measure_embedding(corpus, questions, place, limit, seconds), as_json)


@app.command()
def audit(
    links: Annotated[int, typer.Option(help="Links of the audit chain.", min=3)] = 100_000,
    as_json: Json = False,
) -> None:
    """Links a second of `countersign audit verify`, with the rows that they seal."""
    from benchmarks.audit import measure_audit

    _show(measure_audit(links), as_json)


@app.command()
def kills(
    runs: Annotated[int, typer.Option(help="Processes to kill.", min=1)] = 200,
    database: Annotated[str, typer.Option(help="sqlite or postgresql.")] = "sqlite",
    seed: Annotated[int, typer.Option(help="Draws the moments.")] = 0,
    as_json: Json = False,
) -> None:
    """Processes that end with SIGKILL in the middle of their work: is anything lost or doubled?"""
    from benchmarks.kills import measure_kills

    _show(measure_kills(runs, database, seed), as_json)


@app.command()
def load(
    askers: Annotated[int, typer.Option(help="Who ask at the same moment.", min=1)] = 40,
    streams: Annotated[int, typer.Option(help="Open event streams of held answers.", min=0)] = 1000,
    answers: Annotated[int, typer.Option(help="Questions to time, twice.", min=1)] = 20,
    seconds: Annotated[float, typer.Option(help="Of each kind of load.", min=1)] = 20.0,
    crowd: Annotated[int, typer.Option(help="Who ask again and again.", min=1)] = 300,
    soak: Annotated[
        float, typer.Option(help="Instead: mixed load for so many seconds.", min=0)
    ] = 0.0,
    rate: Annotated[float, typer.Option(help="Questions a second of --soak.", min=0.01)] = 1.0,
    as_json: Json = False,
) -> None:
    """Start the service over the examples: bursts, open streams, ten times what it can answer, and
    batching on and off; with --soak whether it stays as it is under mixed load."""
    if soak:
        from benchmarks.soak import measure_soak

        _show(measure_soak(soak, rate), as_json)
        return
    from benchmarks.load import measure_load

    _show(measure_load(askers, streams, answers, seconds, crowd), as_json)


@app.command()
def latency(
    passages: Annotated[int, typer.Option(help="In the made store.", min=1)] = 100_000,
    rate: Annotated[float, typer.Option(help="Questions a second.", min=0.01)] = 5.0,
    seconds: Annotated[float, typer.Option(help="How long questions come.", min=1)] = 60.0,
    traced: Annotated[int, typer.Option(help="Questions whose stages are timed.", min=1)] = 60,
    documents: Annotated[
        Path | None,
        typer.Option(help="Another folder than the examples.", exists=True, file_okay=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Milliseconds of an answer over a large store, open loop, and the CPU time of each stage."""
    from benchmarks.latency import measure_latency

    _show(measure_latency(passages, rate, seconds, traced, documents), as_json)


@app.command()
def peers(
    install: Annotated[
        bool, typer.Option("--install", help="Install them first, in an environment of their own.")
    ] = False,
    users: Annotated[
        list[int] | None, typer.Option(help="Who ask side by side; default 1, 8, 32.", min=1)
    ] = None,
    seconds: Annotated[float, typer.Option(help="Of each system in a round.", min=0.1)] = 6.0,
    rounds: Annotated[int, typer.Option(help="Each with all systems in turn.", min=1)] = 2,
    read: Annotated[int, typer.Option(help="Passages read for an answer.", min=1)] = 8,
    environment: Annotated[
        Path | None, typer.Option(help="The peers' environment; default in ~/.cache.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Requests a second beside Haystack, LlamaIndex and txtai with the same models."""
    from benchmarks.peers import measure

    folder = environment or measure.CACHE
    if install:
        measure.install_peers(folder)
    asked = tuple(users or (1, 8, 32))
    _show(measure.measure_peers(asked, seconds, rounds, read, folder), as_json)


@app.command()
def capacity(
    passages: Annotated[int | None, typer.Option(help="Passages in the index.", min=1)] = None,
    requests: Annotated[
        float | None, typer.Option(help="Questions a second, on average.", min=0.001)
    ] = None,
    as_json: Json = False,
) -> None:
    """Cores, memory and cost of a load, by a simulation that first reproduces what was measured."""
    from benchmarks.capacity import measure_capacity

    result = measure_capacity(passages, requests)
    if as_json:
        print_json(result)
        return
    columns = list(next(iter(result["levels"].values())))
    rows = [[name, *level.values()] for name, level in result["levels"].items()]
    print_table("Levels", ["level", *columns], rows)


@app.command()
def pii(
    file: Annotated[Path, typer.Option(help="JSON lines {text, spans}.", exists=True)],
    presidio: Annotated[bool, typer.Option(help="Compare with presidio, if installed.")] = False,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """Precision, recall and F1 of personal data by kind, beside plain patterns."""
    from benchmarks.personal_data import measure_personal_data

    _show(measure_personal_data(file, limit, presidio), as_json)


@app.command()
def orders(
    data: Annotated[Path, typer.Option(help="The folder with train/.", exists=True)],
    documents: Annotated[
        list[Path] | None, typer.Option(help="A folder of honest documents.", exists=True)
    ] = None,
    as_json: Json = False,
) -> None:
    """Orders hidden in passages that are found, and honest passages that are found too."""
    from benchmarks.orders import measure_orders

    _show(measure_orders(data, documents or ()), as_json)


@app.command()
def screen(
    name: Annotated[str, typer.Option(help="injection, scope, advice or toxicity.")],
    file: Annotated[list[Path], typer.Option(help="Rows {text, label} (repeatable).", exists=True)],
    as_json: Json = False,
) -> None:
    """Recall, false positives and AUROC of a screen at its shipped threshold."""
    from benchmarks.screen import measure_screen

    _show(measure_screen(name, file), as_json)


@app.command()
def support(
    file: Annotated[Path, typer.Option(help="JSON lines of claims.", exists=True)],
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """Balanced accuracy, AUROC and marked words of the support check."""
    from benchmarks.support import measure_support

    _show(measure_support(file, limit), as_json)


@app.command("support-numbers")
def support_numbers(
    file: Annotated[list[Path], typer.Option(help="JSON lines of claims (repeatable).")],
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """The threshold and factors of the support check that suit all files best."""
    from benchmarks.support import choose_numbers

    _show(choose_numbers(file, limit), as_json)


def _show(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(result)
    else:
        print_table("Result", ["measure", "value"], _flat(result).items())


def _compare(figures: dict[str, dict[str, Any]], rows: int) -> None:
    """Generators as columns; times also as a multiple of the first generator's."""
    flat = [_flat(one) for one in figures.values()]
    first = flat[0]["ms_p50"]
    for one in flat:
        one["ms_p50 / first"] = round(one["ms_p50"] / first, 2) if first else None
    measures = list(dict.fromkeys(measure for one in flat for measure in one))
    table = [[measure, *(one.get(measure) for one in flat)] for measure in measures]
    print_table(f"{rows} questions", ["measure", *figures], table)


def _flat(result: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Nested figures as one level: ``latency cpu 8 ms_p50``."""
    flat: dict[str, Any] = {}
    for name, value in result.items():
        flat |= (
            _flat(value, f"{before}{name} ") if isinstance(value, dict) else {before + name: value}
        )
    return flat


def main() -> None:
    """Run a command; a coded error is told as ``countersign`` tells it, with exit status 1."""
    try:
        app()
    except CountersignError as error:
        if "--json" in sys.argv:
            print_json(error.wire(request_id=""))
        else:
            errors.print(f"{error.code}: {error.message}", markup=False, highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
