"""What a model wrote, as a draft with its features."""

from dataclasses import dataclass

from app.inference.writing.figures import with_copied
from app.inference.writing.grounding import draft_from_text
from app.inference.writing.json_form import text_from_json
from app.inference.writing.prompt import Prompt
from app.ports import DraftRequest
from guardrails.contract import Draft


@dataclass(frozen=True)
class ModelText:
    """What a model wrote, and what is known of it."""

    text: str
    features: dict[str, float]
    truncated: bool


def draft_of(
    request: DraftRequest, prompt: Prompt, text: ModelText, model: str, as_json: bool
) -> Draft:
    """A model's text as a draft; raises ``ValueError`` when it should be JSON and is not."""
    draft = draft_from_text(
        text=text_from_json(text.text) if as_json else text.text,
        question=request.question,
        evidence=prompt.evidence,
        model=model,
        features=text.features,
        # Of a JSON answer only whole sentences were kept.
        truncated=text.truncated and not as_json,
    )
    return with_copied(draft, prompt.evidence)
