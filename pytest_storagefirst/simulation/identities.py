"""Every id of a run, and whose it is: the test's own, and those that the system gives."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any

TOKEN = re.compile(r"m\d+-[0-9a-f]{6}")


class Identities:
    """Ids from a run's randomness, so that they are equal in every run of one schedule.

    `names` maps raw ids to names ("<m1>", "<m1.messageId>"); `messages` are the test's ids in the
    order of their first use.
    """

    def __init__(self, chance: random.Random) -> None:
        self._random = chance
        self._tokens: dict[str, str] = {}
        self._raw: dict[str, tuple[str, ...]] = {}
        self.names: dict[str, str] = {}
        self.nameless: set[str] = set()  # messages whose bodies hold no id of theirs

    @property
    def messages(self) -> tuple[str, ...]:
        return tuple(self._tokens)

    def new_id(self) -> str:
        """A request id in AWS's form."""
        text = f"{self._random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"

    def token(self, message: str) -> str:
        """The id that the test puts into a message's body."""
        token = self._tokens.get(message)
        if token is None:
            token = f"{message}-{self._random.getrandbits(24):06x}"
            self._tokens[message] = token
            self.name(message, token, f"<{message}>")
        return token

    def name(self, message: str, raw: str, name: str) -> None:
        """Note that `raw` is an id of this message. What the test made itself keeps its name: a
        handler may name an execution by it, so that it starts once.
        """
        if raw != self._tokens.get(message) or raw not in self.names:
            self.names[raw] = name
        known = self._raw.get(message, ())
        if raw not in known:
            self._raw[message] = (*known, raw)

    def messages_in(self, text: str) -> tuple[str, ...]:
        """The messages whose tokens stand in a text."""
        found = dict.fromkeys(self.names.get(token, "") for token in TOKEN.findall(text))
        return tuple(name.strip("<>") for name in found if name)

    def nobody_named(self, messages: tuple[str, ...]) -> tuple[str, ...]:
        """Whose a text is that names none of these: theirs that came without their ids, if any."""
        return tuple(m for m in messages if m in self.nameless) or messages

    def concerned(self, messages: Sequence[str], request: Any) -> tuple[str, ...]:
        """Which of an invocation's messages a call is about: those that its parameters name."""
        everyone = tuple(messages)
        if len(everyone) < 2:
            return everyone
        body = request["body"]
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
        text += str(request.get("url_path", ""))
        raw, named = self._raw, []
        for message in everyone:
            for known in raw.get(message, ()):
                if known in text:
                    named.append(message)
                    break
        return tuple(named) or self.nobody_named(everyone)
