"""`rescene4d memory`: show, query, correct and maintain a memory."""
