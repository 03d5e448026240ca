"""Places where something came or went between visits, by geometry and color alone."""
