"""`rescene4d bench`: what segmenting and remembering cost on this machine."""
