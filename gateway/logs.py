"""Log lines: JSON on standard error, with every number that could be a BSN starred (IDN-07)."""

import json
import logging
import sys
from datetime import UTC, datetime

from gateway.current import CURRENT
from profiles.record.bsn import starred


class JsonLines(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, message, ids of the request, traceback of a fault."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        shown = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        current = CURRENT.get()
        if current is not None:
            shown |= current.ids()
        if record.exc_info:
            shown["fault"] = self.formatException(record.exc_info)
        return starred(json.dumps(shown, ensure_ascii=False))


def configure(level: int = logging.INFO) -> None:
    """Send all logging of this level and above to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # These two write whole URLs, and a URL can hold a code.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)
