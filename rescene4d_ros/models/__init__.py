"""The network: visits in, 4D queries out; knows nothing of files, truth or remembered objects."""
