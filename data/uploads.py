"""Files that come in through the browser: kept under a name that cannot leave its folder, in a folder named by their content, so
that a job that is resumed reads what it read before."""

import hashlib
import os
import re
import shutil
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from data.errors import WorkspaceError
from data.workspace import Workspace

LONGEST = 120  # characters of a name


def safe_name(name: str) -> str:
    """The last part of a path without anything that a file system or a command line may take for more than a name."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return re.sub(r"[^\w.() -]", "_", last).lstrip(".- ")[-LONGEST:] or "upload"


def keep(workspace: Workspace, name: str, content: BinaryIO) -> Path:
    """Store an uploaded file; the same file a second time is the same path.

    Raises:
        WorkspaceError: it cannot be written.
    """
    digest = hashlib.file_digest(content, "sha256").hexdigest()[:12]
    path = workspace.uploads / digest / safe_name(name)
    if path.exists():
        return path
    content.seek(0)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            shutil.copyfileobj(content, file)
        temporary.replace(path)
    except OSError as error:
        raise WorkspaceError(f"{path.name} cannot be kept in {workspace.uploads}: {error.strerror}. Free some space there.") from error
    return path
