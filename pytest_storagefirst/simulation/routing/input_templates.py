"""Input templates of EventBridge: <variables> in a text that is JSON when they are filled in.

Pages: eb-transform-target-input, eb-pipes-input-transformation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any


def filled(
    template: str, variable: re.Pattern[str], value_of: Callable[[str], Any], *, nothing: str
) -> str:
    """A template with each variable (the pattern's first group) replaced.

    Within quotes a value is part of the text, `nothing` where there is none; outside it is JSON of
    its own. `value_of` raises KeyError for a name that is no variable, which stays as it is.
    """

    def value(found: re.Match[str]) -> str:
        try:
            known = value_of(found[1])
        except KeyError:
            return found[0]
        text = json.dumps(known, ensure_ascii=False)
        if not _in_quotes(template[: found.start()]):
            return text
        if known is None:
            return nothing
        return text[1:-1] if isinstance(known, str) else json.dumps(text, ensure_ascii=False)[1:-1]

    return variable.sub(value, template)


def _in_quotes(text: str) -> bool:
    return len(re.findall(r'(?<!\\)"', text)) % 2 == 1
