"""What each operation of Trunkline's own API takes and answers, as far as its row of the catalogue does not tell."""

from __future__ import annotations

from typing import Any

import msgspec

from trunkline.apis.trunkline import answers, insight_answers, support_answers
from trunkline.apis.trunkline.accounts import AccountRequest
from trunkline.apis.trunkline.alerts import AlertRequest
from trunkline.apis.trunkline.asked import AskRequest, RowsRequest
from trunkline.apis.trunkline.incidents import MOST_DAYS, USUAL_DAYS, NoticeRequest
from trunkline.apis.trunkline.ingest import LONGEST_KEY, OPERATIONS
from trunkline.apis.trunkline.keys import KeyRequest
from trunkline.apis.trunkline.numbers import TextRequest
from trunkline.apis.trunkline.subscriptions import MOST_LETTERS, SubscribeRequest, TestRequest
from trunkline.apis.trunkline.tabled import ARROW, CSV, PARQUET
from trunkline.apis.trunkline.teams_users import TeamsUserRequest
from trunkline.apis.trunkline.tokens import TokenRequest
from trunkline.catalogue.explaining import Meaning
from trunkline.catalogue.log_tables import MOST_ROWS
from trunkline.insight.bundle import LONGEST_USE_CASE
from trunkline.insight.story import LONGEST as LONGEST_ID
from trunkline.services.resources import REPLACEABLE
from trunkline.services.sent import LONGEST_WAIT_S, MOST

TEXT = "text/plain"
ANY = "*/*"
ZIP = "application/zip"


class Given(msgspec.Struct, frozen=True):
    """A parameter: its name, what it means, and the JSON schema of its value."""

    name: str
    brief: str
    schema: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "string"})
    is_needed: bool = False


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation takes and answers.

    `answers` maps a status to the shapes of its bodies (none: it has no body); `media` are further forms of them.
    `takes_file`: its body may be anything.
    """

    answers: dict[int, tuple[Any, ...]]
    body: Any = None
    query: tuple[Given, ...] = ()
    headers: tuple[Given, ...] = ()
    media: tuple[str, ...] = ()
    takes_file: bool = False


class ConnectionOf:
    """Stands for what a client needs to connect, whose shape is made on a floor above."""


_COUNT = {"type": "integer", "minimum": 0, "maximum": MOST}
ACCOUNT = Given("account", "The account it is about; the caller's own unless named.")
IN_PATH = {
    "name": Given("name", "The name of the account, the subscription or the alert rule."),
    "key": Given("key", "Which credential.", {"type": "string", "enum": list(REPLACEABLE)}),
    "id": Given("id", "The id of the API key, the incident, the notice or the support file."),
    "table": Given("table", "The name of a log table, or its category."),
    "file": Given("file", "The SHA-256 of the file.", {"type": "string", "pattern": "^[0-9a-f]{64}$"}),
    "user": Given("user", "The object id of a Teams user (a GUID), or the user principal name."),
    "number": Given("number", "E.164 like +18005550199, a short code, or a sender name."),
}
_INBOX = (
    ACCOUNT,
    Given("channel", "A channel by its name: chat, sms."),
    Given("id", "The message's id, as its sender was answered."),
    Given("to", "The recipient."),
    Given("from", "The sender."),
    Given("text", "What stands in the text, in any case of letters."),
    Given("thread", "The conversation."),
    Given("tag", "The tag."),
    Given("status", "What became of it."),
    Given("since", "The earliest moment (RFC 3339), or how long ago it was: 30s, 5m, 2h, 1d."),
    Given("limit", "At most so many.", {"type": "integer", "minimum": 1, "maximum": MOST}),
    Given("after", "Where to go on, from a nextLink."),
    Given("wait_s", "Wait up to so many seconds.", {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT_S}),
    Given("count", "How many messages complete the answer.", _COUNT),
)
_FACT = Given(
    "fact",
    "What the file holds.",
    {"type": "string", "enum": [kind.table for kind in OPERATIONS.values()]},
    is_needed=True,
)
_POST = Told(
    answers={200: (answers.Taken,)},
    headers=(
        Given(
            "Idempotency-Key",
            "A post that is sent again under its key is answered as before and does nothing.",
            {"type": "string", "maxLength": LONGEST_KEY},
        ),
        Given("Trunkline-Chunk", "Which chunk of a file the body is: the file's SHA-256, a slash, a number from 1."),
        Given("Content-Encoding", "How the body is packed.", {"type": "string", "enum": ["identity", "gzip", "zstd"]}),
    ),
)
_SEEN = Given("account", "Only this account, and the whole server.")
_DAYS = Given(
    "days",
    f"How far back what is over is listed; {USUAL_DAYS} days unless given.",
    {"type": "integer", "minimum": 1, "maximum": MOST_DAYS},
)
_LOG_ROWS = (
    Given("account", "Only this account and those below it."),
    Given("since", "The earliest moment (RFC 3339), or how long ago it was; an hour unless given."),
    Given("until", "The end, in the same words."),
    Given("limit", "At most so many.", {"type": "integer", "minimum": 1, "maximum": MOST_ROWS}),
    Given("next", "Where to go on, from an answer. Any other name is a column, and its value what it must be."),
)
TOLD: dict[str, Told] = {
    "GetHealth": Told(answers={200: (answers.Health,)}),
    "GetReadiness": Told(answers={200: (answers.Readiness,), 503: (answers.Readiness,)}),
    "GetState": Told(answers={200: (str,)}, media=(TEXT,)),
    "GetOpenApi": Told(answers={200: (dict[str, Any],)}),
    "GetServiceHealth": Told(answers={200: (insight_answers.ServiceHealth,)}, query=(_SEEN,)),
    "ListIncidents": Told(answers={200: (insight_answers.Incidents,)}, query=(_SEEN, _DAYS)),
    "GetIncident": Told(answers={200: (insight_answers.Incident,)}),
    "ListAlerts": Told(
        answers={200: (insight_answers.Alerts,)}, query=(Given("account", "Only the rules of this account."),)
    ),
    "PutAlert": Told(
        answers={200: (insight_answers.Alert,), 201: (insight_answers.Alert,)}, body=AlertRequest, query=(ACCOUNT,)
    ),
    "GetAlert": Told(answers={200: (insight_answers.Alert,)}, query=(ACCOUNT,)),
    "DeleteAlert": Told(answers={204: ()}, query=(ACCOUNT,)),
    "CreateNotice": Told(answers={201: (insight_answers.Notice,)}, body=NoticeRequest),
    "ListNotices": Told(answers={200: (insight_answers.Notices,)}, query=(_DAYS,)),
    "EndNotice": Told(answers={200: (insight_answers.Notice,)}),
    "GetCatalogue": Told(
        answers={200: (answers.Tables,)}, query=(Given("q", "Only rows in which each of these words stands."),)
    ),
    "Explain": Told(
        answers={200: (Meaning,)},
        query=(Given("q", "A code as people write it (603, 487/540487, NO_ANSWER), or a name.", is_needed=True),),
    ),
    "GetConnection": Told(answers={200: (ConnectionOf,)}, query=(ACCOUNT,)),
    "ListAccounts": Told(answers={200: (answers.Accounts,)}),
    "CreateAccount": Told(answers={200: (ConnectionOf,), 201: (ConnectionOf,)}, body=AccountRequest),
    "RegenerateKey": Told(answers={200: (ConnectionOf,)}),
    "CreateKey": Told(answers={201: (answers.MadeKey,)}, body=KeyRequest),
    "ListKeys": Told(answers={200: (answers.Keys,)}, query=(Given("account", "Only the keys of this account."),)),
    "RevokeKey": Told(answers={204: ()}),
    "CreateBackup": Told(answers={201: (answers.Copied,)}),
    "MintToken": Told(answers={201: (answers.Token,)}, body=TokenRequest),
    "Ask": Told(answers={200: (answers.Points, answers.Explanation)}, body=AskRequest, media=(CSV, ARROW, PARQUET)),
    "Search": Told(
        answers={200: (insight_answers.Searched,)},
        query=(Given("q", "The id.", {"type": "string", "maxLength": LONGEST_ID}, is_needed=True), ACCOUNT),
    ),
    "GetBundle": Told(
        answers={200: (bytes,)},
        media=(ZIP,),
        query=(
            Given("q", "The id.", {"type": "string", "maxLength": LONGEST_ID}, is_needed=True),
            Given("without", "What is removed, with commas: texts (of messages), numbers (and addresses)."),
            Given("use_case", "What was being done when it failed.", {"type": "string", "maxLength": LONGEST_USE_CASE}),
            ACCOUNT,
        ),
    ),
    "ListLogTables": Told(answers={200: (insight_answers.AllLogTables,)}),
    "ListLogRows": Told(answers={200: (insight_answers.LogRows,)}, query=_LOG_ROWS),
    "ListFacts": Told(answers={200: (answers.Found,)}, body=RowsRequest, media=(CSV, ARROW, PARQUET)),
    **dict.fromkeys(OPERATIONS, _POST),
    "AddSupportFile": Told(
        answers={200: (support_answers.SupportFile,), 201: (support_answers.SupportFile,)},
        takes_file=True,
        query=(
            Given("call_id", "The call that it is about, by any of its ids.", is_needed=True),
            Given("name", "The file's name."),
            Given("user_id", "Whose client it comes from."),
            ACCOUNT,
        ),
    ),
    "ListSupportFiles": Told(
        answers={200: (support_answers.SupportFiles,)}, query=(Given("call_id", "Only those of this call."), ACCOUNT)
    ),
    "GetSupportFile": Told(answers={200: (support_answers.SupportFile,)}),
    "GetSupportFileContent": Told(answers={200: (bytes,)}, media=(ANY,)),
    "DeleteSupportFile": Told(answers={204: ()}),
    "GetImport": Told(answers={200: (answers.Imported,)}, query=(_FACT,)),
    "CreateSubscription": Told(answers={201: (answers.Subscribed,)}, body=SubscribeRequest, query=(ACCOUNT,)),
    "ListSubscriptions": Told(answers={200: (answers.AllSubscribed,)}, query=(ACCOUNT,)),
    "GetSubscription": Told(answers={200: (answers.Subscribed,)}, query=(ACCOUNT,)),
    "DeleteSubscription": Told(answers={204: ()}, query=(ACCOUNT,)),
    "TestSubscription": Told(answers={202: (answers.Fired,)}, body=TestRequest, query=(ACCOUNT,)),
    "ResendDeadLetters": Told(answers={202: (answers.Resent,)}, query=(ACCOUNT,)),
    "ListInbox": Told(answers={200: (answers.Inbox,)}, query=_INBOX),
    "ListDeadLetters": Told(
        answers={200: (answers.DeadLetters,)},
        query=(ACCOUNT, Given("most", "At most so many.", {"type": "integer", "minimum": 1, "maximum": MOST_LETTERS})),
    ),
    "ReceiveText": Told(answers={202: (answers.Received,)}, body=TextRequest, query=(ACCOUNT,)),
    "ListNumbers": Told(answers={200: (answers.AllOwned,)}, query=(ACCOUNT,)),
    "AddNumber": Told(
        answers={200: (answers.Owned,), 201: (answers.Owned,)},
        query=(
            ACCOUNT,
            Given("brief_id", "The short code program brief or toll-free campaign brief that it was granted under."),
        ),
    ),
    "RemoveNumber": Told(answers={204: ()}, query=(ACCOUNT,)),
    "ListTeamsUsers": Told(answers={200: (answers.AllRegistered,)}),
    "AddTeamsUser": Told(
        answers={200: (answers.RegisteredUser,), 201: (answers.RegisteredUser,)}, body=TeamsUserRequest
    ),
    "RemoveTeamsUser": Told(answers={204: ()}),
}
