"""Shapes of small things: functions of a design, of a single thing and of its extents."""
