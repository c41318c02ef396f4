"""Every setting of the service: the only reader of the environment."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app import addresses
from app.errors import SettingsInvalid

PREFIX = "COUNTERSIGN_"
PROJECT = Path(__file__).resolve().parent.parent
WHERE = "See docs/settings.md."
WORDS = {
    "Input should": "must",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid boolean": "true or false",
}
"""What pydantic says, and what we say."""
READ_ELSEWHERE = frozenset({"COUNTERSIGN_API_KEY"})
"""Variables that are no settings of the service: ``countersign mcp`` is a client of it."""
MOST_SHOWN = 40
"""Characters of a value that cannot be used, as its error shows it."""


SECRET_CHARS = 16
"""Of what a webhook is signed with, at least."""
CENTURY_DAYS, CENTURY_HOURS, YEAR_MINUTES, DAY_S = 36_500, 876_000, 525_600, 86_400
"""The longest times: what is far beyond them has no date."""
MOST_THREADS = 1024
USUAL_ANSWERS = 8
"""Worked on at once where threads wait for more than processors."""


def processors() -> int:
    """How many this process may use; a container may be given fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _or_empty(form: Callable[[str], str]) -> AfterValidator:
    """A form that a setting has unless it is empty."""
    return AfterValidator(lambda text: form(text) if text else text)


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _model(text: str) -> str:
    """The name of a model, a folder, or an address; what is no address is looked for at start."""
    return addresses.base_address(text) if "://" in text else _filled(text)


Filled = Annotated[str, AfterValidator(_filled)]
ModelName = Annotated[str, AfterValidator(_model)]
WebAddress = Annotated[str, _or_empty(addresses.web_address)]


class GeneratorVersion(BaseModel):
    """The settings of another version of the generator; None: as of the one in use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    generator: ModelName | None = None
    generator_model: str | None = None
    generator_api_key: str | None = Field(default=None, repr=False)
    generator_beams: int | None = Field(default=None, ge=1, le=8)
    generator_constraint: Literal["none", "evidence", "json"] | None = None


class PlaceSettings(BaseModel):
    """Where it runs"""

    data_dir: Path = Field(
        default=Path("data"), description="Folder for the database, index versions and uploads."
    )
    database_url: str = Field(
        default="",
        description="SQLAlchemy address of the database; empty selects SQLite in `data_dir`. "
        "PostgreSQL: `postgresql+psycopg://user:password@host/name`; `postgres://` means the same.",
    )
    host: Annotated[str, AfterValidator(addresses.host)] = Field(
        default="127.0.0.1", description="Address the service listens on."
    )
    port: int = Field(default=8000, ge=1, le=65535, description="Port the service listens on.")
    public_url: Annotated[str, _or_empty(addresses.base_address)] = Field(
        default="",
        description="Address under which browsers reach the service "
        "(`https://answers.example.com`): for links in notices, which have none without it, and "
        "for sign-in by a provider, which comes back to `/login` there and else takes the address "
        "of each request.",
    )


class ModelsSettings(BaseModel):
    """Models"""

    models_dir: Path = Field(
        default=PROJECT / "models", description="Folder with the shipped models."
    )
    embedder: Filled = Field(
        default="minilm",
        description="`minilm` (shipped) or the path of a local sentence-transformers folder.",
    )
    embed_precision: Literal["auto", "float32", "bfloat16", "int8"] = Field(
        default="auto",
        description="In what numbers the shipped embedder computes where a command or a process of "
        "`ingest_executor` embeds passages on a CPU: `auto` takes bfloat16 where the processor has "
        "AMX and there are more than a few hundred, int8 where it has VNNI, else float32. "
        "Questions, and passages beside a running service, are embedded in float32.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where models and the FAISS index run; `auto` prefers CUDA."
    )
    model_threads: int = Field(
        default=0,
        ge=0,
        le=MOST_THREADS,
        description="CPU threads for models; 0 leaves the library's default.",
    )
    batching: bool = Field(
        default=True,
        description="Whether questions that arrive together share runs of the models; `false` is "
        "for comparing.",
    )


class GeneratorSettings(BaseModel):
    """What writes drafts"""

    generator: ModelName = Field(
        default="reader",
        description="`reader` (shipped, extractive), the path of a local folder (of transformers, "
        "or a larger reader as `training.larger` writes it), or the base address of an "
        "OpenAI-compatible server (`http://127.0.0.1:8001/v1`).",
    )
    generator_model: str = Field(
        default="", description="Model name to ask an OpenAI-compatible server for."
    )
    generator_api_key: str = Field(
        default="", description="Key for the OpenAI-compatible server.", repr=False
    )
    generator_beams: int = Field(
        default=1,
        ge=1,
        le=8,
        description="Beginnings of an answer that a local generator keeps alive; 1 is greedy, "
        "more is slower and may find a likelier answer.",
    )
    generator_constraint: Literal["none", "evidence", "json"] = Field(
        default="none",
        description="What a generator from a folder or server may write: `none` leaves it free; "
        "`evidence` allows tokens of evidence, question and function words only (folder); "
        "`json` holds it to a JSON form (causal models and servers).",
    )
    generator_hedged_share: float = Field(
        default=0.0,
        ge=0,
        le=0.2,
        description="Share of the calls to a model server that may be sent a second time, when "
        "they take longer than the others did lately; the first reply counts. Worth it where the "
        "address leads to several servers. 0: none.",
    )
    generator_versions: dict[str, GeneratorVersion] = Field(
        default={},
        description="Other versions of the generator that can be tried (`countersign canary`), as "
        'JSON: names to `generator` settings, such as `{"next": {"generator": "/models/next"}}`; '
        "what a version leaves out is as of the generator in use.",
    )
    trial_delta: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="How often a version that is tried may be stopped although it is no worse.",
    )
    larger_generator: str = Field(
        default="",
        description="Which of the `generator_versions` is asked hard questions too: those whose "
        "first draft would not go out. Which of them is learned from what became of answers; its "
        "draft stands if the checks say nothing worse of it, and has its own risk and certificate. "
        "Empty: none.",
    )
    larger_budget: float = Field(
        default=60.0,
        ge=0,
        description="What it may cost in an hour, all processes together, in `larger_budget_unit`.",
    )
    larger_budget_unit: Literal["calls", "price"] = Field(
        default="calls",
        description="What `larger_budget` counts: `calls`, or their `price` by tokens, at "
        "`price_million_tokens_read` and `price_million_tokens_written`.",
    )


class AnsweringSettings(BaseModel):
    """Answers"""

    policy_file: Path | None = Field(
        default=None,
        description="Policy file (YAML); unset selects the packaged default. A changed file takes "
        "over by itself.",
    )
    shadow_policy_file: Path | None = Field(
        default=None,
        description="Policy file whose verdict is recorded and counted, and never acted upon.",
    )
    kept_readings: int = Field(
        default=20_000,
        ge=0,
        description="What the reader made of so many pairs of question and passage is kept in "
        "memory (half a kilobyte each, scores and no text), and not read again; 0 keeps none.",
    )
    answer_cache: int = Field(
        default=0,
        ge=0,
        description="Drafts that are kept in memory and used again for the same question, where "
        "index, scope, models, policy and every passage are still the same; 0 keeps none.",
    )
    near_answers: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="With `answer_cache` and the generator `reader`: cosine from which on a "
        "question may ask what an earlier one did. What the reader made of passages that did not "
        "answer serves again where nothing tells the two apart and it takes the same place for "
        "the answer (0.85 was measured); 0 reads all anew.",
    )
    evidence_passages: int = Field(
        default=5, ge=1, le=20, description="Passages given to the generator."
    )
    rerank_passages: int = Field(
        default=-1,
        ge=-1,
        le=100,
        description="Passages found that the reader puts in a new order; 0 keeps the order of the "
        "search, -1 takes 8 on a CPU and 20 on a GPU.",
    )
    read_first: int = Field(
        default=-1,
        ge=-1,
        le=100,
        description="Of these, passages that the reader reads first: where one of them answers for "
        "certain, the others are not read (generator `reader`); 0 reads all at once, -1 takes 3 on "
        "a CPU and 0 on a GPU.",
    )
    min_similarity: float = Field(
        default=0.32,
        ge=-1,
        le=1,
        description="Least cosine similarity of the best passage; below it the answer abstains, "
        "unless the reader finds an answer in one, or takes one for relevant.",
    )
    deadline_s: float = Field(
        default=30.0, gt=0, le=DAY_S, description="Longest time for one answer, in seconds."
    )
    stream: Literal["sentences", "answer"] = Field(
        default="sentences",
        description="How a released answer comes in an event stream: sentence by sentence and then "
        "whole, or `answer`: whole only. Neither sends anything before the verdict.",
    )
    show_sections: bool = Field(
        default=True,
        description="Whether askers see which sections of the documents were found while an answer "
        "waits for its reviewer, and where there is none.",
    )


class LimitsSettings(BaseModel):
    """Limits"""

    max_question_chars: int = Field(
        default=4000, ge=1, description="Longest question, in characters."
    )
    max_body_bytes: int = Field(
        default=1_000_000, ge=1024, description="Largest request body, except uploads."
    )
    max_upload_bytes: int = Field(
        default=50_000_000, ge=1024, description="Largest uploaded document."
    )
    body_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=DAY_S,
        description="Seconds that a request body may take, and one more for each 4 kB of it.",
    )
    header_timeout_s: float = Field(
        default=10.0, gt=0, le=DAY_S, description="Seconds that the head of a request may take."
    )
    max_connections: int = Field(
        default=2000,
        ge=10,
        description="Connections held at once, event streams among them; more are sent away (503).",
    )
    questions_per_minute: int = Field(
        default=60, ge=1, description="Questions one principal may ask in a minute."
    )
    quotas: Literal["auto", "process", "database"] = Field(
        default="auto",
        description="Where questions and tries to sign in are counted: in each `process`, or in "
        "the `database` for all of them; `auto` is the database on PostgreSQL and with "
        "`serve --workers`.",
    )
    max_running_answers: int = Field(
        default=0,
        ge=0,
        le=MOST_THREADS,
        description="Answers worked on at once, each on a thread of its own; 0: one more than this "
        "process has processors, up to 8, and 8 where another server drafts.",
    )
    max_waiting_answers: int = Field(
        default=13,
        ge=0,
        description="Questions that wait for one of these places; more are refused at once (503) "
        "and told when to come back.",
    )


class IngestionSettings(BaseModel):
    """Documents and their index"""

    passage_tokens: int = Field(
        default=200, ge=32, le=254, description="Most tokens in one passage."
    )
    ocr_languages: str = Field(
        default="eng",
        pattern=r"^[A-Za-z0-9_]+(\+[A-Za-z0-9_]+)*$",
        description="Languages of scanned PDFs and images, as tesseract names them (`eng+deu`); it "
        "reads them where it is installed with these.",
    )
    ingest_executor: Literal["inline", "processes", "ray"] = Field(
        default="inline",
        description="What reads and embeds documents: `inline` this process, one after the other; "
        "`processes` of this machine; `ray` a Ray cluster, which needs `countersign[ray]`. "
        "Passages are stored by this process all the same.",
    )
    ingest_workers: int = Field(
        default=0,
        ge=0,
        le=MOST_THREADS,
        description="How many processes, or cores of the cluster; 0 takes all there are.",
    )
    ray_address: Annotated[str, _or_empty(addresses.cluster)] = Field(
        default="",
        description="Address of a Ray cluster (`10.0.0.5:6379`, or `auto` on one of its machines); "
        "empty starts Ray on this machine.",
    )
    remote_sources: bool = Field(
        default=False,
        description="Whether `countersign ingest` may fetch what addresses hold: pages, sitemaps, "
        "lists, HTTP indexes and object stores.",
    )
    remote_private: bool = Field(
        default=False,
        description="Whether pages may be fetched from private, loopback and link-local addresses.",
    )
    remote_timeout_s: float = Field(
        default=30.0,
        gt=0,
        le=DAY_S,
        description="Seconds that one page may take, redirects and all.",
    )
    remote_pages: int = Field(
        default=10_000, ge=1, description="Most documents that one remote source may list."
    )
    keep_index_versions: int = Field(
        default=3, ge=2, description="Newest index versions kept on disk for rollback."
    )
    keep_index_hours: int = Field(
        default=24,
        ge=0,
        le=1000,
        description="Kept too is the index version that was live at each of so many full hours.",
    )


class ReviewSettings(BaseModel):
    """Review"""

    review_days: float = Field(
        default=3.0,
        gt=0,
        le=CENTURY_DAYS,
        description="Days until an undecided review task expires.",
    )
    escalate_hours: float = Field(
        default=24.0,
        ge=0,
        le=CENTURY_HOURS,
        description="Hours after which a review task escalates by itself that nobody took, or "
        "whose holder has not decided it; at most half of its time. 0: never. It counts for tasks "
        "that open from then on.",
    )
    claim_minutes: float = Field(
        default=5.0,
        gt=0,
        le=YEAR_MINUTES,
        description="Minutes a reviewer's claim lasts without renewal.",
    )
    undo_seconds: float = Field(
        default=10.0,
        ge=0,
        le=600,
        description="Seconds in which a reviewer can take a decision back. What is measured by it "
        "waits that long; the answer does not.",
    )
    min_reading_seconds: float = Field(
        default=0.0,
        ge=0,
        le=600,
        description="Least seconds between claiming and deciding a task that is urgent, high or "
        "has at least `reading_risk`; 0 asks for none.",
    )
    reading_risk: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="From which risk on a held draft must be read for `min_reading_seconds`.",
    )
    self_review: bool = Field(
        default=True, description="Whether a reviewer may decide an answer to their own question."
    )
    review_drafts: Literal["off", "missing", "all"] = Field(
        default="missing",
        description="For which held answers a slower model writes reviewers a draft in the "
        "background, after the asker was told to wait: those that have no draft (`missing`), "
        "`all`, beside the draft they have, or none (`off`).",
    )
    review_drafter: ModelName = Field(
        default="reader",
        description="What makes these drafts: `reader` (shipped; it quotes where it is less sure "
        "than an answer must be), `seq2seq` (shipped; it writes), the path of a local transformers "
        "folder, or the base address of an OpenAI-compatible server.",
    )
    review_drafter_model: str = Field(default="", description="Model name to ask that server for.")
    review_drafter_api_key: str = Field(default="", description="Key for that server.", repr=False)
    review_drafter_passages: int = Field(
        default=10, ge=1, le=20, description="Passages given to the drafter."
    )


class GateSettings(BaseModel):
    """The gate"""

    gate_mode: Literal["off", "provisional", "certified", "review_everything", "retrieval_only"] = (
        Field(
            default="provisional",
            description="How drafts are released until `countersign gate mode` says otherwise: "
            "`provisional` under a certificate of your own, else the shipped one, which says "
            "nothing about your documents; `certified` only under your own; `review_everything`; "
            "`retrieval_only` drafts nothing; `off` leaves it to the policy alone.",
        )
    )
    gate_alpha: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Share of released answers that may be wrong. A certificate that was made "
        "when it was larger does not count.",
    )
    gate_delta: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="How often a certificate may be mistaken, as for `gate_alpha`.",
    )
    gate_unions: tuple[tuple[str, ...], ...] = Field(
        default=(),
        description="Collections that share one certificate, whose promise is of them together: "
        'JSON, as `[["faq", "handbook"]]`. No collection may be in two.',
    )
    gate_passages_changed: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="A certificate ends when a larger share of a collection's passages is new or "
        "gone since it was made; 1: never.",
    )


class MeasuringSettings(BaseModel):
    """Audits, and how reviewers are measured"""

    audit_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Share of released answers that reviewers are shown afterwards, unmarked.",
    )
    audit_seed: str = Field(
        default="",
        description="What audits, gold items and second reviews are drawn with; keep it from "
        "reviewers. Empty: the random one that is made at the first start, and kept in the file "
        "`audit_seed` of `data_dir`.",
        repr=False,
    )
    gold_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Gold items per review task, unmarked, as long as there are any "
        "(`countersign gold`): four times as many while little is known of the reviewers, and half "
        "as many once enough is; 0 mixes none in.",
    )
    least_wrong_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Least share of wrong answers among what reviewers see. When they reject and "
        "edit fewer of the last 200, more gold items that are known to be wrong are mixed in, up "
        "to three times `gold_share`; 0 leaves it.",
    )
    second_review_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of decided review tasks that another reviewer is shown too, unmarked. "
        "It needs two reviewers; 0 asks for none.",
    )
    probe_delay_minutes: float = Field(
        default=60.0,
        ge=0,
        le=YEAR_MINUTES,
        description="Longest time, drawn for each, until a gold item or second review appears, so "
        "that the moment does not give it away.",
    )


class EvidenceSettings(BaseModel):
    """The audit log, and how long words are kept"""

    checkpoint_links: int = Field(
        default=10_000,
        ge=0,
        description="Links of the audit log after which the service signs a checkpoint; 0: never.",
    )
    checkpoint_hours: float = Field(
        default=24.0,
        ge=0,
        le=CENTURY_HOURS,
        description="Hours after which the service signs a checkpoint, if there are new links; "
        "0: never.",
    )
    checkpoint_webhook: WebAddress = Field(
        default="",
        description="Address that each checkpoint is sent to as JSON (POST), so that it is kept "
        "elsewhere; empty sends nothing.",
    )
    keep_answers_days: float = Field(
        default=0.0,
        ge=0,
        le=CENTURY_DAYS,
        description="Days after which the words of an answer are erased: question, draft, "
        "evidence, release, what reviewers wrote; 0: never. Outcomes, figures and the audit log "
        "stay.",
    )
    keep_deleted_days: float = Field(
        default=0.0,
        ge=0,
        le=CENTURY_DAYS,
        description="Days after which a deleted document is erased from the answers that used it; "
        "0: never.",
    )


class NoticesSettings(BaseModel):
    """Notices"""

    notice_webhook: WebAddress = Field(
        default="",
        description="Address that notices are sent to as signed JSON (POST): new, urgent and late "
        "review tasks, and answers that were released, corrected, refused, withdrawn or expired; "
        "empty sends none.",
    )
    notice_webhook_secret: str = Field(
        default="",
        description="What the webhook's requests are signed with (HMAC-SHA256); at least 16 "
        "characters.",
        repr=False,
    )
    notice_private_addresses: bool = Field(
        default=False,
        description="Whether the webhook may lead to a private address, as within a company or on "
        "this machine.",
    )
    notice_text: bool = Field(
        default=False,
        description="Whether notices hold the question, and what a reviewer wrote to its asker.",
    )
    notice_deadline_hours: float = Field(
        default=4.0,
        gt=0,
        le=CENTURY_HOURS,
        description="Hours before its deadline at which an undecided task is told of once more; at "
        "most half of its time.",
    )
    notice_reviewers: Annotated[str, AfterValidator(addresses.e_mails)] = Field(
        default="",
        description="E-mail addresses, with commas between them, that hear of urgent tasks and "
        "near deadlines.",
    )
    notice_escalated: Annotated[str, AfterValidator(addresses.e_mails)] = Field(
        default="",
        description="E-mail addresses, with commas between them, that hear of tasks which "
        "escalated by age; empty: those of `notice_reviewers`.",
    )
    notice_askers: bool = Field(
        default=False,
        description="Whether askers are sent an e-mail when their held answer is decided, where "
        "their account's name is an e-mail address.",
    )
    smtp_host: Annotated[str, _or_empty(addresses.host)] = Field(
        default="", description="Mail server for notices by e-mail; empty sends none."
    )
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Port of the mail server.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the connection to the mail server is encrypted."
    )
    smtp_user: str = Field(default="", description="Name to sign in to the mail server with.")
    smtp_password: str = Field(default="", description="Password of `smtp_user`.", repr=False)
    smtp_from: Annotated[str, _or_empty(addresses.e_mail)] = Field(
        default="", description="Address that e-mail comes from."
    )


class SignInSettings(BaseModel):
    """Signing in"""

    session_hours: float = Field(
        default=12.0, gt=0, le=CENTURY_HOURS, description="Hours a sign-in lasts."
    )
    secure_cookies: bool = Field(
        default=False, description="Send cookies over HTTPS only; set it behind TLS."
    )
    oidc_issuer: Annotated[str, _or_empty(addresses.safe_address)] = Field(
        default="",
        description="Issuer of an OpenID Connect provider, word for word as it calls itself; "
        "empty: no sign-in by a provider. See [signing-in.md](signing-in.md).",
    )
    oidc_client_id: str = Field(default="", description="What the provider calls this service.")
    oidc_client_secret: str = Field(
        default="", description="Secret of the service at the provider, if it has one.", repr=False
    )
    oidc_scopes: Filled = Field(
        default="openid profile email", description="What the provider is asked for."
    )
    oidc_label: Filled = Field(default="Single sign-on", description="Words on the sign-in button.")
    oidc_name_claim: Filled = Field(
        default="preferred_username", description="Claim that names a new account."
    )
    oidc_groups_claim: Filled = Field(
        default="groups", description="Claim that lists a person's groups."
    )
    oidc_roles: dict[str, list[str]] = Field(
        default={},
        description='Roles of each group, as JSON: `{"staff": ["asker"], "legal": ["reviewer"]}`. '
        "Who is in none of them cannot sign in.",
    )
    oidc_collections: dict[str, list[str]] = Field(
        default={},
        description="Collections that each group may read, as JSON; empty: everybody reads all.",
    )


class WatchingSettings(BaseModel):
    """Traces and costs"""

    trace_endpoint: WebAddress = Field(
        default="",
        description="Address of an OpenTelemetry collector for traces (OTLP over HTTP, "
        "`http://127.0.0.1:4318/v1/traces`); empty traces nothing. It needs "
        "`countersign[traces]`.",
    )
    trace_share: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of requests that are traced; a caller whose `traceparent` says so is "
        "followed all the same.",
    )
    price_cpu_hour: float = Field(
        default=0.0,
        ge=0,
        description="What an hour of one core costs, in any currency; with the other prices it "
        "makes the cost of a released answer on the operations page, and the metric "
        "`countersign_cost`.",
    )
    price_reviewer_hour: float = Field(
        default=0.0,
        ge=0,
        description="What an hour of a reviewer costs; their time is that from claim to decision.",
    )
    price_million_tokens_read: float = Field(
        default=0.0, ge=0, description="What a million tokens cost that the generator is given."
    )
    price_million_tokens_written: float = Field(
        default=0.0, ge=0, description="What a million tokens cost that the generator writes."
    )


GROUPS: tuple[type[BaseModel], ...] = (
    PlaceSettings,
    ModelsSettings,
    GeneratorSettings,
    AnsweringSettings,
    LimitsSettings,
    IngestionSettings,
    ReviewSettings,
    GateSettings,
    MeasuringSettings,
    EvidenceSettings,
    NoticesSettings,
    SignInSettings,
    WatchingSettings,
)
"""What settings configure, in the order in which they are shown; the first line says what."""


class _Environment(EnvSettingsSource):
    """The variables; one that is to be JSON and is not has a coded error."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError as error:
            raise SettingsInvalid(f"{_called(field_name)} must be JSON. {WHERE}") from error


class Settings(  # from the last to the first, as pydantic puts the fields of bases in order
    WatchingSettings,
    SignInSettings,
    NoticesSettings,
    EvidenceSettings,
    MeasuringSettings,
    GateSettings,
    ReviewSettings,
    IngestionSettings,
    LimitsSettings,
    AnsweringSettings,
    GeneratorSettings,
    ModelsSettings,
    PlaceSettings,
    BaseSettings,
):
    """Read from ``COUNTERSIGN_*`` variables; every default works on a laptop without network.

    Raises ``SettingsInvalid`` where one cannot be used.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", allow_inf_nan=False
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing is read from files; to look for each setting in none takes a millisecond."""
        return init_settings, _Environment(settings_cls)

    @model_validator(mode="after")
    def _refuse_pairs(self) -> Self:
        if wrong := list(_contradictions(self)):
            raise ValueError("; ".join(wrong))
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _say_what_is_wrong(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            faults = [_fault(one["loc"], one["msg"], one["input"]) for one in error.errors()]
            # Not its cause: that holds the values of secrets.
            raise SettingsInvalid(f"{'; '.join(faults)}. {WHERE}") from None

    @property
    def database(self) -> str:
        """The database's address, with the embedded default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'countersign.db'}"

    @property
    def running_answers(self) -> int:
        """``max_running_answers``, or what suits this machine: threads that compute wait for each
        other's turns, and a refusal waits behind all of them."""
        drafted_elsewhere = self.generator.startswith(("http://", "https://"))
        suited = USUAL_ANSWERS if drafted_elsewhere else min(processors() + 1, USUAL_ANSWERS)
        return self.max_running_answers or suited

    @property
    def index_dir(self) -> Path:
        """Where index versions lie, one folder each."""
        return self.data_dir / "index"

    @field_validator("data_dir", "models_dir", "policy_file", "shadow_policy_file", mode="before")
    @classmethod
    def _refuse_no_path(cls, value: Any) -> Any:
        """An empty one would mean the folder in which the service happens to start."""
        return _filled(value) if isinstance(value, str) else value

    @field_validator("data_dir")
    @classmethod
    def _refuse_file(cls, value: Path) -> Path:
        if value.exists() and not value.is_dir():
            raise ValueError("must be a folder")
        return value

    @field_validator("gate_unions")
    @classmethod
    def _refuse_overlap(cls, value: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        names = [name for union in value for name in union]
        if any(len(union) < 2 for union in value) or len(set(names)) < len(names):
            raise ValueError("a union has two collections or more, and none is in two of them")
        return value

    @property
    def upload_dir(self) -> Path:
        """Where uploaded documents wait for ingestion."""
        return self.data_dir / "uploads"


SECRET_SETTINGS = frozenset(
    {
        *("audit_seed", "checkpoint_webhook", "generator_api_key", "database_url"),
        "review_drafter_api_key",
        *("notice_webhook", "notice_webhook_secret", "smtp_password", "oidc_client_secret"),
    }
)


def _contradictions(settings: Settings) -> Iterator[str]:
    """What is wrong with settings that are right one by one."""
    secret, mail = settings.notice_webhook_secret, settings.smtp_host
    if settings.notice_webhook and len(secret) < SECRET_CHARS:
        needed = f"{_called('notice_webhook_secret')} of at least {SECRET_CHARS} characters"
        yield f"{_called('notice_webhook')} needs {needed}"
    if mail and not settings.smtp_from:
        yield f"{_called('smtp_host')} needs smtp_from, the address that e-mail comes from"
    if mail and settings.smtp_user and settings.smtp_security == "none":
        yield f"{_called('smtp_security')} none would send the password of smtp_user unencrypted"
    for name in ("generator", "review_drafter"):
        if "://" in getattr(settings, name) and not getattr(settings, f"{name}_model"):
            yield f"{_called(name)} is a model server: {_called(f'{name}_model')} names no model"
    for name in ("notice_reviewers", "notice_escalated", "notice_askers"):
        if getattr(settings, name) and not mail:
            yield f"{_called(name)} needs smtp_host, the server that sends e-mail"


def _called(name: str) -> str:
    """The setting as whoever set it knows it: by its variable, else by its own name."""
    variable = PREFIX + name.upper()
    return variable if variable in {one.upper() for one in os.environ} else name


def _fault(place: tuple[int | str, ...], told: str, value: Any) -> str:
    """What is wrong with one setting: ``COUNTERSIGN_PORT must be a whole number, not 'abc'``."""
    told = told.split(", unable to")[0].removeprefix("Value error, ")
    if not place:  # of several settings, which it names
        return told
    name, *within = map(str, place)
    for theirs, ours in WORDS.items():
        told = told.replace(theirs, ours, 1)
    called = " ".join([_called(name), *([".".join(within)] if within else [])])
    says = f"{called} {told}" if told.startswith("must ") else f"{called}: {told}"
    # What lies within a setting may be a key.
    shown = isinstance(value, str | int | float) and name not in SECRET_SETTINGS and not within
    return says + (f", not {str(value)[:MOST_SHOWN]!r}" if shown else "")


def setting_sources(settings: Settings) -> dict[str, str]:
    """Where each setting's value came from: its variable's name, ``argument`` or ``default``."""
    upper = {name.upper() for name in os.environ}
    sources = {}
    for name in Settings.model_fields:
        variable = PREFIX + name.upper()
        if variable in upper:
            sources[name] = variable
        else:
            sources[name] = "argument" if name in settings.model_fields_set else "default"
    return sources


MASK = "••••"
_SIGNS_IN = re.compile(r"(?<=://)[^/?#\s\"']+(?=@)")
_AFTER_MARK = re.compile(r"(://[^\s\"'?]*\?)[^\s\"'#]+")


def unknown_variables(environment: Mapping[str, str] | None = None) -> list[str]:
    """A sentence on each variable ``COUNTERSIGN_*`` that no setting reads: mostly a slip."""
    env = os.environ if environment is None else environment
    known = {PREFIX + name.upper() for name in Settings.model_fields} | READ_ELSEWHERE
    wrong = sorted(n for n in env if n.upper().startswith(PREFIX) and n.upper() not in known)
    meant = ((name, get_close_matches(name.upper(), known, 1)) for name in wrong)
    return [
        f"{name} is no setting{f' (is it {near[0]}?)' if near else ''}." for name, near in meant
    ]


def shown_value(name: str, value: Any) -> str:
    """A setting's value for people; secrets are masked, in addresses too: who signs in with them,
    and what follows a question mark."""
    if name in SECRET_SETTINGS and value:
        return MASK
    return _AFTER_MARK.sub(rf"\1{MASK}", _SIGNS_IN.sub(MASK, str(value)))
