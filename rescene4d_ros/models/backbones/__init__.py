"""
Networks that give every voxel features, by name.

Encoders never mix visits; decoders may be told to. A backbone is one module with `PRESETS` and
`make(in_channels, name, temporal_serialization)`; `models/segmenter.py` loads the one asked for.
"""
