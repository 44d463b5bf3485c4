// A customer's program: Microsoft's client, whose lines go to Trunkline; prints what it knows of its request.
import { createRequire } from "node:module";
import { sendLogs } from "../../src/trunkline/web/client-logs.mjs";

const require = createRequire(import.meta.url);
const { AzureLogger, createClientLogger, setLogLevel } = require("@azure/logger");
const { CommunicationIdentityClient } = require("@azure/communication-identity");
const { CONNECTION_STRING, CALL_ID, KEY, URL: url, SESSION: session } = process.env;

const logs = sendLogs(AzureLogger, { url, key: KEY, client: "laptop", session });
setLogLevel("verbose");
const vectors = [];
const identity = new CommunicationIdentityClient(CONNECTION_STRING);
await identity.createUser({ onResponse: (answer) => vectors.push(answer.headers.get("ms-cv")) });
logs.about({ call_id: CALL_ID });
const calling = createClientLogger("ACS");
for (let n = 1; n <= 200; n += 1) calling.warning(`ICE candidate ${n} failed`);
calling.error("gave up", new Error("no candidate"));
process.once("exit", () => console.log(JSON.stringify({ vectors, counts: logs.counts })));
