"""What a start costs: the service is put together without the libraries of the models."""

import os
import subprocess
import sys

from app.settings import PROJECT

HEAVY = ("torch", "transformers", "sentence_transformers", "onnxruntime", "onnx")


def test_the_service_is_imported_without_the_libraries_of_the_models() -> None:
    script = f"import sys, app.main; print([m for m in {HEAVY!r} if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
