"""From an answer as its asker may see it to OpenAI's forms, whole and in events.

Only a released answer has text: of any other there is a message, so no draft is ever here.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from app.api.openai import wire
from app.api.openai.bodies import MESSAGE_ID, RESPONSE_ID, Wanted
from app.records.views import AnswerBody, AnswerView, CitationView
from guardrails.contract import Sentence, with_markers

HELD = (
    "A person is checking this answer before it is released. Its id is {id}: it will be at "
    "/v1/answers/{id}, and as a response at /v1/responses/{id}."
)
_SHARED = ("number", "passage_id", "document_id", "title", "page", "last_page", "quote")
_OBJECT = ("number", "passage_id", "document_id", "title", "page", "quote", "start", "end")


@dataclass(frozen=True)
class Said:
    """What is said of an answer: pieces that make up the text, and the markers in it.

    ``refused`` says that it is no answer although the caller's program may take it for one.
    """

    pieces: tuple[str, ...]
    marks: tuple[tuple[int, int, CitationView], ...] = ()
    refused: bool = False

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.pieces)


def said_of(answer: AnswerView, *, as_object: bool = False) -> Said:
    """What is said of the answer; ``as_object`` says a released one as the object that the
    caller's schema is about, and nothing else without marking it as refused."""
    if answer.answer is not None:
        if as_object:
            return Said((json.dumps(_object(answer.answer), ensure_ascii=False),))
        told = (f"\n\n{answer.disclaimer}",) if answer.disclaimer else ()
        pieces = (piece for piece, _ in _pieces(answer.answer))
        return Said((*pieces, *told), tuple(_marks(answer.answer)))
    refused = answer.status == "blocked" or as_object
    return Said((_message(answer),), refused=refused)


def follows(wanted: Wanted, history: Iterable[AnswerView]) -> str | None:
    """The id of the asker's own answer that the assistant said last; None when there is none.

    Other texts than that of a released answer are the same for many, so there the question counts
    too; that of a held answer names it, and so does a reference.
    """
    if wanted.previous_id or not wanted.said:
        return wanted.previous_id
    for answer in history:
        texts = (said_of(answer).text, said_of(answer, as_object=True).text)
        same = wanted.said in [text.strip() for text in texts]
        known = answer.answer is not None or answer.question == wanted.asked
        named = (f"{MESSAGE_ID}{answer.answer_id}", HELD.format(id=answer.answer_id))
        if (same and known) or wanted.said in named:
            return answer.answer_id
    return None


# Chat completions


@dataclass(frozen=True)
class Told:
    """An answer to be told: the model that was asked, the address of the service, how tokens are
    counted, and whether the caller wants an object."""

    answer: AnswerView
    model: str
    address: str
    count: Callable[[str], int]
    schema: Mapping[str, Any] | None = None

    @property
    def said(self) -> Said:
        """What is said of it."""
        return said_of(self.answer, as_object=self.schema is not None)

    @property
    def created(self) -> int:
        """When it was recorded, in seconds since 1970."""
        return _seconds(self.answer.created_at)

    @property
    def extension(self) -> wire.Countersign:
        """What stands behind it."""
        names = [name for name in wire.Countersign.model_fields if name != "citations"]
        body = self.answer.answer
        citations = body.citations if body else []
        values = {name: getattr(self.answer, name) for name in names}
        return wire.Countersign(**values, citations=citations)

    @property
    def sources(self) -> list[wire.Annotation]:
        """One for each marker."""
        return [
            wire.Annotation(
                start_index=start,
                end_index=end,
                url=f"{self.address}v1/passages/{citation.passage_id}",
                **{name: getattr(citation, name) for name in _SHARED},
            )
            for start, end, citation in self.said.marks
        ]


def chat_completion(told: Told) -> wire.ChatCompletion:
    """The whole answer."""
    text, refusal, ended = _chat_text(told)
    message = wire.ChatMessage(content=text, refusal=refusal, annotations=_chat_sources(told))
    return wire.ChatCompletion(
        id=f"chatcmpl-{told.answer.answer_id}",
        created=told.created,
        model=told.model,
        choices=[wire.Choice(message=message, finish_reason=ended)],
        usage=_chat_usage(told),
        countersign=told.extension,
    )


def chat_chunks(told: Told, *, whole: bool, usage: bool) -> Iterator[wire.ChatChunk]:
    """The same in pieces, or with ``whole`` in one; ``usage`` adds a last one about that."""
    text, refusal, ended = _chat_text(told)

    def chunk(delta: Mapping[str, Any], **more: Any) -> wire.ChatChunk:
        choice = wire.ChunkChoice(delta=dict(delta), finish_reason=more.pop("ended", None))
        return wire.ChatChunk(choices=[choice], **_chunk(told), **more)

    yield chunk({"role": "assistant", "content": ""})
    for piece in () if text is None else _in(told.said.pieces, whole=whole):
        yield chunk({"content": piece})
    if refusal is not None:
        yield chunk({"refusal": refusal})
    if sources := [one.model_dump() for one in _chat_sources(told)]:
        yield chunk({"annotations": sources})
    yield chunk({}, ended=ended, countersign=told.extension)
    if usage:
        yield wire.ChatChunk(choices=[], usage=_chat_usage(told), **_chunk(told))


def _chat_text(told: Told) -> tuple[str | None, str | None, Any]:
    """(content, refusal, why it ended). What is refused is content too, since many clients show no
    refusal, and only that, since others show both; a program that expects an object gets none."""
    said = told.said
    if said.refused and told.schema is not None:
        return None, said.text, "stop"
    return said.text, None, "content_filter" if said.refused else "stop"


def _chunk(told: Told) -> Mapping[str, Any]:
    identity = f"chatcmpl-{told.answer.answer_id}"
    return {"id": identity, "created": told.created, "model": told.model}


def _chat_sources(told: Told) -> list[wire.ChatAnnotation]:
    return [wire.ChatAnnotation(url_citation=source) for source in told.sources]


def _chat_usage(told: Told) -> wire.ChatUsage:
    asked, said = told.count(told.answer.question), told.count(told.said.text)
    return wire.ChatUsage(prompt_tokens=asked, completion_tokens=said, total_tokens=asked + said)


# Responses


def response(told: Told) -> wire.Response:
    """The answer as it stands now."""
    answer = told.answer
    status = _status(answer)
    refusal = wire.ResponseError(code="rejected", message=answer.message)
    ended = answer.released_at or answer.created_at
    previous = answer.searched.previous_answer_id
    return wire.Response(
        id=f"{RESPONSE_ID}{answer.answer_id}",
        created_at=told.created,
        completed_at=_seconds(ended) if status == "completed" else None,
        status=status,
        background=status == "in_progress",
        error=refusal if status == "failed" else None,
        model=told.model,
        output=[_output(told)] if status == "completed" else [],
        previous_response_id=previous and f"{RESPONSE_ID}{previous}",
        text={"format": _format(told.schema)},
        usage=_response_usage(told) if status == "completed" else None,
        countersign=told.extension,
    )


def response_events(told: Told, *, whole: bool) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(type, fields) of each event of a response as it stands now."""
    now = response(told)
    begun = now.model_copy(
        update={"status": "in_progress", "output": [], "completed_at": None, "error": None}
    )
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    if now.status == "completed":
        yield from _output_events(told, whole=whole)
    if now.status != "in_progress":
        yield f"response.{now.status}", {"response": now}


def _output_events(told: Told, *, whole: bool) -> Iterator[tuple[str, Mapping[str, Any]]]:
    message, said = _output(told), told.said
    item, part = {"output_index": 0}, {"item_id": message.id, "output_index": 0, "content_index": 0}
    (content,) = message.content
    kind, field = ("refusal", "refusal") if said.refused else ("output_text", "text")
    nothing = {field: "", **({} if said.refused else {"annotations": []})}
    begun = message.model_copy(update={"status": "in_progress", "content": []})
    extra: Mapping[str, Any] = {} if said.refused else {"logprobs": []}
    yield "response.output_item.added", {**item, "item": begun}
    yield "response.content_part.added", {**part, "part": content.model_copy(update=nothing)}
    for piece in _in(said.pieces, whole=whole):
        yield f"response.{kind}.delta", {**part, "delta": piece, **extra}
    for index, source in enumerate(told.sources):
        numbered = {"annotation_index": index, "annotation": source}
        yield "response.output_text.annotation.added", {**part, **numbered}
    yield f"response.{kind}.done", {**part, field: said.text, **extra}
    yield "response.content_part.done", {**part, "part": content}
    yield "response.output_item.done", {**item, "item": message}


def _output(told: Told) -> wire.OutputMessage:
    said = told.said
    content: wire.OutputText | wire.Refusal = (
        wire.Refusal(refusal=said.text)
        if said.refused
        else wire.OutputText(text=said.text, annotations=told.sources)
    )
    return wire.OutputMessage(id=f"{MESSAGE_ID}{told.answer.answer_id}", content=[content])


def _status(answer: AnswerView) -> Any:
    return {"held": "in_progress", "rejected": "failed", "withdrawn": "failed"}.get(
        answer.status, "completed"
    )


def _format(schema: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if schema is None:
        return {"type": "text"}
    return {"type": "json_schema", "name": "answer", "schema": dict(schema)}


def _response_usage(told: Told) -> wire.ResponseUsage:
    asked, said = told.count(told.answer.question), told.count(told.said.text)
    return wire.ResponseUsage(input_tokens=asked, output_tokens=said, total_tokens=asked + said)


# What is said


def _message(answer: AnswerView) -> str:
    if answer.status == "held":
        return HELD.format(id=answer.answer_id)
    if answer.gate is not None and answer.gate.mode == "retrieval_only":
        return "\n".join([answer.message, *(f"- {title}" for title in answer.searched.titles)])
    return "\n".join([answer.message, *(f"- {choice.label}" for choice in answer.choices)])


def _object(body: AnswerBody) -> Mapping[str, Any]:
    """The answer object as it was judged: what the caller's schema is about."""
    citations = [
        {name: getattr(one, name) for name in _OBJECT}
        | ({"last_page": one.last_page} if one.last_page is not None else {})
        for one in body.citations
    ]
    return {**asdict(body), "citations": citations}


def _pieces(body: AnswerBody) -> Sequence[tuple[str, str]]:
    """The text sentence by sentence, each with its markers as they stand last in it: those that
    the service put in, not what looks like one in a source.

    Rows of a table are lines of a Markdown table, which clients show as one. A text that is not
    made up of its sentences is one piece, and anything in it may be a marker.
    """
    said = [with_markers(Sentence(one.text, tuple(one.citations))) for one in body.sentences]
    if " ".join(said) != body.text:
        return [(body.text, body.text)]
    marks = ["".join(f" [{number}]" for number in one.citations) for one in body.sentences]
    return list(zip(_as_table(said), marks, strict=True))


def _as_table(said: Sequence[str]) -> Iterator[str]:
    """The sentences with what parts them: a blank, or for rows below the names of their columns,
    with as many cells, the lines of a table."""
    cells = [one.count("|") for one in said]
    inside = False
    for place, one in enumerate(said):
        goes_on = inside and cells[place] == cells[place - 1]
        begins = not goes_on and cells[place] > 0 and cells[place] == [*cells, 0][place + 1]
        if goes_on:
            yield f"\n| {one} |"
        elif begins:
            rule = "|".join([" --- "] * (cells[place] + 1))
            yield "\n\n" * bool(place) + f"| {one} |\n|{rule}|"
        else:
            yield ("\n\n" if inside else " ") * bool(place) + one
        inside = goes_on or begins


def _marks(body: AnswerBody) -> Iterator[tuple[int, int, CitationView]]:
    """(start, end, citation) of each marker in the text."""
    known = {citation.number: citation for citation in body.citations}
    at = 0
    for piece, marks in _pieces(body):
        before = at + piece.rindex(marks)
        for found in re.finditer(r"\[(\d+)\]", marks):
            if citation := known.get(int(found[1])):
                yield before + found.start(), before + found.end(), citation
        at += len(piece)


def _in(pieces: Sequence[str], *, whole: bool) -> Sequence[str]:
    return ["".join(pieces)] if whole else pieces


def _seconds(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).timestamp())
