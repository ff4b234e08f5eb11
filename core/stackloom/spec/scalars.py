"""Plain scalars of YAML as Kubernetes reads them: YAML 1.1, but a date stays text and 12:30 is no number to the base of 60."""

from __future__ import annotations

import math
import re

_BOOL = {
    form(word): word in ("yes", "on", "true")
    for word in ("yes", "no", "on", "off", "true", "false")
    for form in (str.lower, str.title, str.upper)
}
_NULL = ("", "~", "null", "Null", "NULL")
_INT = re.compile(r"([-+]?)(0b|0x|0o?|)([0-9a-fA-F_]+)")
_BASE = {"0b": 2, "0x": 16, "0o": 8, "0": 8, "": 10}
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?")


def plain(text: str) -> str | bool | int | float | None:
    """What a scalar without quotes means. A number that no computer can hold stays text."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if (match := _INT.fullmatch(text)) is not None:
        try:
            return int(match[1] + match[3].replace("_", ""), _BASE[match[2]])
        except ValueError:
            pass  # 08, 12e3 or thousands of digits
    if _FLOAT.fullmatch(text) is not None:
        number = float(text.replace("_", ""))
        return number if math.isfinite(number) and (set(text) & set(".eE")) else text
    return text
