"""Average precision of masks over all visits and visit by visit."""
