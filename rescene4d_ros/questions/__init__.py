"""Questions in plain English to a memory: what is asked, and the answer with its facts."""
