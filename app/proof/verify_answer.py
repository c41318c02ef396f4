"""Checks a file of `countersign audit export` on its own. It needs Python and `cryptography`.

Run as: python verify_answer.py FILE [--key PUBLIC_KEY_IN_HEX]

Without --key the signature shows only that the file is whole; compare the key that is printed
with the one that the service's operator told you.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ROWS = {  # part of the file: its table, and the columns that name a row
    "record": ("records", ("answer_id",)),
    "release": ("releases", ("answer_id",)),
    "settlement": ("settlements", ("answer_id",)),
    "label": ("labels", ("answer_id",)),
    "review_task": ("review_tasks", ("id",)),
    "decision": ("decisions", ("task_id",)),
    "redrafts": ("redrafts", ("task_id", "number")),
    "superseded_decisions": ("superseded_decisions", ("task_id", "id")),
    "approvals": ("approvals", ("task_id", "reviewer", "answer_sha256")),
}


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def signature_holds(checkpoint: Any) -> bool:
    unsigned = canonical({**checkpoint, "signature": ""})
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(checkpoint["key"]))
        public.verify(bytes.fromhex(checkpoint["signature"]), unsigned)
    except (InvalidSignature, ValueError):
        return False
    return True


def link_holds(link: Any, checkpoint: Any) -> bool:
    """Its hash is that of its content, and the signed Merkle root (RFC 6962) has that hash."""
    content = {name: link[name] for name in ("number", "kind", "event", "previous_sha256")}
    digest = sha256(canonical(content))
    node = sha256(b"\0" + digest)
    place, size, path = link["number"] - 1, checkpoint["number"], list(link["proof"])
    while size > 1:
        if place ^ 1 < size:
            other = bytes.fromhex(path.pop(0))
            node = sha256(b"\1" + (other + node if place % 2 else node + other))
        place, size = place // 2, (size + 1) // 2
    fits = digest.hex() == link["sha256"] and 0 < link["number"] <= checkpoint["number"]
    return fits and not path and node.hex() == checkpoint["root"]


def row_digest(row: Any) -> str:
    kept = {name: row[name] for name in sorted(row) if row[name] is not None}
    return sha256(json.dumps(kept, separators=(",", ":")).encode()).hex()


def problems(proof: Any, key: str) -> Iterator[str]:
    checkpoint = proof["checkpoint"]
    if not signature_holds(checkpoint):
        yield "the signature of the checkpoint does not hold"
    if key and key != checkpoint["key"]:
        yield "the checkpoint was signed by another key"
    for link in proof["audit"]:
        if not link_holds(link, checkpoint):
            yield f"link {link['number']} is not in the chain that was signed"
    yield from wrong_rows(proof)
    record, policy = proof["record"], proof["policy"]
    if record["answer_id"] != proof["answer_id"]:
        yield "the record is of another answer"
    content = {name: record[name] for name in ("question", "draft", "evidence", "lineage")}
    erased = any(link["kind"] == "erased" for link in proof["audit"])
    if not erased and sha256(canonical(content)).hex() != record["content_sha256"]:
        yield "the record's content has another hash"
    if policy is not None and sha256(canonical(policy)).hex() != record["verdict"]["policy_sha256"]:
        yield "the policy is not the one that judged the answer"


def wrong_rows(proof: Any) -> Iterator[str]:
    seals = {
        (table, name): digest
        for link in sorted(proof["audit"], key=lambda one: one["number"])
        for table, name, digest in link["event"].get("rows", [])
    }
    found = set()
    for part, (table, columns) in ROWS.items():
        for row in proof[part] if isinstance(proof[part], list) else [proof[part]]:
            if row is not None:
                name = "/".join(str(row[column]) for column in columns)
                found.add((table, name))
                if seals.get((table, name)) != row_digest(row):
                    yield f"the {part.replace('_', ' ')} is not as the chain says"
    events = [link["event"] for link in proof["audit"]]
    mine = {one.get("task_id") for one in events if one.get("answer_id") == proof["answer_id"]}
    mine |= {proof["answer_id"], (proof["review_task"] or {}).get("id")}
    for (table, name), digest in seals.items():
        known = any(table == one for one, _ in ROWS.values()) and name.split("/")[0] in mine
        if known and digest is not None and (table, name) not in found:
            yield f"a row of {table} is missing that the chain speaks of"


def told(proof: Any) -> Iterator[str]:
    checkpoint, decision, release = proof["checkpoint"], proof["decision"], proof["release"]
    yield f"The answer {proof['answer_id']} is as the audit chain says."
    yield f"Signed at link {checkpoint['number']}, {checkpoint['at']}, by {checkpoint['key']}"
    yield f"Question: {proof['record']['question']}"
    if decision:
        yield f"Decision: {decision['kind']} by {decision['reviewer']}, {decision['decided_at']}"
    if not release:
        yield "It was not released."
        return
    text = release["answer"]["text"]
    yield f"Released by {release['released_by']}, {release['released_at']}: {text}"
    if release["withdrawn_at"]:
        yield f"Withdrawn, {release['withdrawn_at']}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Check an exported answer.")
    parser.add_argument("file")
    parser.add_argument("--key", default="", help="the service's public key in hex")
    options = parser.parse_args()
    try:
        proof = json.loads(Path(options.file).read_text("utf-8"))
        found = [f"DOES NOT HOLD: {one}" for one in problems(proof, options.key.lower())]
        print("\n".join(found or told(proof)))
    except (AttributeError, IndexError, KeyError, OSError, TypeError, ValueError) as error:
        print(f"The file cannot be read ({type(error).__name__}: {error}).")
        sys.exit(1)
    if found:
        sys.exit(1)


if __name__ == "__main__":
    main()
