import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from runs.samples import files
from runs.samples.install import HERE


@dataclass
class RecordingContext:
    """What an executor told the engine. `stop_after` progress reports the run is terminated."""

    run_id: str = "run_01test"
    node: str = "node"
    attempt: int = 1
    stop_after: int | None = None
    logs: list[tuple[str, str]] = field(default_factory=list)
    steps: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def should_stop(self) -> bool:
        return self.stop_after is not None and len(self.steps) >= self.stop_after

    def log(self, message: str, level: str = "info") -> None:
        self.logs.append((level, message))

    def progress(self, done: int, total: int, message: str = "") -> None:
        self.steps.append((done, total, message))

    def warnings(self) -> list[str]:
        return [message for level, message in self.logs if level == "warning"]


@pytest.fixture
def ctx() -> RecordingContext:
    return RecordingContext()


@pytest.fixture
def empty_storage(settings, tmp_path: Path) -> Path:
    """The portal's storage in a folder of its own."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    return tmp_path


@pytest.fixture
def storage(empty_storage: Path) -> Path:
    """The same with the shipped documents in it."""
    shutil.copytree(HERE / "documents", empty_storage / "samples")
    return empty_storage


@pytest.fixture
def place(empty_storage: Path):
    """Puts a text or bytes into storage, gives its key."""

    def put(key: str, content: str | bytes) -> str:
        files.put(key, content.encode() if isinstance(content, str) else content)
        assert default_storage.exists(key)
        return key

    return put
