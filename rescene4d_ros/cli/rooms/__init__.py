"""`rescene4d rooms`: make, check and picture procedural rooms."""
