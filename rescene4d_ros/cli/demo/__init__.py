"""`rescene4d demo`: the whole path on the sample bag."""
