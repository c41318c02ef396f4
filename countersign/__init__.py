"""The installed name: finds the folders of the service, and runs its command.

A wheel carries every folder inside ``countersign``, so that common names such as ``app`` and
``cli`` never stand among other people's packages. In the repository they lie one level higher.
"""

import sys
from pathlib import Path

__version__ = "0.2.0"
_HERE = Path(__file__).resolve().parent


def main() -> None:
    """The command ``countersign``."""
    use_folders()
    from cli.__main__ import main as run

    run()


def use_folders() -> None:
    """Put the folder that holds ``app`` and ``cli`` first on the import path, once."""
    home = str(_HERE if (_HERE / "app").is_dir() else _HERE.parent)
    if sys.path[:1] != [home]:
        sys.path.insert(0, home)
