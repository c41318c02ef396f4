"""``review``: the review queue from the command line."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app.access.principals import LOCAL
from app.files import replace_text
from app.review.decisions import Decision
from app.review.desk import ReviewDesk
from app.review.released import ChangedAnswer, ReleasedAnswers
from app.review.views import DecisionKind, EditView, TaskDetailView, TaskView
from app.settings import Settings
from app.wiring import open_database
from cli.output import (
    Json,
    Yes,
    ask,
    console,
    in_short,
    pages_of,
    print_json,
    print_rule,
    print_table,
    refuse_to_ask,
)

ERASED = "(erased)"
"""What stands for a question whose words are gone."""
review_commands = typer.Typer(help="The review queue.", no_args_is_help=True)
TaskId = Annotated[str, typer.Argument(help="Its id, or the first six characters or more of it.")]


@review_commands.command("list")
def list_tasks(
    state: Annotated[
        str, typer.Option(help="open, claimed, snoozed, decided, expired or all.")
    ] = "open",
    queue: Annotated[str | None, typer.Option(help="Only this queue of the policy.")] = None,
    collection: Annotated[str | None, typer.Option(help="Only with evidence from it.")] = None,
    cause: Annotated[str | None, typer.Option(help="Only what this check held.")] = None,
    asker: Annotated[str | None, typer.Option(help="Only what this principal asked.")] = None,
    assigned_to: Annotated[str | None, typer.Option(help="Only this reviewer's.")] = None,
    min_risk: Annotated[
        float | None, typer.Option(min=0, max=1, help="Only from this risk on, or unknown.")
    ] = None,
    text: Annotated[str, typer.Option(help="Only with these words in the question.")] = "",
    limit: Annotated[int, typer.Option(help="Tasks on one page.", min=1, max=1000)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the next page begins.")] = None,
    as_json: Json = False,
) -> None:
    """Review tasks; open ones most urgent first, decided ones newest first."""
    settings = Settings()
    database = open_database(settings)
    try:
        desk = ReviewDesk(database, settings)
        desk.expire_overdue()
        narrower = {"cause": cause, "asker": asker, "assigned_to": assigned_to}
        listed = desk.tasks(
            LOCAL,
            state,
            limit,
            queue,
            collection=collection,
            cursor=cursor,
            min_risk=min_risk,
            text=text,
            **narrower,
        )
    finally:
        database.close()
    if as_json:
        print_json(asdict(listed))
        return
    print_table("Review tasks", ["task", "state", "question", "why", "queue"], _rows(listed.tasks))
    if listed.next_cursor is not None:
        more = f"More: --cursor {listed.next_cursor}"
        console.print(more, markup=False, highlight=False, style="dim")


def _rows(tasks: Iterable[TaskView]) -> list[tuple[str, ...]]:
    return [
        (
            t.task_id,
            _state(t),
            in_short(t.question) or ERASED,
            in_short("; ".join(t.reasons)),
            t.queue,
        )
        for t in tasks
    ]


def _state(task: TaskView) -> str:
    parts = [str(task.state)]
    if task.urgency != "normal":
        parts.append(task.urgency)
    if task.escalated_at is not None:
        parts.append("escalated by age")
    if task.four_eyes:
        parts.append(f"{len(task.approved_by)} of {task.approvals_needed} approvals")
    if task.provisional:
        parts.append("provisional certificate")
    return ", ".join(parts)


@review_commands.command()
def show(task_id: TaskId, as_json: Json = False) -> None:
    """One draft beside its sources, and why it is held."""
    settings = Settings()
    database = open_database(settings)
    try:
        desk = ReviewDesk(database, settings)
        task = desk.task(LOCAL, desk.task_id_of(LOCAL, task_id))
    finally:
        database.close()
    if as_json:
        print_json(asdict(task))
    else:
        _print_task(task)


@review_commands.command()
def approve(task_id: TaskId, yes: Yes = False, as_json: Json = False) -> None:
    """Release a draft exactly as it stands."""
    _decide(task_id, "approve", "", yes, as_json)


@review_commands.command()
def reject(
    task_id: TaskId,
    reason: Annotated[str, typer.Option(help="Why; kept in the record.")],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Never release a draft."""
    _decide(task_id, "reject", reason, yes, as_json)


@review_commands.command()
def changed(
    limit: Annotated[int, typer.Option(help="Answers on one page.", min=1, max=1000)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the next page begins.")] = None,
    as_json: Json = False,
) -> None:
    """Released answers that cite what was changed or removed since."""
    settings = Settings()
    database = open_database(settings)
    try:
        found = ReleasedAnswers(database, settings).changed(LOCAL, limit, cursor)
    finally:
        database.close()
    if as_json:
        print_json(asdict(found))
        return
    rows = [
        (one.answer_id, in_short(one.question), _documents(one), one.asker) for one in found.answers
    ]
    print_table("Sources changed", ["answer", "question", "documents", "asker"], rows)
    if found.next_cursor is not None:
        more = f"More: --cursor {found.next_cursor}"
        console.print(more, markup=False, highlight=False, style="dim")


def _documents(answer: ChangedAnswer) -> str:
    return "; ".join(f"{d.title} ({'gone' if d.removed else 'changed'})" for d in answer.documents)


@review_commands.command()
def withdraw(
    answer_id: str,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit chain.")],
    message: Annotated[str, typer.Option(help="What its asker is told besides.")] = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Take a released answer back; its asker sees that, and no longer the answer."""
    ask(f"Withdraw answer {answer_id}?", yes, as_json)
    settings = Settings()
    database = open_database(settings)
    try:
        ReleasedAnswers(database, settings).withdraw(LOCAL, answer_id, reason, message)
    finally:
        database.close()
    if as_json:
        print_json({"answer_id": answer_id, "status": "withdrawn"})
    else:
        console.print(f"Answer {answer_id} is withdrawn.", highlight=False)


@review_commands.command()
def again(answer_id: str, as_json: Json = False) -> None:
    """Put a released answer before reviewers once more."""
    settings = Settings()
    database = open_database(settings)
    try:
        task_id = ReleasedAnswers(database, settings).review_again(LOCAL, answer_id)
    finally:
        database.close()
    if as_json:
        print_json({"answer_id": answer_id, "task_id": task_id})
    else:
        console.print(f"Task {task_id} is open.", highlight=False)


@review_commands.command()
def edits(
    out: Annotated[Path, typer.Option(help="File to write: one JSON value in each line.")],
    as_json: Json = False,
) -> None:
    """Write what reviewers changed, as rows to fine-tune a generator on."""
    settings = Settings()
    database = open_database(settings)
    try:
        written = replace_text(out, _lines(ReviewDesk(database, settings).edits(LOCAL)))
    finally:
        database.close()
    if as_json:
        print_json({"out": str(out), "edits": written})
    else:
        console.print(f"{written} edits written to {out}.", highlight=False, markup=False)


def _lines(rows: Iterable[EditView]) -> Iterator[str]:
    return (json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)


def _decide(task_id: str, kind: DecisionKind, reason: str, yes: bool, as_json: bool) -> None:
    refuse_to_ask(yes, as_json)
    settings = Settings()
    database = open_database(settings)
    desk = ReviewDesk(database, settings)
    try:
        task_id = desk.task_id_of(LOCAL, task_id)
        seen = desk.claim(LOCAL, task_id)
        if not yes:
            _print_task(seen)
            _confirm(desk, seen, kind)
        decision = Decision(kind, seen.content_sha256, seen.fence, reason)
        decided = desk.decide(LOCAL, task_id, decision)
    finally:
        database.close()
    if as_json:
        print_json(asdict(decided))
    else:
        console.print(f"Task {task_id}: {_decided_words(decided)}.", highlight=False)


def _confirm(desk: ReviewDesk, seen: TaskDetailView, kind: DecisionKind) -> None:
    """Ask whether it is meant; who says no, or Ctrl-C, holds the task no longer."""
    try:
        typer.confirm(f"{kind} this draft?", abort=True)
    except typer.Abort:
        desk.let_go(LOCAL, seen.task_id, seen.fence)
        raise


def _decided_words(task: TaskDetailView) -> str:
    if task.decision is None:
        return "approved; a second reviewer must approve it too"
    return str(task.decision.kind)


def _print_task(task: TaskDetailView) -> None:
    print_rule(f"{_state(task)} · asked by {task.asker}")
    console.print(task.question or ERASED, markup=False, style="bold")
    console.print(f"held: {task.why}", markup=False, style="yellow")
    for reason in task.reasons[1:]:
        console.print(f"also: {reason}", markup=False, style="yellow")
    if task.second_try is not None:
        console.print(task.second_try.message, markup=False, style="dim")
    console.print(task.draft.text or "(no draft)", markup=False)
    if task.proposal is not None:
        console.print(f"{task.proposal.reviewer} proposes:", markup=False, style="bold")
        console.print(task.proposal.answer.text, markup=False)
    if task.background_draft is not None:
        console.print(f"{task.background_draft.model} drafted in the background:", markup=False)
        console.print(task.background_draft.draft.text, markup=False)
    for citation in task.draft.citations:
        pages = pages_of(citation.page, citation.last_page)
        console.print(f"[{citation.number}] {citation.title}{pages}", markup=False)
        console.print(f"    {citation.quote}", markup=False, style="dim")
