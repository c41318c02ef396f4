"""``models``: which models there are, which are in use, and whether their files are sound."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from app.backends import EMBEDDERS, GENERATORS
from app.errors import ModelRefused, NotFound
from app.inference.networks.pair_tensors import RANGES_PREFIX
from app.inference.networks.weights import (
    BASE_NAME,
    packaged_folder,
    parse_manifest,
    read_headers,
    verify_base,
    verify_model,
)
from app.inference.risk import RISK, verify_risk
from app.settings import PREFIX, Settings
from cli.output import Json, console, print_json, print_table

model_commands = typer.Typer(help="Shipped models.", no_args_is_help=True)


@dataclass(frozen=True)
class Model:
    """One model folder; ``setting`` and ``value`` are what selects it, None when nothing does."""

    name: str
    folder: Path
    setting: str | None
    value: str | None
    verify: Callable[[], object]

    def chosen(self, settings: Settings) -> bool:
        """Whether a setting names this model, by its name or by its folder."""
        if self.setting is None:
            return False
        value = str(getattr(settings, self.setting))
        return value == self.value or Path(value).resolve() == self.folder.resolve()

    def bytes(self) -> int:
        """Size of all its files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def parameters(self) -> int:
        """Parameters stored in its safetensors files; raises ``ModelRefused``."""
        files = sorted(self.folder.rglob("*.safetensors"))
        return sum(
            tensor.parameters
            for path in files
            for name, tensor in read_headers(path).items()
            if not name.startswith(RANGES_PREFIX)  # measured, not trained
        )


@model_commands.command("list")
def list_models(as_json: Json = False) -> None:
    """Every model: what it is, what selects it, and whether it is in use.

    Parameters are those in the folder; a model may take its frozen parts from its base.
    """
    listed = _listed(Settings())
    if as_json:
        print_json({"models": listed})
        return
    columns = "name base parameters bytes in_use".split()
    print_table("Models", columns, [[_shown(row[column]) for column in columns] for row in listed])
    for row in listed:
        said = [_shown(row[key]) for key in ("selected_by", "training", "problem") if row[key]]
        console.print(f"{row['name']}: {'; '.join(said)}", markup=False, highlight=False)


@model_commands.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="Only this model; default all.")] = None,
    as_json: Json = False,
) -> None:
    """Check hashes, refuse code and unlisted files, and read all weights.

    Exit status 1 and the code model_refused when a model fails; the message names every failure.
    """
    found = find_models(Settings())
    chosen = [model for model in found if name in (None, model.name)]
    if not chosen:
        names = ", ".join(model.name for model in found)
        raise NotFound(f"There is no model {name!r}; there are: {names}.")
    checked = [_verified(model) for model in chosen]
    if not as_json:
        rows = [(row["name"], _shown(row["bytes"]), row["problem"] or "ok") for row in checked]
        print_table("Models", ["name", "bytes", "state"], rows)
    if problems := [row["problem"] for row in checked if row["problem"]]:
        raise ModelRefused("; ".join(problems))
    if as_json:
        print_json({"models": checked})
    else:
        console.print(f"{len(checked)} verified.", highlight=False)


def find_models(settings: Settings) -> list[Model]:
    """Every folder in ``models_dir`` by name, then the packaged base model."""
    folders = settings.models_dir.iterdir() if settings.models_dir.is_dir() else ()
    shipped = [_shipped(path) for path in sorted(folders) if path.is_dir() and path.name[0] != "."]
    base = Model(BASE_NAME, packaged_folder(), "embedder", "minilm", verify_base)
    return [*shipped, base]


def _shipped(folder: Path) -> Model:
    setting, value = _selection(folder)
    check = verify_risk if (folder / RISK).is_file() else verify_model
    return Model(folder.name, folder, setting, value, lambda: check(folder))


def _selection(folder: Path) -> tuple[str, str] | tuple[None, None]:
    """The setting and the value that select a folder, judged by what lies in it."""
    if folder.name in GENERATORS:
        return "generator", folder.name
    if folder.name in EMBEDDERS:
        return "embedder", folder.name
    if (folder / "modules.json").is_file():
        return "embedder", str(folder)
    return ("generator", str(folder)) if _is_transformers(folder) else (None, None)


def _is_transformers(folder: Path) -> bool:
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and "model_type" in config


def _listed(settings: Settings) -> list[dict[str, Any]]:
    rows = [_facts(model, settings) for model in find_models(settings)]
    bases = {row["base"] for row in rows if row["in_use"]}
    for row in rows:
        row["in_use"] = row["in_use"] or row["name"] in bases
    return rows


def _facts(model: Model, settings: Settings) -> dict[str, Any]:
    """One row of the list; a damaged model has its problem instead of figures."""
    selected_by = f"{PREFIX}{model.setting.upper()}={model.value}" if model.setting else None
    facts: dict[str, Any] = {
        "name": model.name,
        "base": None,
        "parameters": None,
        "bytes": model.bytes(),
        "selected_by": selected_by,
        "in_use": model.chosen(settings),
        "training": None,
        "problem": None,
    }
    try:
        if model.name != BASE_NAME:
            manifest = parse_manifest(model.folder)
            for key, kind in (("base", str), ("training", dict)):
                facts[key] = manifest[key] if isinstance(manifest.get(key), kind) else None
        facts["parameters"] = model.parameters()
    except ModelRefused as error:
        facts["problem"] = error.message
    return facts


def _verified(model: Model) -> dict[str, Any]:
    row: dict[str, Any] = {"name": model.name, "bytes": model.bytes(), "problem": None}
    try:
        model.verify()
    except ModelRefused as error:
        row["problem"] = error.message
    return row


def _shown(value: Any) -> Any:
    """A cell for people: large numbers in groups of three, figures side by side."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(part)}" for key, part in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | float) else value
