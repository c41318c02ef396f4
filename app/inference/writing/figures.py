"""The features of a draft that its tokens' probabilities give."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from guardrails.contract import Draft, Passage
from guardrails.words import content_words

# --- how sure the model was -----------------------------------------------------------------


def token_figures(logits: Tensor, tokens: Tensor, refusals: Sequence[int]) -> Tensor:
    """What a model's ``logits`` [..., vocabulary] say of the ``tokens`` [...] written: [..., 3].

    The last axis holds the token's log-probability, the entropy of the whole distribution in
    nats, and the best log-probability of a token in ``refusals`` (not a number without any).
    """
    logprobs = logits.float().log_softmax(dim=-1)
    chosen = logprobs.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    entropy = torch.special.entr(logprobs.exp()).sum(dim=-1)
    if refusals:
        refusal = logprobs[..., list(refusals)].amax(dim=-1)
    else:
        refusal = torch.full_like(chosen, math.nan)
    return torch.stack([chosen, entropy, refusal], dim=-1)


def draft_features(figures: Tensor, truncated: bool) -> dict[str, float]:
    """The features of one text from its ``token_figures`` [tokens, 3], closing token included."""
    features = {"tokens": float(len(figures)), "truncated": float(truncated)}
    if not len(figures):
        return features
    chosen, entropy, refusal = figures.unbind(-1)
    features["mean_logprob"] = chosen.mean().item()
    features["min_logprob"] = chosen.min().item()
    features["entropy"] = entropy.mean().item()
    margin = (chosen[0] - refusal[0]).item()
    if math.isfinite(margin):
        features["abstain_margin"] = margin
    return features


def with_copied(draft: Draft, evidence: Sequence[Passage]) -> Draft:
    """``draft`` with the feature ``copied``: the share of its content words the evidence holds.

    Words count once, without regard to case and plural; 1.0 when nothing was written.
    """
    said = content_words(" ".join(sentence.text for sentence in draft.sentences))
    held = content_words(" ".join(f"{passage.place} {passage.text}" for passage in evidence))
    copied = len(said & held) / len(said) if said else 1.0
    return replace(draft, features={**draft.features, "copied": copied})
