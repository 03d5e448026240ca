"""Times for people: in one zone, which is named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from rescene4d_ros.errors import ConfigError


@dataclass(frozen=True)
class LocalTime:
    """
    Write times as clocks in one zone show them.

    Attributes
    ----------
    zone : tzinfo or None
        None = the zone of this machine.

    """

    zone: tzinfo | None = None

    @classmethod
    def named(cls, name: str | None) -> LocalTime:
        """
        Return the times of a zone such as Europe/Berlin; None = the zone of this machine.

        Raises
        ------
        ConfigError
            No such zone is known here.

        """
        if name is None:
            return cls()
        try:
            return cls(ZoneInfo(name))
        except (KeyError, ValueError, OSError) as error:
            raise ConfigError(
                f'expected a time zone as Europe/Berlin or UTC, got {name!r}; see the column TZ '
                'identifier of the tz database'
            ) from error

    def of(self, stamp_ns: int) -> datetime:
        """Return a stamp (ns since the Unix epoch) with its zone, summer time included."""
        return datetime.fromtimestamp(stamp_ns / 1e9, self.zone).astimezone(self.zone)

    def text(self, stamp_ns: int) -> str:
        """Return weekday, date and minute."""
        return self.of(stamp_ns).strftime('%a %Y-%m-%d %H:%M')

    def name(self, stamp_ns: int) -> str:
        """Return the name of the zone, and how it differs from UTC at a stamp."""
        when = self.of(stamp_ns)
        offset = when.strftime('%z')
        name = str(self.zone) if self.zone is not None else when.strftime('%Z')
        return f'{name} (UTC{offset[:3]}:{offset[3:5]})'
