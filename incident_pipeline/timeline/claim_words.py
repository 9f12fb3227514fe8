"""The words that people use for acts, states, plans, doubts and questions in an incident's channel.

Word lists only, as regular expressions ready to be joined; what is made of them is `claim_grammar`. They
are English. No name of any system, service or person is among them.
"""

from __future__ import annotations

from typing import Final

_MORE_OF: Final = (
    r"(?:\d+|more|two|three|some|extra) (?:more )?(?:replicas?|pods?|nodes?|instances?|workers?|hosts?)"
)

ACTS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "rollback": (
        ("rolled[ -]?back", "rollback (?:is )?(?:done|completed?|finished)", "reverted", "backed out"),
        ("rolling[ -]?back", "reverting", "backing out"),
    ),
    "failover": (
        ("failed over", "switched over", "promoted"),
        ("failing over", "switching over", "promoting"),
    ),
    "restart": (
        ("restarted", "rebooted", "bounced", "recycled", "respawned"),
        ("restarting", "rebooting", "bouncing", "recycling"),
    ),
    "scale": (
        ("scaled", "doubled", "tripled", f"added {_MORE_OF}"),
        ("scaling", "doubling", f"adding {_MORE_OF}"),
    ),
    "deploy": (
        ("deployed", "redeployed", "shipped", "released", "rolled out", "hotfixed"),
        ("deploying", "redeploying", "shipping", "releasing", "rolling out", "hotfixing"),
    ),
    "purge": (
        ("purged", "flushed", "cleared", "invalidated"),
        ("purging", "flushing", "clearing", "invalidating"),
    ),
    "flag": (
        ("disabled", "enabled", "turned (?:off|on)", "switched (?:off|on)", "toggled", "flipped"),
        ("disabling", "enabling", "turning (?:off|on)", "switching (?:off|on)", "toggling", "flipping"),
    ),
    "stop": (
        ("stopped", "paused", "shut down", "drained", "cordoned", "suspended", "killed"),
        ("stopping", "pausing", "shutting down", "draining", "cordoning", "suspending", "killing"),
    ),
    "config": (
        ("increased", "raised", "bumped", "lowered", "reduced", "decreased", "stripped", "blocked",
         "throttled", "rate[ -]limited", "patched", "reconfigured"),
        ("increasing", "raising", "bumping", "lowering", "reducing", "decreasing", "stripping", "blocking",
         "throttling", "rate[ -]limiting", "patching", "reconfiguring"),
    ),
}  # fmt: skip
"""Per act: how it is said when done, and while under way. Earlier ones are looked for first."""

SUFFERED: Final = ("config", "stop")
"""Acts whose words also say how things are: `requests are blocked` tells nothing that anybody did."""
STORES: Final = (
    "caches?", "cdn", "queues?", "keys?", "entries", "topics?", "backlog", "dns", "sessions?", "urls?",
)  # fmt: skip
"""What can be purged; other things are cleared up or flushed out."""
SWITCHES: Final = ("flags?", "features?", "toggles?")

DOWN: Final = (
    "down", "offline", "unreachable", "unavailable", "failing", "broken", "dead", "crash(?:ing|ed|looping)",
    "erroring", "timing out", "degraded", "slow", "overloaded", "saturated",
    r"full of (?:errors|timeouts|[45]\d\ds?)",
)  # fmt: skip
UP: Final = (
    "back(?: up| to normal| online)?", "up(?: again)?", "fixed", "healthy", "green", "recover(?:ed|ing)",
    "stable", "working(?: again)?", "normal", "clean", "flat", "ok", "okay", "resolved", "fine",
)  # fmt: skip
OVER: Final = ("recovering", "recovered", "all clear", "resolved", "back to normal")
"""What is said of the whole, without a subject."""
IS: Final = (
    "is", "are", "'s", "'re", "was", "were", "has been", "have been", "went", "looks?", "seems?", "came",
)  # fmt: skip
ADVERBS: Final = (
    "now", "all", "still", "completely", "totally", "fully", "mostly", "again", "just", "so", "too",
)  # fmt: skip

LEVELS: Final = {
    "errors": (
        "error[ -]?rates?", "error[ -]?ratios?", "errors", "failures", "5xx", "4xx", "50[0234]s?", "429s?",
    ),
    "latency": ("latency", "response times?", "p50", "p90", "p95", "p99"),
    "cpu": ("cpu",),
    "memory": ("memory", "rss"),
    "hits": ("(?:cache )?hit[ -]?(?:ratio|rate)",),
    "queue": ("queue", "backlog", "lag"),
    "connections": ("connections",),
    "traffic": ("load", "traffic", "rps", "qps"),
}  # fmt: skip
"""What has a level, by what is measured."""
RISES: Final = (
    "climbing", "rising", "spik(?:ing|ed)", "increas(?:ing|ed)", "grow(?:ing|n)", "grew",
    "through the roof", "went up", "shot up", "jumped",
)  # fmt: skip
FALLS: Final = (
    "dropping", "falling", "fell(?: off a cliff)?", "dropped", "decreas(?:ing|ed)", "going down",
    "came down", "coming down", "recovering",
)  # fmt: skip
ABOVE: Final = ("over", "above", "more than", ">")
BELOW: Final = ("under", "below", "less than", "<")
ABOUT: Final = ("around", "about", "at", "to", "~")
UNITS: Final = ("%", "percent", "ms", "milliseconds?", "s", "sec(?:onds?)?", "rps", "/s")

QUESTIONS: Final = (
    "did", "does", "do", "is", "are", "was", "were", "should", "shall", "could", "can", "would", "will",
    "have", "has", "had", "any(?:one|body)?", "who", "what", "why", "when", "where", "how", "which", "isn't",
    "aren't", "didn't",
)  # fmt: skip
"""Words that begin a question, with or without its mark."""
LEADS: Final = (
    "ok", "okay", "so", "and", "but", "hm+", "wait", "yes", "now", "currently", "just", "i", "we", "i'm",
    "i am", "we're", "we are", "he's", "she's", "they're",
)  # fmt: skip
"""What may stand before a statement or a question without changing it."""
UNREAL: Final = (
    "going to", "gonna", "will", "'ll", "shall", "should", "could", "would", "might", "may", "must",
    "plan(?:s|ned|ning)? (?:to|on)", "about to", "want(?:s|ed)? to", "need(?:s|ed)? to", "ha(?:ve|s) to",
    "let'?s", "let us", "let me", "try(?:ing)?", "tried to", "if", "unless", "once", "until", "when",
    "please", "can (?:you|we|i|someone)", "suggest(?:s|ed|ing)?", "propos(?:e|es|ed|ing)",
    "consider(?:ing)?", "ready to", "in case", "wait(?:ing)? (?:for|to|until)", "wonder(?:ing)?", "whether",
    "maybe", "perhaps", "probably", "possibly", "apparently",
    "(?:i|we) (?:think|guess|believe|suspect|assume|hope)", "seems? like", "looks? like", "supposed(?:ly)?",
    "anyway", "yesterday", "last (?:week|month|night|time)", "almost", "nearly",
)  # fmt: skip
"""Plans, wishes, conditions, doubts, and other days: no facts of now."""
NEGATIONS: Final = (
    "not", "never", "no", "none", "nobody", "nothing", "without", "cannot", "neither", "nor", "failed to",
    "unable to", "refus(?:es|ed) to", "instead of", "rather than",
)  # fmt: skip


def any_of(words: tuple[str, ...]) -> str:
    """Join words into one group that matches any of them."""
    return f"(?:{'|'.join(words)})"
