"""`rescene4d demo`: the whole pipeline on the sample bag."""
