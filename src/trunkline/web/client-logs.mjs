// Sends what Azure's SDKs log to Trunkline, many lines at once. For browsers and Node.js 18 or newer.
//
//   import { AzureLogger, setLogLevel } from "@azure/logger";
//   import { sendLogs } from "./client-logs.mjs";
//   const logs = sendLogs(AzureLogger, { url: "/client-logs", ids: { user_id: "8:acs:…" } });
//   setLogLevel("verbose");
//   logs.about({ call_id: call.id });    // from here on every line bears it
//
// `url` takes what POST /api/v1/logs takes: that itself, or a path of your own server that adds a key and hands it on.
// A line goes as soon as `seconds` have passed or `bytes` wait, and when the page is left. While the server is away,
// lines wait, at most `lines` of them: the oldest make way, and a line that comes after them says how many.

const LEVELS = { error: "error", warning: "warning", info: "info", verbose: "debug" };
const LONGEST_TEXT = 8000;
const LONGEST_ID = 200;
const MOST_BATCHES = 4; // a page may be hidden and shown again many times while the server is away
const GUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const IDS = Object.entries({
  ms_cv: named("ms-?cv|transaction-?id", "[\\w+/]{16,22}(?:\\.\\d{1,9}){1,20}"),
  client_request_id: named("x-ms-client-request-id", GUID),
  request_id: named("x-ms-request-id", GUID),
  correlation_id: named("x-ms-skype-chain-id|correlation[ _-]?id", GUID),
  call_id: named("call[ _-]?id", GUID),
  participant_id: named("participant[ _-]?id", GUID),
  message_id: named("message[ _-]?id", "\\d{13}|(?:Outgoing|Incoming)_[\\w-]{20,80}|" + GUID),
  thread_id: /(19:[\w-]{8,100}@(?:thread\.v2|unq\.gbl\.spaces|thread\.tacv2))/i,
});
const SECRETS = [
  [/\beyJ[\w-]{5,}\.[\w-]{2,}\.[\w-]*/g, "REDACTED"],
  [/((?:authorization|x-api-key)["']?\s*[:=]\s*["']?)(?!REDACTED)[^"'\r\n]+/gi, "$1REDACTED"],
  [/((?:accesskey|sharedaccesssignature|password|client_secret)["']?\s*[:=]\s*["']?)[^"'\s;&,]+/gi, "$1REDACTED"],
];

function named(names, value) {
  return new RegExp(`(?:^|[^\\w-])(?:${names})\\\\?["']?\\s*[:=]?\\s*\\\\?["']?(${value})(?![\\w.-]*\\w)`, "i");
}

/** Return what a line of a logger tells: `args` are what it gave to its `log`. */
export function lineOf(args) {
  const [first, ...rest] = args;
  const parts = /^(\S+):(error|warning|info|verbose) ?([^]*)$/.exec(String(first));
  const said = [parts ? parts[3] : String(first), ...rest.map(written)].join(" ");
  const text = SECRETS.reduce((left, [what, instead]) => left.replace(what, instead), said.slice(0, 4 * LONGEST_TEXT));
  const ids = {};
  for (const [name, form] of IDS) {
    const found = form.exec(text);
    if (found) ids[name] = found[1].slice(0, LONGEST_ID);
  }
  const cut = text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT - 1)}…` : text;
  const [logger, level] = parts ? [parts[1].slice(0, LONGEST_ID), LEVELS[parts[2]]] : ["", "info"];
  return { level, logger, ...ids, text: cut.trim() ? cut : "(nothing)" };
}

function written(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return value.stack || String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

/**
 * Redirect a logger (AzureLogger) to Trunkline.
 *
 * Options: `url`; `key`, an API key with the role write (never in a page that others open); `ids`, which every line
 * bears; `client` and `session`, by which its lines are found together; `seconds` 5, `bytes` 30000, `lines` 5000;
 * `echo`, true if the logger should write as before, too; `fetch` and `now`, for tests.
 */
export function sendLogs(logger, options) {
  const sender = new Sender(options);
  const before = logger.log;
  logger.log = (...args) => {
    sender.add(args);
    if (options.echo) before.apply(logger, args);
  };
  sender.stopped = () => {
    logger.log = before;
  };
  return {
    about: (ids) => void Object.assign(sender.ids, ids),
    flush: () => sender.flush(),
    stop: () => sender.stop(),
    counts: sender.counts,
    session: sender.session,
  };
}

class Sender {
  constructor(options) {
    this.url = options.url;
    this.key = options.key || "";
    this.ids = { ...options.ids };
    this.client = options.client || "";
    this.session = options.session || globalThis.crypto.randomUUID();
    this.every = (options.seconds ?? 5) * 1000;
    this.bytes = options.bytes ?? 30_000; // two of them fit in what a browser takes from a page that is left
    this.lines = options.lines ?? 5000;
    this.fetch = options.fetch || ((...given) => globalThis.fetch(...given));
    this.now = options.now || (() => Date.now());
    this.counts = { sent: 0, dropped: 0, refused: 0 };
    this.encoder = new TextEncoder();
    this.waiting = []; // lines as JSON with their sizes, the oldest first
    this.size = 0;
    this.untold = 0; // lines that were dropped since it was last told
    this.sequence = 0;
    this.number = 0;
    this.batches = []; // what is being sent: the same bytes and the same key, however often it is tried
    this.failures = 0;
    this.sending = null;
    this.timer = null;
    this.listen();
  }

  /** Take what a logger gave; never throws, and never waits. */
  add(args) {
    try {
      this.put(lineOf(args));
      if (this.size >= this.bytes && !this.failures) void this.send();
      else this.wake(this.every);
    } catch {
      this.drop(1);
    }
  }

  put(line) {
    const whole = { happened_at: new Date(this.now()).toISOString(), source: "client", session_id: this.session };
    if (this.client) whole.client_id = this.client;
    const json = JSON.stringify({ ...whole, ...this.ids, ...line, sequence: ++this.sequence });
    const size = this.encoder.encode(json).length + 1;
    this.waiting.push([json, size]);
    this.size += size;
    while (this.waiting.length > this.lines) {
      this.size -= this.waiting.shift()[1];
      this.drop(1);
    }
  }

  drop(many) {
    this.counts.dropped += many;
    this.untold += many;
  }

  /** Send everything that waits; ends when all is there, or the server is away. */
  async flush() {
    if (this.sending) await this.sending; // it may have begun before the last line came
    while ((this.waiting.length || this.batches.length) && (await this.send()));
  }

  /** Send what waits, give the logger back, and listen no more. */
  async stop() {
    this.stopped?.();
    this.unlisten();
    await this.flush();
    this.sleep();
  }

  wake(after) {
    if (this.timer !== null) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      void this.send();
    }, after);
    this.timer.unref?.(); // a program of Node.js that has ended need not wait for it
  }

  sleep() {
    clearTimeout(this.timer);
    this.timer = null;
  }

  /** Send one batch, unless one is being sent; true if it is done with. */
  send() {
    this.sending ??= this.next().finally(() => {
      this.sending = null;
    });
    return this.sending;
  }

  async next() {
    const batch = this.batches[0] || this.take();
    if (!batch) return false;
    const wait = await this.attempt(batch);
    this.sleep();
    if (wait) this.wake(wait);
    else if (this.waiting.length || this.batches.length) this.wake(this.size >= this.bytes ? 0 : this.every);
    return !wait;
  }

  /** Try to send a batch; tells for how many milliseconds it has to wait then, 0 when it is done with. */
  async attempt(batch) {
    try {
      const answer = await this.fetch(this.url, this.request(batch));
      if (answer.status === 429 || answer.status === 408 || answer.status >= 500) {
        return this.later(answer.headers.get("retry-after"));
      }
      const told = answer.ok ? await answer.json().catch(() => ({})) : { rejected_total: batch.many };
      this.settle(batch, told.rejected_total || 0);
      return 0;
    } catch {
      return this.later();
    }
  }

  settle(batch, refused) {
    const place = this.batches.indexOf(batch);
    if (place < 0) return; // it was sent twice, as when the page was left
    this.batches.splice(place, 1);
    this.failures = 0;
    this.counts.refused += refused;
    this.counts.sent += batch.many - refused;
  }

  later(asked) {
    this.failures += 1;
    const seconds = /^\d+$/.test(asked || "") ? Number(asked) : (Date.parse(asked || "") - this.now()) / 1000;
    const own = Math.min(60, 2 ** Math.min(this.failures, 6)) * (0.5 + Math.random() / 2);
    return Math.min(3600, seconds > 0 ? seconds : own) * 1000;
  }

  /** Make a batch of the oldest lines; none when nothing waits. */
  take() {
    if (this.untold) {
      const text = `${this.untold} lines were dropped: they could not be sent in time.`;
      this.untold = 0;
      this.put({ level: "warning", text });
    }
    let size = 0;
    let many = 0;
    for (const [, more] of this.waiting) {
      if (many && size + more > this.bytes) break;
      size += more;
      many += 1;
    }
    if (!many) return null;
    const taken = this.waiting.splice(0, many);
    this.size -= size;
    this.number += 1;
    const body = `${taken.map(([json]) => json).join("\n")}\n`;
    const batch = { body, many, key: `${this.session}-${this.number}` };
    this.batches.push(batch);
    return batch;
  }

  request(batch) {
    const headers = { "content-type": "application/x-ndjson", "idempotency-key": batch.key };
    if (this.key) headers["x-api-key"] = this.key;
    const signal = globalThis.AbortSignal?.timeout?.(30_000);
    // with keepalive it arrives even if the page is left
    return { method: "POST", headers, body: batch.body, keepalive: true, credentials: "same-origin", signal };
  }

  /** Hand the browser what waits, as much as it takes from a page that is left. */
  leave() {
    const batch = this.batches.length < MOST_BATCHES && this.take();
    if (!batch) return;
    const survives = !globalThis.Request || "keepalive" in globalThis.Request.prototype;
    if (!survives && !this.key && globalThis.navigator?.sendBeacon?.(this.url, batch.body)) this.settle(batch, 0);
    else void this.attempt(batch).then((wait) => wait && this.wake(wait));
  }

  listen() {
    const hidden = () => globalThis.document.visibilityState === "hidden" && this.leave();
    const left = () => this.leave();
    const ended = () => void this.flush();
    const page = globalThis.addEventListener && globalThis.document;
    if (page) {
      globalThis.addEventListener("pagehide", left);
      globalThis.document.addEventListener("visibilitychange", hidden);
    } else {
      globalThis.process?.once?.("beforeExit", ended);
    }
    this.unlisten = () => {
      if (page) {
        globalThis.removeEventListener("pagehide", left);
        globalThis.document.removeEventListener("visibilitychange", hidden);
      } else {
        globalThis.process?.removeListener?.("beforeExit", ended);
      }
    };
  }
}
