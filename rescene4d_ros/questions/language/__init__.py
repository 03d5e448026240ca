"""Words, phrases and forms of questions, without a memory."""
