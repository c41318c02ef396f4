"""Signed checkpoints: the state of the audit chain at one moment, under a key that the database
does not hold. Kept elsewhere, they show a chain that was cut or rewritten afterwards."""

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from sqlalchemy import Connection

from app.db import Database, iso, now
from app.errors import AuditBroken, DependencyFailed, SettingsInvalid, from_os_error
from app.files import remove_dead, to_disk
from app.records.audit import ChainWalk, newest_link
from app.settings import Settings
from guardrails.contract import canonical_json

FORMAT = "countersign-checkpoint-1"
WEBHOOK_TIMEOUT_S = 10.0
PART = ".part"


@dataclass(frozen=True)
class Checkpoint:
    """Link ``number`` of the chain had this hash, and all links up to it this Merkle root.

    The number is 0 for an empty chain. The root is that of RFC 6962 (section 2.1) over the bytes
    of the links' hashes. ``key`` is the public key in hex; the signature covers all other fields.
    """

    number: int
    sha256: str
    root: str
    at: str
    key: str
    signature: str = ""
    format: str = FORMAT

    def signed_bytes(self) -> bytes:
        """What is signed: the other fields as canonical JSON."""
        return canonical_json({**asdict(self), "signature": ""}).encode("utf-8")

    def is_genuine(self) -> bool:
        """Whether the signature is that of its key."""
        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.key))
            public.verify(bytes.fromhex(self.signature), self.signed_bytes())
        except (InvalidSignature, ValueError):
            return False
        return True


class SigningKeys:
    """The signing keys of an installation, one file each; the newest signs, older ones verify.

    A file is named by its place and the public key. Of an older key only the public part is kept.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir.resolve() / "audit_keys"

    def public(self) -> list[str]:
        """All public keys in hex, oldest first."""
        return [path.stem.partition("-")[2] for path in self._files("*.p??")]

    def current(self) -> Ed25519PrivateKey:
        """The key that signs, made when it is first needed. Raises ``SettingsInvalid``."""
        key = self.existing()
        if key is None:
            self.rotate()
            key = self.existing()
        if key is None:
            raise SettingsInvalid(f"Somebody takes the keys of {self._folder} away.")
        return key

    def existing(self) -> Ed25519PrivateKey | None:
        """The key that signs; None where there is none. Raises ``SettingsInvalid``."""
        files = self._files("*.pem")
        if not files:
            return None
        try:
            key = load_pem_private_key(files[-1].read_bytes(), password=None)
        except OSError as error:
            raise from_os_error(error) from error
        except ValueError as error:
            raise SettingsInvalid(f"The file {files[-1]} holds no key.") from error
        if not isinstance(key, Ed25519PrivateKey) or public_hex(key) not in files[-1].stem:
            raise SettingsInvalid(f"The file {files[-1]} holds another key than its name says.")
        return key

    def rotate(self) -> str:
        """A new key that signs from now on; returns it in hex."""
        older, key = self._files("*.pem"), Ed25519PrivateKey.generate()
        named = public_hex(key)
        path = self._folder / f"{len(self._files('*.p??')) + 1:04d}-{named}.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _write(path, private, 0o600)
            for file in older:
                _write(file.with_suffix(".pub"), file.stem.encode("ascii"), 0o644)
                file.unlink()
        except OSError as error:
            raise from_os_error(error) from error
        return named

    def _files(self, pattern: str) -> list[Path]:
        return sorted(self._folder.glob(pattern))


def public_hex(key: Ed25519PrivateKey) -> str:
    """The public key as 64 hex digits."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


class Checkpoints:
    """The checkpoints of an installation: made, kept in the data folder, sent to a webhook."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings
        self._folder = settings.data_dir.resolve() / "checkpoints"
        self.keys = SigningKeys(settings.data_dir)

    def make(self, out: Path | None = None) -> Checkpoint:
        """Sign the chain as it is now, keep the checkpoint, and send it.

        Raises ``AuditBroken`` for a chain whose links do not fit, also for one that an earlier
        checkpoint contradicts; ``DependencyFailed`` when the webhook does not take it.
        """
        key = self.keys.current()
        with self._database.snapshot() as connection:
            made = _unsigned(connection, public_hex(key), self.kept())
        signed = replace(made, signature=key.sign(made.signed_bytes()).hex())
        text = (json.dumps(asdict(signed), indent=1) + "\n").encode("ascii")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _write(self._folder / f"{signed.number:012d}-{signed.key[:8]}.json", text, 0o644)
        except OSError as error:
            raise from_os_error(error) from error
        if out is not None:
            _write_copy(out, text)
        self._send(signed)
        return signed

    def make_if_due(self) -> Checkpoint | None:
        """For periodic work: sign when enough links were added, or enough time has passed."""
        links, hours = self._settings.checkpoint_links, self._settings.checkpoint_hours
        newest = max(self.kept(), key=_number, default=None)
        with self._database.reading() as session:
            added = newest_link(session) - (newest.number if newest else 0)
        many = bool(links) and added >= links
        late = bool(hours) and (newest is None or _age(newest) >= timedelta(hours=hours))
        return self.make() if added > 0 and (many or late) else None

    def kept(self) -> list[Checkpoint]:
        """The checkpoints in the data folder that our own keys signed, oldest first."""
        found, _ = self._read()
        return found

    def refused(self) -> list[str]:
        """Names of files in that folder that are no checkpoints of ours: they were changed."""
        _, refused = self._read()
        return refused

    def lost_keys(self) -> list[str]:
        """The public keys that signed checkpoints of the data folder, and of which no file is
        there any more."""
        signed = {found.key for found in map(_genuine, self._files()) if found is not None}
        return sorted(signed - set(self.keys.public()))

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.json"))

    def _read(self) -> tuple[list[Checkpoint], list[str]]:
        ours, found, refused = set(self.keys.public()), [], []
        for path in self._files():
            checkpoint = _genuine(path)
            if checkpoint is not None and checkpoint.key in ours:
                found.append(checkpoint)
            else:
                refused.append(path.name)
        return sorted(found, key=_number), refused

    def _send(self, checkpoint: Checkpoint) -> None:
        if not self._settings.checkpoint_webhook:
            return
        to, told = self._settings.checkpoint_webhook, asdict(checkpoint)
        try:
            with httpx.stream("POST", to, json=told, timeout=WEBHOOK_TIMEOUT_S) as answer:
                answer.raise_for_status()  # what it says besides is not read: it may never end
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DependencyFailed(
                f"The checkpoint was kept; the webhook did not take it ({type(error).__name__})."
            ) from error


def _write_copy(out: Path, text: bytes) -> None:
    try:
        out.write_bytes(text)
    except OSError as error:
        raise from_os_error(error, out) from error


def _genuine(path: Path) -> Checkpoint | None:
    """The checkpoint of a file, whoever signed it; None where nobody can have."""
    try:
        return read_checkpoint(path)
    except AuditBroken:
        return None


def read_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint from its file; raises ``AuditBroken`` when nobody can have signed that."""
    try:
        found = Checkpoint(**json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise from_os_error(error, path) from error
    except (TypeError, ValueError) as error:
        raise AuditBroken(f"{path} is not a checkpoint.") from error
    if found.format != FORMAT or not found.is_genuine():
        raise AuditBroken(f"The signature of {path} does not hold.")
    return found


def _unsigned(connection: Connection, key: str, kept: Sequence[Checkpoint]) -> Checkpoint:
    tree, earlier = MerkleTree(), {one.number: one.sha256 for one in kept if one.number}
    walk = ChainWalk(connection)
    for number, _, _, sha256 in walk:
        if walk.broken is None:  # else it may be no hash at all
            tree.add(bytes.fromhex(sha256))
        if earlier.pop(number, sha256) != sha256:
            raise AuditBroken(f"Link {number} is not the one that was signed before.")
    if walk.broken is not None:
        raise AuditBroken(f"The audit chain breaks at link {walk.broken}.")
    if earlier:
        raise AuditBroken(f"Link {min(earlier)} was signed before, and is gone.")
    return Checkpoint(walk.last, walk.sha256, tree.root().hex(), iso(now()) or "", key)


class MerkleTree:
    """The Merkle tree hash of RFC 6962 over leaves that come one by one."""

    def __init__(self) -> None:
        self._peaks: list[tuple[int, bytes]] = []

    def add(self, leaf: bytes) -> None:
        """Add one leaf."""
        height, node = 0, leaf_hash(leaf)
        while self._peaks and self._peaks[-1][0] == height:
            height, node = height + 1, _node(self._peaks.pop()[1], node)
        self._peaks.append((height, node))

    def root(self) -> bytes:
        """The root of the leaves so far."""
        if not self._peaks:
            return hashlib.sha256().digest()
        node = self._peaks[-1][1]
        for _, left in self._peaks[-2::-1]:
            node = _node(left, node)
        return node


def inclusion_proofs(leaves: Sequence[bytes], places: Sequence[int]) -> list[list[str]]:
    """For each place (from 0) the siblings, from the leaf up, that lead to the root of RFC 6962."""
    level = [leaf_hash(leaf) for leaf in leaves]
    proofs: list[list[str]] = [[] for _ in places]
    here = list(places)
    while len(level) > 1:
        for proof, place in zip(proofs, here, strict=True):
            if place ^ 1 < len(level):
                proof.append(level[place ^ 1].hex())
        pairs = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
        here = [place // 2 for place in here]
    return proofs


def leaf_hash(leaf: bytes) -> bytes:
    """What stands for a leaf in the tree."""
    return hashlib.sha256(b"\0" + leaf).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _number(checkpoint: Checkpoint) -> int:
    return checkpoint.number


def _age(checkpoint: Checkpoint) -> timedelta:
    """How long ago it was made; a clock that went back counts as well."""
    made = datetime.fromisoformat(checkpoint.at).replace(tzinfo=None)
    return abs(now() - made)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Beside it first, then into its place; it survives a loss of power from then on. What a
    process began that was killed is removed: it may be a key."""
    remove_dead(path.parent, f".*{PART}")
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}{PART}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with os.fdopen(descriptor, "wb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
        part.rename(path)
        to_disk([path.parent])
    finally:
        part.unlink(missing_ok=True)
