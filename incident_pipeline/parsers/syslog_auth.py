"""Who did what in the messages of login programs: sshd, sudo, su, cron, PAM and the user tools.

The wordings are those of OpenSSH's auth.c, sudo's logging.c, Linux-PAM's pam_unix and shadow-utils. The actor
is who acts: the user at the other end of a session, not the account that a session is opened for.
"""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = r"[^\s'\"();:,]{1,64}"
_SSH: Final = re.compile(
    rf"(?P<outcome>Accepted|Failed|Postponed|Partial) (?P<method>[\w/-]{{1,40}})"
    rf" for (?P<invalid>invalid user |illegal user )?"
    rf"(?P<user>{_NAME}) from (?P<address>[0-9A-Fa-f:.%\w-]{{1,60}})(?: port (?P<port>\d{{1,5}}))?"
)
_INVALID: Final = re.compile(
    rf"(?:Invalid|Illegal) user (?P<user>{_NAME})? ?from (?P<address>[0-9A-Fa-f:.%\w-]{{1,60}})"
    rf"(?: port (?P<port>\d{{1,5}}))?"
)
_SESSION: Final = re.compile(
    rf"(?:pam_\w+\([^)]{{0,80}}\): )?session (?P<outcome>opened|closed) for user (?P<target>{_NAME})"
    rf"(?:\(uid=\d+\))?(?: by (?P<user>{_NAME})?\(uid=(?P<uid>\d+)\))?"
)
_SUDO: Final = re.compile(
    rf"\s*(?P<user>{_NAME}) : (?:(?P<error>[^;]{{1,200}}) ; )?TTY=(?P<tty>[^;]{{0,80}})"
    rf" ; PWD=(?P<pwd>[^;]{{0,500}})"
    rf" ; USER=(?P<target>[^;]{{1,80}})(?:(?: ; .{{0,200}}?)? ; COMMAND=(?P<command>.*))?$",
    re.DOTALL,
)
_CRON: Final = re.compile(
    rf"\((?P<user>{_NAME})\) (?P<outcome>CMD|CMDEND|RELOAD|BEGIN EDIT|END EDIT|LIST|REPLACE)"
    rf" \((?P<command>.*)\)"
)
_BY: Final = re.compile(rf"\b(?:by|for|of) (?:invalid )?user[ =]['\"]?(?P<user>{_NAME})")
_USER: Final = re.compile(
    rf"(?:new user: name=|delete user ['\"]?|add ['\"]?|\buser=|\bfor user ['\"]?|\buser ['\"]?)"
    rf"(?P<user>{_NAME})"
)
_PATTERNS: Final = (_SSH, _INVALID, _SUDO, _CRON, _SESSION, _BY, _USER)
_ATTRIBUTES: Final = {
    "outcome": "auth.outcome", "method": "auth.method", "address": "client.address", "port": "client.port",
    "target": "user.target.name", "tty": "process.tty", "pwd": "process.working_directory",
    "command": "process.command_line", "uid": "user.id", "error": "auth.error",
}  # fmt: skip
_MAX_LOOK: Final = 4_096


def who_of(tag: str, message: str) -> tuple[str | None, dict[str, str]]:
    """Give the actor and what else a login program's message tells; `tag` is the program."""
    head = message[:_MAX_LOOK]
    for pattern in _PATTERNS:
        match = pattern.search(head) if pattern in (_BY, _USER) else pattern.match(head)
        if match is None:
            continue
        groups = match.groupdict()
        found = {name: groups[group] for group, name in _ATTRIBUTES.items() if groups.get(group) is not None}
        user = groups.get("user") or (groups.get("target") if tag != "sudo" else None)
        return user, found
    return None, {}
