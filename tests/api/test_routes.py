"""Routes: each operation's path leads to it and to no other, however strange the ids in it."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.api.routes import Routes
from trunkline.catalogue.load import VENDORS, load
from trunkline.catalogue.rows import Operation, Service

DOORS = {vendor: Routes(load().of_vendor(vendor)) for vendor in VENDORS}
OPERATIONS = [
    (vendor, row)
    for vendor in VENDORS
    for service in load().of_vendor(vendor)
    for row in service.operations.values()
    if row.route
]
SUFFIXES = sorted({found for _, row in OPERATIONS for found in re.findall(r":[A-Za-z]+", row.path)})
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


def ids() -> st.SearchStrategy[str]:
    """Make ids that look like parts of routes: colons, slashes, @, words of the routes themselves."""
    words = st.sampled_from(
        ["8:acs:1b5cc06b-f352-4571-b1e6-d9b259b7c776_00000007", "19:abc@thread.v2", "a/b", "4:+431234", ":", "messages"]
    )
    text = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=12)
    ends = st.builds("{}{}".format, text, st.sampled_from(SUFFIXES))
    return st.one_of(words, text, ends)


def filled(draw: st.DrawFn, row: Operation) -> tuple[str, dict[str, str]]:
    """Fill in a route's parameters and change the case of its literals; also return what was filled in."""
    params: dict[str, str] = {}
    parts = []
    for segment in row.path.strip("/").split("/"):
        name, _, suffix = segment[1:].partition("}") if segment.startswith("{") else ("", "", segment)
        literal = draw(st.sampled_from([suffix, suffix.lower(), suffix.upper()]))
        if name.endswith("*"):
            scope = ["subscriptions", "s", "resourceGroups", draw(st.sampled_from("gG")), "providers", "P", "x"]
            params[name[:-1]] = "/" + "/".join(scope)
            parts += scope
        elif name:
            params[name] = draw(ids())
            parts.append(quote(params[name], safe=draw(st.sampled_from(["", ":@", ":@!$&'()*+,;="]))) + literal)
        else:
            parts.append(literal)
    return "/" + "/".join(parts), params


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_each_operations_path_leads_to_itself_and_no_other(data: st.DataObject) -> None:
    """With ids full of colons, encoded slashes and @, and with literals in any case."""
    vendor, row = data.draw(st.sampled_from(OPERATIONS))
    path, params = data.draw(st.composite(filled)(row))
    found = DOORS[vendor].find(row.method, path)
    assert found.operation == row
    assert found.service is not None
    assert found.service.name == row.service
    assert found.params == params
    assert DOORS[vendor].claims(path)


@pytest.mark.parametrize(("vendor", "row"), OPERATIONS, ids=lambda part: part if isinstance(part, str) else part.name)
def test_each_operation_is_found_by_a_plain_example(vendor: str, row: Operation) -> None:
    """Every single one, also those that chance did not draw."""
    path = re.sub(r"{scope\*}", "subscriptions/s/resourceGroups/g/providers/p/t/n", row.path)
    path = re.sub(r"{[a-z_]+}", "x", path)
    assert DOORS[vendor].find(row.method, path).operation == row


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(DOORS)), st.sampled_from(METHODS), st.text(max_size=60), st.booleans())
def test_no_path_whatever_breaks_the_table(vendor: str, method: str, tail: str, encode: bool) -> None:
    """Any text leads somewhere or nowhere, but never to an error."""
    routes = DOORS[vendor]
    for prefix in ("/", "/chat/threads/", "/subscriptions/"):
        path = prefix + (quote(tail) if encode else tail)
        found = routes.find(method, path)
        routes.claims(path)
        if found.service is not None and found.operation is None:
            routes.nearest(found.service, method, path)


def table(**services: dict[str, str]) -> Routes:
    """Make routes from a name and its routes, under the prefix of the name."""
    return Routes(
        Service(
            title=name,
            name=name,
            prefixes=(f"/{name}",),
            operations={
                key: Operation(brief="b", route=route, name=key, service=name) for key, route in routes.items()
            },
        )
        for name, routes in services.items()
    )


def test_a_suffix_wins_over_an_id_that_could_end_so_where_the_method_fits() -> None:
    """POST /jobs/7:close closes job 7; PATCH /jobs/7:close means the job whose id ends in :close."""
    routes = table(
        jobs={
            "Upsert": "PATCH /jobs/{job_id}",
            "Close": "POST /jobs/{job_id}:close",
            "ForceClose": "POST /jobs/{job_id}:force:close",
            "Post": "POST /jobs/{job_id}",
            "Best": "POST /jobs/best",
        }
    )
    cases = {
        ("PATCH", "/jobs/7:close"): ("Upsert", {"job_id": "7:close"}),
        ("POST", "/jobs/7:close"): ("Close", {"job_id": "7"}),
        ("POST", "/jobs/7:FORCE:Close"): ("ForceClose", {"job_id": "7"}),
        ("POST", "/jobs/7"): ("Post", {"job_id": "7"}),
        ("POST", "/jobs/:close"): ("Post", {"job_id": ":close"}),
        ("POST", "/jobs/BEST"): ("Best", {}),
        ("PATCH", "/jobs/best"): ("Upsert", {"job_id": "best"}),
    }
    for (method, path), (name, params) in cases.items():
        found = routes.find(method, path)
        assert found.operation is not None, (method, path)
        assert (found.operation.name, found.params) == (name, params), (method, path)


def test_a_method_that_no_operation_has_is_told_from_an_unknown_path() -> None:
    """All methods of all templates that fit are allowed; an unknown path allows none."""
    routes = table(jobs={"Upsert": "PATCH /jobs/{id}", "Get": "GET /jobs/{other}", "Close": "POST /jobs/{id}:close"})
    found = routes.find("DELETE", "/jobs/7:close")
    assert found.operation is None
    assert found.service is not None
    assert found.allowed == ("GET", "PATCH", "POST")
    assert routes.find("DELETE", "/jobs/7").allowed == ("GET", "PATCH")
    lost = routes.find("GET", "/jobs/7/nothing")
    assert (lost.operation, lost.allowed) == (None, ())
    assert lost.service is not None


def test_a_greedy_scope_takes_everything_before_its_tail() -> None:
    """At least one segment, and its parts are decoded one by one."""
    routes = table(arm={"Get": "GET /{scope*}/providers/p/{name}"})
    found = routes.find("GET", "/arm/a%2Fb/c/Providers/P/x%3Ay")
    assert found.params == {"scope": "/arm/a/b/c", "name": "x:y"}
    assert routes.find("GET", "/providers/p/x").operation is None


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/emails:send", "email"),
        ("/EMAILS/operations/x/y", "email"),
        ("/emailsx", None),
        ("/calling/callConnections:answer", "call_automation"),
        ("/calling/callconnections/x", "call_automation"),
        ("/calling/recordings:whatever", "call_recording"),
        ("/calling", None),
        ("/calling/other", None),
        ("/chat", "chat"),
        ("/chat/", "chat"),
        ("/chatter", None),
        ("/x/chat", None),
        ("/ch%61t/threads", "chat"),
        ("/chat%2Fthreads", None),
        ("", None),
        ("/", None),
    ],
)
def test_a_prefix_ends_at_a_slash_or_a_colon(path: str, service: str | None) -> None:
    """And nowhere else; encoded letters are letters, an encoded slash is none."""
    found = DOORS["acs"].find("GET", path).service
    assert (found.name if found else None) == service
    assert bool(DOORS["acs"].claims(path)) is (service is not None)


def test_the_nearest_operation_is_named_for_a_misspelt_route() -> None:
    """In any case, and quickly for a path that is far too long."""
    chat = load().services["chat"]
    routes = DOORS["acs"]
    near = routes.nearest(chat, "POST", "/Chat/Threads/19%3Aabc/message")
    assert near is not None
    assert near.name == "SendChatMessage"
    assert routes.nearest(chat, "GET", "/chat/thread") is not None
    routes.nearest(chat, "GET", "/chat/" + "threads/" * 8000)
