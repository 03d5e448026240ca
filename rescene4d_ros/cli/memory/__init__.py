"""`rescene4d memory`: look into a memory, ask it, correct it, maintain it."""
