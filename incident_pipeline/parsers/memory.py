"""How memory is given back while evidence is parsed: hardly, since the next part needs as much again.

Parsing works on parts of a stream, each of which takes and frees the same few buffers of some MiB. An
allocator that hands such buffers back to the system has them cleared and mapped anew for every part,
which costs a fifth of all CPU (measured; see docs/performance.md).
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

import pyarrow as pa

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Parameters of glibc's `mallopt`."""
_MAPPED: Final = 128 * 1024**2
"""Larger buffers go back to the system as soon as they are free."""
_KEPT: Final = 256 * 1024**2
"""As much free memory is kept for what comes next."""
_GROWTH: Final = 16 * 1024**2


def reuse_memory() -> None:
    """Let this process keep freed memory for its next buffers, those of Arrow included.

    Called where a run of parsing begins. It shows in no result. Without glibc nothing is changed.
    """
    if "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}):
        return
    mallopt = ctypes.CDLL(None).mallopt
    for parameter, value in ((_MMAP_THRESHOLD, _MAPPED), (_TRIM_THRESHOLD, _KEPT), (_TOP_PAD, _GROWTH)):
        mallopt(parameter, value)
    pa.set_memory_pool(pa.system_memory_pool())
