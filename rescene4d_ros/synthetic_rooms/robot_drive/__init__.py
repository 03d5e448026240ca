"""A robot that drives through a made room: live clouds, transforms with drift, a person."""
