// The module that sends a client's logs, alone: its clock and its fetch are the test's own.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { lineOf, sendLogs } from "../../src/trunkline/web/client-logs.mjs";

const CALL = "9f5cf1a5-0000-4000-8000-000000000001";

/** A server that answers as it is told, 200 when it is told nothing; it keeps what came. */
function server(...answers) {
  const got = [];
  const fetch = async (url, request) => {
    got.push({ url, ...request, lines: request.body.trim().split("\n").map((line) => JSON.parse(line)) });
    const next = answers.shift();
    if (next === "away") throw new TypeError("fetch failed");
    const [status, headers, told] = next || [200, {}, { accepted: 1, rejected_total: 0 }];
    return new Response(JSON.stringify(told || {}), { status, headers });
  };
  return { got, fetch };
}

/** A logger whose lines go to a server by a turned clock. */
function begin(place, options = {}) {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_800_000_000_000 });
  const logger = { log: () => {} };
  const logs = sendLogs(logger, { url: "/logs", fetch: place.fetch, session: "s", ...options });
  return { logger, logs };
}

/** Turn the clock, and let what was due come to its end. */
async function pass(seconds) {
  mock.timers.tick(seconds * 1000);
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  await new Promise((done) => setImmediate(done));
}

test.afterEach(() => mock.timers.reset());

test("lines wait for company, and no request is sent for each", async () => {
  const place = server();
  const { logger, logs } = begin(place, { ids: { user_id: "8:acs:x" } });
  for (let n = 0; n < 100; n += 1) logger.log(`azure:ACS:info line ${n}`);
  await pass(4.9);
  assert.equal(place.got.length, 0);
  await pass(0.2);
  assert.equal(place.got.length, 1);
  assert.deepEqual(place.got[0].lines.map((line) => line.sequence), Array.from({ length: 100 }, (_, n) => n + 1));
  assert.ok(place.got[0].lines.every((line) => line.user_id === "8:acs:x" && line.session_id === "s"));
  assert.deepEqual(logs.counts, { sent: 100, dropped: 0, refused: 0 });
  await pass(60);
  assert.equal(place.got.length, 1);
});

test("a batch that is full goes at once, and none is larger", async () => {
  const place = server();
  const { logger, logs } = begin(place, { bytes: 1000 });
  for (let n = 0; n < 40; n += 1) logger.log(`azure:ACS:info ${"x".repeat(50)}`);
  await logs.flush();
  assert.ok(place.got.length > 5);
  assert.ok(place.got.every((request) => request.body.length <= 1000 && request.keepalive));
  assert.equal(place.got.flatMap((request) => request.lines).length, 40);
});

test("while the server is away the oldest make way, and how many is told", async () => {
  const place = server("away", "away");
  const { logger, logs } = begin(place, { lines: 10 });
  logger.log("azure:ACS:info first");
  await pass(5);
  for (let n = 0; n < 25; n += 1) logger.log(`azure:ACS:info ${n}`);
  await pass(70);
  await pass(70);
  await logs.flush();
  const [first, again, , ...later] = place.got;
  assert.equal(again.body, first.body);
  assert.equal(again.headers["idempotency-key"], first.headers["idempotency-key"]);
  const texts = later.flatMap((request) => request.lines).map((line) => line.text);
  assert.ok(texts.includes("15 lines were dropped: they could not be sent in time."));
  assert.ok(texts.includes("24") && texts.includes("16") && !texts.includes("14"));
  assert.equal(logs.counts.dropped >= 15, true);
});

test("a server that says when to come back is not asked before", async () => {
  const place = server([429, { "retry-after": "30" }]);
  const { logger, logs } = begin(place);
  logger.log("azure:ACS:info one");
  await pass(5);
  assert.equal(place.got.length, 1);
  await pass(29);
  logger.log("azure:ACS:info two");
  assert.equal(place.got.length, 1);
  await pass(2);
  assert.equal(place.got.length, 2);
  assert.equal(logs.counts.sent, 1);
});

test("what is refused for good is not sent again", async () => {
  const place = server([400, {}], [200, {}, { accepted: 1, rejected_total: 1 }]);
  const { logger, logs } = begin(place);
  logger.log("azure:ACS:info one");
  await logs.flush();
  logger.log("azure:ACS:info two");
  logger.log("azure:ACS:info three");
  await logs.flush();
  assert.equal(place.got.length, 2);
  assert.deepEqual(logs.counts, { sent: 1, dropped: 0, refused: 2 });
});

test("a page that is left hands over what waits", async () => {
  const listeners = {};
  globalThis.document = { visibilityState: "visible", addEventListener: (name, what) => (listeners[name] = what) };
  globalThis.addEventListener = (name, what) => (listeners[name] = what);
  try {
    const place = server();
    const { logger } = begin(place);
    logger.log("azure:ACS:info last words");
    listeners.visibilitychange();
    assert.equal(place.got.length, 0);
    listeners.pagehide();
    assert.equal(place.got.length, 1);
    assert.equal(place.got[0].keepalive, true);
    assert.deepEqual(place.got[0].lines.map((line) => line.text), ["last words"]);
  } finally {
    delete globalThis.document;
    delete globalThis.addEventListener;
  }
});

test("a browser without keepalive sends a beacon", async () => {
  const listeners = {};
  const beacons = [];
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  const request = globalThis.Request;
  globalThis.document = { visibilityState: "hidden", addEventListener: (name, what) => (listeners[name] = what) };
  globalThis.addEventListener = (name, what) => (listeners[name] = what);
  Object.defineProperty(globalThis, "navigator", {
    value: { sendBeacon: (...given) => beacons.push(given) > 0 },
    configurable: true,
  });
  globalThis.Request = class {};
  try {
    const place = server();
    const { logger, logs } = begin(place);
    logger.log("azure:ACS:info last words");
    listeners.visibilitychange();
    assert.equal(place.got.length, 0);
    assert.equal(beacons.length, 1);
    assert.equal(beacons[0][0], "/logs");
    assert.equal(JSON.parse(beacons[0][1]).text, "last words");
    assert.equal(logs.counts.sent, 1);
  } finally {
    delete globalThis.document;
    delete globalThis.addEventListener;
    globalThis.Request = request;
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else delete globalThis.navigator;
  }
});

test("the ids in a line are found", () => {
  const headers = `Headers: {\n  "ms-cv": "2FCZCVqjABZaZwNvm1QNaw.0.7",\n  "x-ms-client-request-id": "${CALL}",\n  "X-Ms-Skype-Chain-Id": "${CALL}"\n}`;
  const answer = lineOf([`azure:communication-identity:info Response status code: 201\n${headers}`]);
  assert.equal(answer.ms_cv, "2FCZCVqjABZaZwNvm1QNaw.0.7");
  assert.equal(answer.client_request_id, CALL);
  assert.equal(answer.correlation_id, CALL);
  assert.equal(answer.logger, "azure:communication-identity");
  for (const text of [`callId: ${CALL}`, `"callId":"${CALL}"`, `Call ID = ${CALL}.`, `call_id ${CALL}`]) {
    assert.equal(lineOf([`azure:ACS:warning ${text}`]).call_id, CALL, text);
  }
  assert.equal(lineOf(["azure:ACS:verbose sent", { callId: CALL }]).call_id, CALL);
  assert.equal(lineOf([`azure:ACS:info recall_id ${CALL} called`]).call_id, undefined);
  assert.equal(lineOf(["azure:chat:info in 19:abcdefgh0123456789@thread.v2"]).thread_id, "19:abcdefgh0123456789@thread.v2");
  assert.equal(lineOf(["a line of nobody's"]).level, "info");
  assert.equal(lineOf(["azure:ACS:verbose x"]).level, "debug");
  assert.equal(lineOf([]).text, "undefined");
});

test("no secret leaves the page", () => {
  const token = "eyJhbGciOiJSUzI1NiJ9.eyJza3lwZWlkIjoiYWNzOng.c2lnbmF0dXJl";
  for (const text of [
    `token ${token}`,
    `"Authorization": "HMAC-SHA256 SignedHeaders=x-ms-date&Signature=c2VjcmV0"`,
    `authorization: Bearer c2VjcmV0`,
    `endpoint=https://x/;accesskey=c2VjcmV0`,
    `"X-API-Key":"c2VjcmV0"`,
  ]) {
    const line = lineOf([`azure:ACS:info ${text}`]).text;
    assert.ok(line.includes("REDACTED"), line);
    assert.ok(!line.includes("c2VjcmV0") && !line.includes("eyJ"), line);
  }
});

test("whatever is logged, nothing is thrown and a line stays small", async () => {
  const place = server();
  const { logger, logs } = begin(place);
  const round = {};
  round.round = round;
  for (const odd of [undefined, null, 7n, Symbol("x"), round, "", "x".repeat(1_000_000), new Error("broken"), () => {}]) {
    logger.log(odd, odd);
  }
  await logs.flush();
  const lines = place.got.flatMap((request) => request.lines);
  assert.ok(lines.length >= 8);
  assert.ok(lines.every((line) => line.text.length >= 1 && line.text.length <= 8000));
});

test("a logger is given back, and writes as before meanwhile if it should", async () => {
  const written = [];
  const logger = { log: (...args) => written.push(args) };
  const place = server();
  const logs = sendLogs(logger, { url: "/logs", fetch: place.fetch, echo: true });
  logger.log("azure:ACS:info one");
  await logs.stop();
  logger.log("azure:ACS:info two");
  assert.deepEqual(written, [["azure:ACS:info one"], ["azure:ACS:info two"]]);
  assert.equal(place.got.length, 1);
});
