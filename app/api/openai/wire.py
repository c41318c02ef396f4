"""What callers get in OpenAI's forms; ``countersign`` is what the forms have no place for."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from app.records.views import ChoiceView, CitationView, GateView, Reason


class Countersign(BaseModel):
    """What stands behind an answer, as in the service's own form."""

    answer_id: str
    status: Literal["released", "held", "blocked", "abstained", "rejected", "withdrawn"]
    message: str
    released_by: Literal["policy", "reviewer"] | None
    edited: bool
    gate: GateView | None
    disclaimer: str
    citations: list[CitationView]
    reason: Reason = ""
    choices: list[ChoiceView] = []


class UrlCitation(BaseModel):
    """A source; ``text[start_index:end_index]`` is its marker, such as ``[1]``."""

    start_index: int
    end_index: int
    title: str
    url: str
    number: int
    page: int | None
    last_page: int | None
    quote: str
    passage_id: str
    document_id: str


class Annotation(UrlCitation):
    """A source of a response."""

    type: Literal["url_citation"] = "url_citation"


class ChatAnnotation(BaseModel):
    """A source of a chat completion."""

    type: Literal["url_citation"] = "url_citation"
    url_citation: UrlCitation


class ChatUsage(BaseModel):
    """Tokens of the question and of what is said."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatMessage(BaseModel):
    """What the assistant says."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: str | None
    annotations: list[ChatAnnotation]


class Choice(BaseModel):
    """The one answer."""

    index: int = 0
    message: ChatMessage
    finish_reason: Literal["stop", "content_filter"] = "stop"
    logprobs: None = None


class ChatCompletion(BaseModel):
    """An answer to a conversation."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: ChatUsage
    countersign: Countersign


class ChunkChoice(BaseModel):
    """A piece of the one answer."""

    index: int = 0
    delta: dict[str, Any]
    finish_reason: Literal["stop", "content_filter"] | None = None
    logprobs: None = None


class ChatChunk(BaseModel):
    """A piece of a streamed chat completion; the last one with a choice has ``countersign``."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: ChatUsage | None = None
    countersign: Countersign | None = None


class OutputText(BaseModel):
    """Text of a response, with its sources."""

    type: Literal["output_text"] = "output_text"
    text: str
    annotations: list[Annotation]
    logprobs: list[None] = []


class Refusal(BaseModel):
    """Why a question is not answered."""

    type: Literal["refusal"] = "refusal"
    refusal: str


class OutputMessage(BaseModel):
    """The one message of a response."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    status: Literal["in_progress", "completed"] = "completed"
    content: list[OutputText | Refusal]


class ResponseUsage(BaseModel):
    """Tokens of the question and of what is said."""

    input_tokens: int
    input_tokens_details: dict[str, int] = {"cached_tokens": 0}
    output_tokens: int
    output_tokens_details: dict[str, int] = {"reasoning_tokens": 0}
    total_tokens: int


class ResponseError(BaseModel):
    """Why a response failed."""

    code: str
    message: str


class Response(BaseModel):
    """An answer; it is ``in_progress`` while a person checks it, and ``failed`` when one refuses
    it or takes it back."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None
    status: Literal["in_progress", "completed", "failed"]
    background: bool
    error: ResponseError | None
    incomplete_details: None = None
    instructions: None = None
    max_output_tokens: None = None
    metadata: dict[str, str] = {}
    model: str
    output: list[OutputMessage]
    parallel_tool_calls: bool = False
    previous_response_id: str | None
    reasoning: None = None
    store: bool = True
    temperature: None = None
    text: dict[str, Any]
    tool_choice: Literal["none"] = "none"
    tools: list[None] = []
    top_p: None = None
    truncation: Literal["disabled"] = "disabled"
    usage: ResponseUsage | None
    countersign: Countersign


class ResponseEvent(BaseModel):
    """One event of a streamed response; what else it has depends on its type."""

    model_config = ConfigDict(extra="allow")
    type: str
    sequence_number: int


class ModelView(BaseModel):
    """A model that the caller may name."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "countersign"


class ModelsView(BaseModel):
    """The models that the caller may name."""

    object: Literal["list"] = "list"
    data: list[ModelView]


class Embedding(BaseModel):
    """The unit vector of one text, as numbers or as base64 of little-endian float32."""

    index: int
    object: Literal["embedding"] = "embedding"
    embedding: list[float] | str


class EmbeddingUsage(BaseModel):
    """Tokens of the question and of what is said."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsView(BaseModel):
    """Vectors in the order of the texts; ``model`` is the embedder."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
