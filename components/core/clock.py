"""Times in records: ISO 8601 in UTC. Standard library only."""

from datetime import datetime, timezone

from components.core.validation import ConfigError


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def parse_time(text: str, name: str) -> datetime:
    """An aware UTC time from ISO 8601 text; a time without a zone is taken as UTC."""
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ConfigError(f"{name} must be an ISO 8601 time. Received: {name}={text[:80]!r}") from None
    return time.astimezone(timezone.utc) if time.tzinfo else time.replace(tzinfo=timezone.utc)
