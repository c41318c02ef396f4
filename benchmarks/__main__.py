"""Quality and speed as commands.

Run as:
    python -m benchmarks retrieval --corpus F --questions F --json
    python -m benchmarks answers --questions F [--generator NAME] [--limit N] --json
    python -m benchmarks margin --questions F [--questions G] --json
    python -m benchmarks pipeline --corpus FILE_OR_FOLDER --questions F --json
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import Json, print_json, print_table

app = typer.Typer(help="Measure Countersign on any data.", no_args_is_help=True)
Questions = Annotated[Path, typer.Option(help="JSON lines, plain or gzip.", exists=True)]
Corpus = Annotated[Path, typer.Option(help="JSON lines of documents.", exists=True)]
Limit = Annotated[int | None, typer.Option(help="Only the first N questions.")]


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
    generator: Annotated[str, typer.Option(help="As in the setting generator.")] = "reader",
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """F1, exact match and abstention of a generator that is given the contexts."""
    from benchmarks.answers import measure_answers

    _show(measure_answers(questions, generator, limit), as_json)


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


def _show(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(result)
    else:
        print_table("Result", ["measure", "value"], result.items())


if __name__ == "__main__":
    app()
