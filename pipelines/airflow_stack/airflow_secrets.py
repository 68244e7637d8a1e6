"""Keys and passwords of this stack, made on first use; in `NEWSDESK_HOME/airflow`, readable by this user alone."""

import base64
import json
import secrets
from pathlib import Path

from components.core import fileio, paths

USER = "admin"


def password(user: str = USER) -> str:
    """The password of the user `admin`, made on first use, or of another one, made by Airflow when it started."""
    return json.loads(password_file().read_text())[user]


def keys() -> dict[str, str]:
    """Keys that Airflow's processes share, readable by this user alone."""
    path = _folder() / "secrets.json"
    if not path.exists() or not password_file().exists():
        _folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        with fileio.locked(_folder() / "secrets.lock"):  # two that make keys at once would go on with different ones
            _make_missing(path)
    return json.loads(path.read_text())


def _make_missing(path: Path) -> None:
    if not path.exists():
        made = {
            "fernet": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "api": secrets.token_urlsafe(32),
            "jwt": secrets.token_urlsafe(48),
        }
        _write_private(path, json.dumps(made))
    if not password_file().exists():
        _write_private(password_file(), json.dumps({USER: secrets.token_urlsafe(12)}))


def password_file() -> Path:
    return _folder() / "passwords.json"


def _write_private(path: Path, text: str) -> None:
    fileio.write_text(path, text + "\n")  # by way of mkstemp, whose files have mode 0600


def _folder() -> Path:
    return paths.home() / "airflow"
