"""What callers send in OpenAI's forms, and the question that it asks.

What would change the meaning of an answer and cannot be done is refused by its name; what only
tunes a model is accepted and ignored. So are tools that it may use: it may always answer without.
One that must be used is refused.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.requests import Text
from app.errors import Invalid, NotFound
from guardrails.checks.schema import SchemaInvalid, in_dialect

MODEL = "countersign"
"""Searches all that the caller may read; ``countersign/NAME`` one collection."""
RESPONSE_ID = "resp_"
"""What the id of a response has before the answer id; callers may leave it out."""
MESSAGE_ID = "msg_"
"""What the id of a response's message has before the answer id."""
REFERENCE = "item_reference"
"""An item that names a message instead of repeating it, as the Vercel AI SDK does."""
TUNING = frozenset(
    """frequency_penalty logit_bias metadata parallel_tool_calls prompt_cache_key
    prompt_cache_options prompt_cache_retention safety_identifier seed service_tier store
    temperature top_p user verbosity""".split()
)
CHAT_TUNING = TUNING | frozenset(
    """functions max_completion_tokens max_tokens prediction presence_penalty reasoning_effort
    stop tools""".split()
)
RESPONSE_TUNING = TUNING | frozenset(
    """background include instructions max_output_tokens max_tool_calls presence_penalty reasoning
    stream_options tools truncation""".split()
)
NOTHING: Mapping[str, tuple[Any, ...]] = {
    "tool_choice": ("none", "auto"),
    "function_call": ("none", "auto"),
    "modalities": (["text"],),
}
"""Values of other parameters that ask for nothing, beside null, false, 0 and what is empty."""
TEXT_PARTS = ("text", "input_text", "output_text")


class Loose(BaseModel):
    """A part of a body whose other fields are ignored, or looked at by name."""

    model_config = ConfigDict(extra="allow")


class Part(Loose):
    """A part of a message."""

    type: str
    text: str | None = None


class Turn(Loose):
    """One message of a conversation."""

    role: str = ""
    content: str | list[Part] | None = None
    type: str = "message"
    id: str | None = None

    @property
    def speaker(self) -> str:
        """Whose message it is; only the assistant's have ids here."""
        return "assistant" if self.type == REFERENCE else self.role

    @property
    def text(self) -> str:
        """Its text, without what is no text; of a reference the id that it names."""
        if self.type == REFERENCE:
            return self.id or ""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "\n".join(part.text or "" for part in self.content if part.type in TEXT_PARTS)


class StreamOptions(Loose):
    """How a chat completion is streamed."""

    include_usage: bool = False


@dataclass(frozen=True)
class Wanted:
    """A question, where to search, the schema of its answer, and what was said before it.

    ``previous_id`` is the answer that it follows; without one, ``said`` (the last message of the
    assistant, or its id) and ``asked`` (the one before it) may tell.
    """

    question: str
    collections: list[str] | None
    schema: Mapping[str, Any] | None
    previous_id: str | None = None
    said: str = ""
    asked: str = ""


class ChatBody(Loose):
    """A chat completion to make. Parameters that only tune a model are ignored."""

    model: str = Field(description="`countersign`, or `countersign/COLLECTION`.")
    messages: list[Turn] = Field(description="The last one of the user is the question.")
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    response_format: dict[str, Any] | None = Field(
        default=None, description="`text`, or a `json_schema` that the answer object must satisfy."
    )
    n: int | None = 1

    def wanted(self) -> Wanted:
        """The question; raises ``Invalid`` or ``NotFound`` for what cannot be done."""
        _refuse(self.model_extra or {}, CHAT_TUNING)
        if self.n not in (None, 1):
            raise Invalid("n: only one answer is given.", param="n")
        chosen = self.response_format
        inner = (chosen or {}).get("json_schema")
        schema = _schema(chosen, inner, "response_format")
        return _wanted(self.messages, "messages", collections_of(self.model), schema)


class TextOptions(Loose):
    """What the text of a response is to be."""

    format: dict[str, Any] | None = None


class ResponsesBody(Loose):
    """A response to make. Parameters that only tune a model are ignored."""

    model: str = Field(description="`countersign`, or `countersign/COLLECTION`.")
    input: str | list[Turn] = Field(
        description="The question, or messages, of which the last one of the user is the question."
    )
    stream: bool | None = False
    previous_response_id: Text | None = Field(
        default=None, max_length=64, description="The caller's own response that this one follows."
    )
    text: TextOptions | None = None

    def wanted(self) -> Wanted:
        """The question; raises ``Invalid`` or ``NotFound`` for what cannot be done."""
        _refuse(self.model_extra or {}, RESPONSE_TUNING)
        collections = collections_of(self.model)
        chosen = self.text.format if self.text else None
        schema = _schema(chosen, chosen, "text.format")
        turns = [Turn(role="user", content=self.input)] if isinstance(self.input, str) else None
        return _wanted(
            turns or [one for one in self.input if isinstance(one, Turn)],
            "input",
            collections,
            schema,
            self.previous_response_id and answer_id_of(self.previous_response_id),
        )


class EmbeddingsBody(Loose):
    """Texts to embed."""

    model: str = Field(description="`countersign`, or the name of the embedder.")
    input: Text | list[Text]
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: int | None = None

    def texts(self, most: int) -> list[str]:
        """One to ``most`` texts that are not empty; raises ``Invalid``."""
        _refuse(self.model_extra or {}, TUNING)
        texts = [self.input] if isinstance(self.input, str) else self.input
        if not 1 <= len(texts) <= most or not all(texts):
            raise Invalid(f"input: 1 to {most} texts, none of them empty.", param="input")
        return texts


def answer_id_of(response_id: str) -> str:
    """The answer that a response is."""
    return response_id.removeprefix(RESPONSE_ID)


def collections_of(model: str) -> list[str] | None:
    """Where a model searches; raises ``NotFound`` for any other name."""
    name, slash, collection = model.partition("/")
    if name != MODEL or (slash and not collection):
        raise NotFound(
            f"There is no model {model[:80]!r}: it is {MODEL!r} or '{MODEL}/COLLECTION'.",
            param="model",
        )
    return [collection] if slash else None


def _refuse(given: Mapping[str, Any], tuning: frozenset[str]) -> None:
    for name, value in given.items():
        if name not in tuning and value and value not in NOTHING.get(name, ()):
            shown = name[:80] if name.isidentifier() else None
            raise Invalid(f"The parameter {name[:80]!r} is not supported.", param=shown)


def _schema(chosen: Mapping[str, Any] | None, inner: Any, param: str) -> Mapping[str, Any] | None:
    """The schema in ``inner`` of a format; None where it is text."""
    kind = "text" if chosen is None else chosen.get("type")
    if kind == "text":
        return None
    schema = inner.get("schema") if isinstance(inner, Mapping) else None
    if kind != "json_schema" or not isinstance(schema, Mapping):
        raise Invalid(f"{param}: it is text, or json_schema with a schema.", param=param)
    with suppress(SchemaInvalid):  # what is wrong with it is said when it is checked
        return in_dialect(schema)
    return schema


def _wanted(
    turns: Sequence[Turn],
    param: str,
    collections: list[str] | None,
    schema: Mapping[str, Any] | None,
    previous_id: str | None = None,
) -> Wanted:
    """The last message of the user, and the two before it that may be an answer of ours."""
    for turn in turns:
        if turn.type not in ("message", REFERENCE) or turn.role in ("tool", "function"):
            raise Invalid(f"{param}: there are no tools, so no results of tools.", param=param)
    spoken = [turn for turn in turns if turn.speaker in ("user", "assistant")]
    while spoken and spoken[-1].speaker != "user":
        spoken.pop()
    if not spoken:
        raise Invalid(f"{param}: there is no message of the user.", param=param)
    *earlier, last = spoken
    _refuse_what_is_no_text(last, param)
    before = [turn.text.strip() for turn in earlier[-2:]]
    said = before[-1] if earlier and earlier[-1].speaker == "assistant" else ""
    asked = before[0] if len(before) == 2 and earlier[-2].speaker == "user" else ""
    return Wanted(last.text, collections, schema, previous_id, said, asked)


def _refuse_what_is_no_text(turn: Turn, param: str) -> None:
    parts = turn.content if isinstance(turn.content, list) else []
    for part in parts:
        if part.type not in TEXT_PARTS:
            raise Invalid(f"{param}: a question is text, not {part.type[:80]!r}.", param=param)
