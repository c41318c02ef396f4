"""``doctor``: each setting, its value and source, what it selects, and what is missing."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import typer

from app.backends import build_drafter, drafter_settings
from app.db import Database, iso
from app.errors import (
    AuditBroken,
    CountersignError,
    DependencyFailed,
    ModelRefused,
    NotReady,
    SettingsInvalid,
)
from app.gate.status import gate_in_words, gate_status, overruled
from app.notices.sender import Sender, waiting_notices
from app.proof.audit_checks import verified
from app.proof.checkpoints import Checkpoints, public_hex
from app.proof.erasure import Eraser
from app.proof.verify import AuditReport
from app.records.trusted_time import doubted_since
from app.settings import Settings, setting_sources, shown_value, unknown_variables
from app.wiring import Services, open_database, open_services
from cli.output import (
    Json,
    console,
    message_of,
    print_json,
    print_table,
    what_makes_an_index,
)


@dataclass(frozen=True)
class Part:
    """One part of the service: what the settings select, and whether it works."""

    name: str
    selected: str
    ok: bool
    problem: str = ""


def doctor(as_json: Json = False) -> None:
    """Show every setting and try every part; exit status 1 when something is missing."""
    settings = Settings()
    sources = setting_sources(settings)
    listed = [
        {"setting": name, "value": shown_value(name, getattr(settings, name)), "source": source}
        for name, source in sources.items()
    ]
    parts = _parts(settings)
    if as_json:
        print_json({"settings": listed, "parts": [asdict(part) for part in parts]})
    else:
        print_table(
            "Settings", ["setting", "value", "source"], [list(row.values()) for row in listed]
        )
        rows = [(p.name, p.selected, "ok" if p.ok else p.problem) for p in parts]
        print_table("Parts", ["part", "selected", "state"], rows)
    if not all(part.ok for part in parts):
        console.print(
            "Something is missing: see the parts that are not ok."
        ) if not as_json else None
        raise typer.Exit(1)


def _parts(settings: Settings) -> list[Part]:
    try:
        open_database(settings).close()
    except CountersignError as error:
        return [_variables(), Part("database", "", False, f"{error.code}: {message_of(error)}")]
    kind = "SQLite" if Database(settings.database).embedded else "PostgreSQL"
    first = [_variables(), Part("database", kind, True)]
    try:
        services = open_services(settings)
    except CountersignError as error:  # what the settings name is not there
        return [*first, Part("service", "", False, f"{error.code}: {message_of(error)}")]
    try:
        return [*first, *(_try(n, check, services) for n, check in CHECKS)]
    finally:
        services.close()


def _variables() -> Part:
    unknown = unknown_variables()
    selected = "" if unknown else "each names a setting"
    return Part("variables", selected, not unknown, " ".join(unknown))


def _try(name: str, check: Callable[[Services], str], services: Services) -> Part:
    try:
        return Part(name, check(services), True)
    except CountersignError as error:
        return Part(name, "", False, f"{error.code}: {message_of(error)}")


def _embedder(services: Services) -> str:
    services.embedder.warm_up()
    return f"{services.embedder.name}, {services.embedder.dimension} dimensions"


def _generator(services: Services) -> str:
    services.generator.warm_up()
    return services.generator.name


def _review_drafts(services: Services) -> str:
    if services.settings.review_drafts == "off":
        return "none"
    drafter = build_drafter(drafter_settings(services.settings))
    drafter.warm_up()
    return f"{services.settings.review_drafts}, by {drafter.name}"


def _device(services: Services) -> str:
    from app.inference.device import cpu_threads, pick_device
    from app.retrieval.vector import gpu_available

    models = pick_device(services.settings.device)
    faiss_place = "GPU" if services.settings.device != "cpu" and gpu_available() else "CPU"
    return f"models on {models} ({cpu_threads()} threads), FAISS on {faiss_place}"


def _policy(services: Services) -> str:
    policy = services.policies.status()
    return f"{policy['name']}, version {policy['version']}, {policy['sha256'][:12]}"


def _shadow_policy(services: Services) -> str:
    shadow = services.policies.status()["shadow"]
    if shadow is None:
        return "none"
    if shadow["problem"]:
        raise SettingsInvalid(shadow["problem"])
    return f"{shadow['name']}, version {shadow['version']}, {shadow['sha256'][:12]}"


def _gate(services: Services) -> str:
    if services.gate.problem:
        raise ModelRefused(f"{services.gate.problem}; every answer is held")
    found = gate_status(services.database, services.gate.certificates)
    return f"{found.mode}. {overruled(found, services.settings.gate_mode)}{gate_in_words(found)}"


def _index(services: Services) -> str:
    try:
        passages = services.retriever.live_passages()
        if services.retriever.problem:
            raise DependencyFailed(services.retriever.problem)
    except (NotReady, DependencyFailed) as error:
        helps = what_makes_an_index(services.corpus.documents.collections())
        raise type(error)(f"{error.message} {helps}") from error
    live = services.corpus.versions.live()
    return f"{live.id if live else ''}, {passages} passages"


def _documents(services: Services) -> str:
    counts = services.corpus.documents.collections()
    return ", ".join(f"{name}: {count}" for name, count in counts.items()) or "none yet"


def _audit(services: Services) -> str:
    return audit_in_words(verified(services.database, services.settings))


def audit_in_words(report: AuditReport) -> str:
    """What was found, and what is left to do; raises ``AuditBroken``."""
    if report.broken_link is not None:
        raise AuditBroken(f"The audit chain is broken at link {report.broken_link}.")
    if not report.sound:
        found = report.problem_count
        raise AuditBroken(
            f"{found} rows or checkpoints do not fit; see `countersign audit verify`."
        )
    told = "chain intact, and every row as it says"
    older = report.rows_without_seals
    return f"{told}; {older} rows have no seal: `countersign audit seal`" if older else told


LOST = (
    "Checkpoints of the data folder were signed by the key {key}, which is not in its folder "
    "audit_keys: bring that folder back from a backup. Where there is none, move these checkpoints "
    "to another place, and write down why: nobody can tell any more that they are yours. "
    "`countersign audit checkpoint` signs the chain anew."
)
GONE = (
    "There is no key to sign with, only the public part of earlier ones: bring the folder "
    "audit_keys back from a backup, or let `countersign audit rotate` make a new one."
)
DAMAGED = " Bring it back from a backup, or take it away and run `countersign audit rotate`."


def signing_key(services: Services) -> str:
    """Which key signs; raises ``SettingsInvalid`` for one that is lost or damaged."""
    checkpoints = Checkpoints(services.database, services.settings)
    if lost := checkpoints.lost_keys():
        raise SettingsInvalid(LOST.format(key=", ".join(one[:16] for one in lost)))
    try:
        key = checkpoints.keys.existing()
    except SettingsInvalid as error:
        raise SettingsInvalid(error.message + DAMAGED) from error
    if key is None and checkpoints.keys.public():
        raise SettingsInvalid(GONE)
    return "none yet: the first checkpoint makes it" if key is None else public_hex(key)[:16]


def _retention(services: Services) -> str:
    settings = services.settings
    if not settings.keep_answers_days and not settings.keep_deleted_days:
        return "nothing is erased by age"
    eraser = Eraser(services.database, settings, services.corpus)
    answers, documents = eraser.due()
    return f"{answers} answers and {documents} deleted documents are to be erased for their age"


def _clock(services: Services) -> str:
    with services.database.reading() as session:
        jumped = doubted_since(session)
    if jumped is None:
        return "goes on as it did"
    return f"jumped to {iso(jumped)}; nothing is erased by age until it has gone on for 20 hours"


def _notices(services: Services) -> str:
    told = Sender(services.database, services.settings).destinations
    failing = [one for one in waiting_notices(services.database) if one.attempts]
    if failing:
        raise DependencyFailed(f"{len(failing)} wait to be sent: {failing[0].problem}")
    return ", ".join(told) or "none"


def _sign_in(services: Services) -> str:
    oidc = services.access.oidc
    return f"passwords, and {oidc.check()}" if oidc.configured else "passwords"


CHECKS: list[tuple[str, Callable[[Services], str]]] = [
    ("device", _device),
    ("embedder", _embedder),
    ("generator", _generator),
    ("review drafts", _review_drafts),
    ("policy", _policy),
    ("gate", _gate),
    ("shadow policy", _shadow_policy),
    ("documents", _documents),
    ("live index", _index),
    ("audit log", _audit),
    ("signing key", signing_key),
    ("clock", _clock),
    ("retention", _retention),
    ("notices", _notices),
    ("sign-in", _sign_in),
]
