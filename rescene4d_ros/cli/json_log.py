"""Log records as lines of JSON, for collectors of logs."""

from __future__ import annotations

from datetime import datetime, UTC
import json
import logging


class JsonLines(logging.Formatter):
    """Write a record as one line: time, level, logger, message, and the trace of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        values = {
            'time': datetime.fromtimestamp(record.created, UTC).isoformat(timespec='milliseconds'),
            'level': record.levelname,
            'logger': record.name,
            'message': record.getMessage(),
            **getattr(record, 'fields', {}),
        }
        if record.exc_info:
            values['trace'] = self.formatException(record.exc_info)
        return json.dumps(values)


def log_as_json() -> None:
    """Let all handlers of this process write lines of JSON."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonLines())
