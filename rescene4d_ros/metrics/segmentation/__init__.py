"""Average precision of masks over all visits and per visit."""
