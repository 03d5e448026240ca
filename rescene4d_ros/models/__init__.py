"""The network: visits in, 4D queries out."""
