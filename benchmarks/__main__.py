"""Quality and speed as commands.

Run as:
    python -m benchmarks retrieval --corpus F --questions F --json
    python -m benchmarks answers --questions F [--generator NAME ...] [--device D ...]
        [--distractors K] [--limit N] --json
    python -m benchmarks margin --questions F [--questions G] --json
    python -m benchmarks support --file F [--limit N] --json
    python -m benchmarks support-numbers --file F [--file G] --json
    python -m benchmarks pipeline --corpus FILE_OR_FOLDER --questions F --json
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.errors import CountersignError
from cli.output import Json, errors, print_json, print_table

app = typer.Typer(help="Measure Countersign on any data.", no_args_is_help=True)
Questions = Annotated[Path, typer.Option(help="JSON lines, plain or gzip.", exists=True)]
Corpus = Annotated[Path, typer.Option(help="JSON lines of documents.", exists=True)]
Limit = Annotated[int | None, typer.Option(help="Only the first N questions.", min=1)]


@app.command()
def retrieval(
    corpus: Corpus, questions: Questions, limit: Limit = None, as_json: Json = False
) -> None:
    """Recall and reciprocal rank of the dense, lexical and fused search."""
    from benchmarks.retrieval import measure_retrieval

    _show(measure_retrieval(corpus, questions, limit), as_json)


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
def margin(
    questions: Annotated[list[Path], typer.Option(help="Question files (repeatable).")],
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """F1 of the reader on each file for a range of least margins over "no answer"."""
    from benchmarks.answers import sweep_margins

    _show(sweep_margins(questions, limit), as_json)


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
