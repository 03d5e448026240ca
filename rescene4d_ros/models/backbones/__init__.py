"""Networks that compute voxel features; encoders never mix visits, decoders may."""
