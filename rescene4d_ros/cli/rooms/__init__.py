"""`rescene4d rooms`: make, check and draw procedural rooms."""
