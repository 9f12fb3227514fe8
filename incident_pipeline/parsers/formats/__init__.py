"""The formats that are read, one file per family; each module lists its own in `FORMATS`."""
