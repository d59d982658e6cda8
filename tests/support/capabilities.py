"""The rights of root that this thread makes use of: capget(2) and capset(2)."""

from __future__ import annotations

import ctypes

CAP_DAC_OVERRIDE = 1
"""Writing to whatever there is, whoever may."""
_VERSION = 0x20080522
_LIBC = ctypes.CDLL(None, use_errno=True)


def effective_capabilities() -> int:
    """Return the lower half of the set."""
    return int(_data()[0])


def set_effective_capabilities(wanted: int) -> None:
    """Replace the lower half of the set."""
    data = _data()
    data[0] = wanted
    if _LIBC.capset(_header(), data):
        raise OSError(ctypes.get_errno(), "capset")


def _header() -> ctypes.Array[ctypes.c_uint32]:
    return (ctypes.c_uint32 * 2)(_VERSION, 0)


def _data() -> ctypes.Array[ctypes.c_uint32]:
    # Effective, permitted and inheritable, the lower halves before the upper ones.
    data = (ctypes.c_uint32 * 6)()
    if _LIBC.capget(_header(), data):
        raise OSError(ctypes.get_errno(), "capget")
    return data
