"""Signing in, the headers of every page, and who may change something."""

from __future__ import annotations

import re
from collections.abc import Callable

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from memgpt.memory import Memory
from memgpt.server.console import Console
from memgpt.server.service import Service
from tests.console.conftest import SAME_ORIGIN, Tab, Visitor

POLICY = (
    "default-src 'none'; script-src 'nonce-N'; style-src 'self'; img-src 'self' data:; font-src 'none'; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; frame-src 'none'; object-src 'none'; require-trusted-types-for 'script'; "
    "trusted-types htmx memgpt"
)


def test_a_key_opens_the_console_and_is_not_kept(service: Service, anonymous: TestClient, dsn: str) -> None:
    asked = anonymous.get("/agents/ann/search?q=x", follow_redirects=False)
    assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?next=%2Fagents%2Fann%2Fsearch%3Fq%3Dx")
    key = service.keys.create("mine").token
    fields = {"key": key, "next": "/?prefix=a"}
    answer = anonymous.post("/sign-in", data=fields, headers=SAME_ORIGIN, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?prefix=a")
    cookie = answer.headers["set-cookie"]
    assert re.fullmatch(r"memgpt-80=[\w-]{43}; HttpOnly; Path=/; SameSite=lax", cookie)
    assert key not in str(answer.headers)
    with psycopg.connect(dsn) as connection:
        [row] = connection.execute("SELECT cookie_hash, key_id, expires_at - now() < '7 days' FROM console_sessions")
    assert row[1:] == (key.split("_")[1], True)
    assert anonymous.get("/").status_code == 200


def test_a_wrong_key_opens_nothing(anonymous: TestClient) -> None:
    wrong = "memgpt_0123456789ab_" + "x" * 43
    for key, word in ((wrong, "not known"), ("", "looks like"), ("\0", "looks like"), ("x" * 5000, "looks like")):
        answer = anonymous.post("/sign-in", data={"key": key}, headers=SAME_ORIGIN)
        assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
        assert word in answer.text


def test_one_address_tries_ten_times_a_minute(anonymous: TestClient) -> None:
    answers = [anonymous.post("/sign-in", data={"key": "x"}, headers=SAME_ORIGIN).status_code for _ in range(12)]
    assert answers == [401] * 10 + [429] * 2


def test_who_asks_too_often_is_told_when_to_ask_again(
    visitor_with: Callable[..., Visitor],
) -> None:
    somebody = visitor_with(agents=["*"], permissions=["read"], requests_per_minute=2)
    answers = [somebody.get("/?prefix=a&x=%2F") for _ in range(4)]
    refused = answers[-1]
    wait = refused.headers["retry-after"]
    assert (refused.status_code, f'data-wait="{wait}"' in refused.text) == (429, True)
    assert 'href="/?prefix=a&amp;x=%2F"' in refused.text


def test_a_revoked_key_ends_its_sessions(
    application: tuple[FastAPI, Console], service: Service, visitor: Visitor
) -> None:
    [key] = service.keys.list()
    assert visitor.get("/").url.path == "/"
    service.keys.revoke(key.key_id)
    application[1].sessions._known.clear()  # two seconds later
    assert visitor.get("/", follow_redirects=False).headers["location"] == "/sign-in"


@pytest.mark.parametrize("change", ["expires_at = now()", "used_at = now() - interval '13 hours'"])
def test_a_session_ends(application: tuple[FastAPI, Console], visitor: Visitor, dsn: str, change: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(f"UPDATE console_sessions SET {change}")
    application[1].sessions._known.clear()
    assert visitor.get("/", follow_redirects=False).status_code == 303


def test_use_keeps_a_session(application: tuple[FastAPI, Console], visitor: Visitor, dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE console_sessions SET used_at = now() - interval '11 hours'")
        connection.commit()
        application[1].sessions._known.clear()
        assert visitor.get("/", follow_redirects=False).status_code == 200
        [(recent,)] = connection.execute("SELECT used_at > now() - interval '1 minute' FROM console_sessions")
    assert recent


def test_signing_out_ends_the_session(visitor: Visitor, dsn: str) -> None:
    cookie = dict(visitor.client.cookies)
    assert visitor.post("/sign-out").url.path == "/sign-in"
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM console_sessions").fetchone() == (0,)
    visitor.client.cookies.update(cookie)
    assert visitor.get("/", follow_redirects=False).status_code == 303


def test_a_one_time_token_signs_in_once(application: tuple[FastAPI, Console], anonymous: TestClient) -> None:
    token = application[1].sessions.invite()
    first = anonymous.post("/sign-in", data={"once": token}, headers=SAME_ORIGIN, follow_redirects=False)
    assert first.status_code == 303
    assert anonymous.get("/").status_code == 200
    assert anonymous.post("/sign-in", data={"once": token}, headers=SAME_ORIGIN).status_code == 401


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_sign_in_leads_to_pages_of_ours(service: Service, anonymous: TestClient, target: str) -> None:
    fields = {"key": service.keys.create().token, "next": target}
    answer = anonymous.post("/sign-in", data=fields, headers=SAME_ORIGIN, follow_redirects=False)
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("path", ["/", "/sign-in", "/agents/nobody", "/operations/x", "/static/0/x.js"])
def test_every_page_has_the_policy(visitor: Visitor, path: str) -> None:
    answer = visitor.get(path)
    policy = answer.headers.get_list("content-security-policy")
    assert [re.sub(r"nonce-[\w-]{22}", "nonce-N", one) for one in policy] == [POLICY]
    assert "unsafe" not in policy[0]
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_answer_has_a_nonce_of_its_own(visitor: Visitor) -> None:
    nonces = {visitor.get("/").headers["content-security-policy"].split("'nonce-")[1][:22] for _ in range(5)}
    assert len(nonces) == 5


def test_files_are_named_by_their_content_and_kept(visitor: Visitor) -> None:
    text = visitor.get("/").text
    files = re.findall(r'(?:src|href)="(/static/[0-9a-f]{16}/[^"#]+)"', text)
    assert len(files) >= 3
    for address in files:
        answer = visitor.client.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    scripts = re.findall(r"<script[^>]*>", text)
    assert all("integrity=" in tag and "nonce=" in tag for tag in scripts)


def routes_of(application: tuple[FastAPI, Console]) -> list[tuple[str, str]]:
    """The routes, with something in the place of their parameters."""
    routes = [route for router in application[1].routers for route in router.routes if isinstance(route, APIRoute)]
    return [
        (method, re.sub(r"\{(\w+)\}", lambda m: "1" if m[1] == "id" else "ann", route.path))
        for route in routes
        for method in route.methods or ()
    ]


def test_whoever_sends_no_token_changes_nothing(
    application: tuple[FastAPI, Console], visitor: Visitor, memory: Memory
) -> None:
    memory.remember("The flight leaves on 3 May.")
    changing = [(method, path) for method, path in routes_of(application) if method not in ("GET", "HEAD")]
    assert len(changing) >= 2
    before = memory.history(limit=1)
    for method, path in changing:
        kind = "multipart/form-data; boundary=x" if path.endswith("/files") else "application/x-www-form-urlencoded"
        for token in ("", "token=" + "0" * 64):
            body = "--x--\r\n" if path.endswith("/files") else token
            answer = visitor.client.request(method, path, content=body, headers={**SAME_ORIGIN, "Content-Type": kind})
            assert (answer.status_code, "another session" in answer.text) == (403, True), path
    assert memory.history(limit=1) == before


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:81"},
    ],
)
def test_other_pages_change_nothing(visitor: Visitor, headers: dict[str, str]) -> None:
    data = {"token": visitor.token, "theme": "dark"}
    answer = visitor.client.post("/theme", data=data, headers=headers, follow_redirects=False)
    assert answer.status_code == 403
    data = {"key": "x"}
    assert visitor.client.post("/sign-in", data=data, headers=headers, follow_redirects=False).status_code == 403


def test_an_older_browser_tells_its_origin(visitor: Visitor) -> None:
    data = {"token": visitor.token, "theme": "dark"}
    headers = {"Origin": "http://localhost:80"}
    answer = visitor.client.post(
        "/theme", data=data, headers={**headers, "Host": "localhost:80"}, follow_redirects=False
    )
    assert answer.status_code == 303


def test_the_host_must_be_ours(visitor: Visitor) -> None:
    for path in ("/", "/sign-in", "/static/0/x.js"):
        assert visitor.client.get(path, headers={"Host": "evil.example"}).status_code == 421


def test_the_cookie_opens_no_other_door(visitor: Visitor) -> None:
    for path in ("/v1/agents", "/metrics", "/mcp"):
        assert visitor.client.get(path).status_code == 401


def test_a_key_in_the_head_opens_no_page(service: Service, anonymous: TestClient) -> None:
    headers = {"Authorization": f"Bearer {service.keys.create().token}"}
    assert anonymous.get("/", headers=headers, follow_redirects=False).status_code == 303


def test_agents_out_of_reach_are_as_unknown_ones(visitor_with: Callable[..., Visitor], memory: Memory) -> None:
    memory.remember("secret")
    stranger = visitor_with(agents=["other-*"])
    there, nowhere = stranger.get("/agents/ann"), stranger.get("/agents/nobody")
    assert (there.status_code, nowhere.status_code) == (404, 404)
    plain = lambda text: re.sub(r"ann|nobody|[0-9a-f]{32,64}|nonce=\"[^\"]*\"", "", text)  # noqa: E731
    assert plain(there.text) == plain(nowhere.text)  # type: ignore[no-untyped-call]
    assert '/agents/ann"' not in stranger.get("/").text


def test_the_theme_is_remembered(visitor: Visitor) -> None:
    answer = visitor.post("/theme", theme="dark", back="/?prefix=x")
    assert (answer.url.path, answer.url.query) == ("/", b"prefix=x")
    assert 'data-theme="dark"' in answer.text


def test_signing_in_by_hand(tab_with: Callable[..., Tab], service: Service) -> None:
    tab = tab_with()
    tab.watch.expected += ["401"]
    page = tab.open("/")
    page.get_by_label("Key").fill("memgpt_0123456789ab_" + "x" * 43)
    page.keyboard.press("Enter")
    assert "not known" in page.get_by_role("alert").inner_text()
    tab.is_accessible()
    page.get_by_label("Key").fill(service.keys.create().token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Agents", exact=True).wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()


def test_the_address_of_memgpt_console_signs_in(tab_with: Callable[..., Tab]) -> None:
    tab = tab_with()
    page = tab.open(f"/sign-in#once={tab.console.sessions.invite()}")
    page.get_by_role("heading", name="Agents", exact=True).wait_for()
    assert "once" not in page.url
    assert tab.page.context.cookies()[0]["httpOnly"]


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, {"viewport": {"width": 360, "height": 700}}])
def test_the_list_of_agents_is_accessible(
    tab_with: Callable[..., Tab], service: Service, memory: Memory, options: dict[str, object]
) -> None:
    memory.remember("The flight leaves on 3 May.")
    tab = tab_with(**options)
    tab.sign_in(service.keys.create(permissions=("read", "write", "admin")).token)
    tab.page.get_by_role("link", name="ann").wait_for()
    tab.is_accessible()
    tab.shot(f"agents-{'-'.join(map(str, options)) or 'light'}")
    width = tab.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width[0] <= width[1]


def test_commands_are_found_by_the_palette(tab: Tab, memory: Memory) -> None:
    memory.remember("The flight leaves on 3 May.")
    page = tab.open("/agents/ann")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Find a command").fill("agents")
    tab.is_accessible()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Agents", exact=True).wait_for()
