"""Networks that give every voxel features; encoders never mix visits, decoders may be told to."""
