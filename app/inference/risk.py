"""The shipped risk model and its provisional certificate: JSON, checked against a manifest."""

import json
from pathlib import Path
from typing import Any

from app.errors import ModelRefused
from app.inference.networks.weights import (
    MANIFEST,
    WEIGHTS,
    parse_manifest,
    read_manifest,
    verify_model,
)
from guardrails.gate.binomial import GateInvalid
from guardrails.gate.certificate import Certificate
from guardrails.risk import RiskInvalid, RiskModel

RISK_FOLDER = "risk"
RISK = "risk.json"
CERTIFICATE = "certificate.json"


def load_risk(folder: Path) -> RiskModel:
    """The risk model of ``folder``; raises ``ModelRefused``."""
    read_manifest(folder, opened=(RISK,))
    try:
        return RiskModel.parse(_json(folder / RISK))
    except RiskInvalid as error:
        raise ModelRefused(f"{folder / RISK}: {error}") from error


def load_certificate(folder: Path) -> Certificate | None:
    """The provisional certificate beside the model, None where none is listed.

    Raises ``ModelRefused``, also for a certificate that does not say that it is provisional.
    """
    manifest = read_manifest(folder, opened=(RISK,))
    if CERTIFICATE not in manifest["files"]:
        return None
    try:
        certificate = Certificate.from_json(_json(folder / CERTIFICATE))
    except GateInvalid as error:
        raise ModelRefused(f"{folder / CERTIFICATE}: {error}") from error
    if not certificate.provisional:
        raise ModelRefused(f"{folder / CERTIFICATE}: what ships can only be provisional")
    return certificate


def verify_risk(folder: Path) -> None:
    """Check every file of the folder, and that both can be used; raises ``ModelRefused``."""
    verify_model(folder, has_weights=False)
    load_risk(folder)
    load_certificate(folder)


def generator_identity(generator: str, folder: Path) -> str:
    """The generator's name, with the hash of its weights where ``folder`` ships them.

    A certificate carries it: other weights are another generator, whatever their name.
    """
    if not (folder / MANIFEST).is_file():
        return generator
    digest = parse_manifest(folder)["files"].get(WEIGHTS, "")
    return f"{generator}@{digest[:16]}" if digest else generator


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelRefused(f"{path} is not JSON") from error
