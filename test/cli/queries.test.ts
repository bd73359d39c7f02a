import { describe, expect, it } from "vitest";
import { hopscope, onRecorded } from "./cli.ts";

type Line = Readonly<Record<string, unknown>>;

/** Answers to lines, each as `id: DISPOSITION reason`, `id: step` or `id: error`. */
async function ask(
  ...lines: readonly (Line | string)[]
): Promise<{ answers: string[]; code: number; json: Line[] }> {
  const stdin = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n");
  const { out, code } = await onRecorded(["trace", "--queries", "-", "-o", "ndjson", "--verdict-only"], {
    stdin,
  });
  const json = out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  return { answers: json.map(shortly), code, json };
}

function shortly(answer: Line): string {
  const { id, verdict, step, error } = answer as {
    id: string;
    verdict?: { disposition: string; reason: string };
    step?: string;
    error?: { message: string };
  };
  if (error !== undefined) return `${id}: ${error.message}`;
  return verdict === undefined ? `${id}: ${step}` : `${id}: ${verdict.disposition} ${verdict.reason}`;
}

const POD = { from: "web-1", to: "host/db-0:8080" };

describe("questions in bulk", () => {
  it("answers each line in order, blank lines left out, ids kept or made of the line", async () => {
    const { answers, code } = await ask(
      { id: "a", ...POD },
      "",
      { from: "web-1", to: "10.96.0.76:80" },
      { id: "c", from: "10.0.0.2", at: "node/node1", to: "10.244.31.6:8080/tcp" },
    );
    expect(answers).toEqual(["a: DELIVERED answered", "q3: DELIVERED answered", "c: DELIVERED answered"]);
    expect(code).toBe(0);
  });

  it("understands the documentation's own lines", async () => {
    const { answers } = await ask(
      { id: "q1", from: "host/web-1", to: "10.96.0.76:80/tcp", sport: 55474 },
      { id: "q2", from: "10.0.0.2", at: "node/node1", to: "10.96.0.76:80/tcp" },
      { id: "q3", from: "host/laptop", src: "10.9.9.9", to: "172.18.0.26:10250/tcp", tcpFlags: "S", ttl: 3 },
    );
    expect(answers.map((answer) => answer.slice(0, 3))).toEqual(["q1:", "q2:", "q3:"]);
    expect(answers[2]).toBe("q3: DELIVERED arrived");
  });

  it.each([
    ["nonsense", /^q1: is no JSON: one object a line is expected/],
    ["[1]", "q1: is no JSON object: {…} is expected"],
    [
      { id: "x", from: "web-9", to: "10.0.0.1" },
      'x: from "web-9": there is no host "web-9" (did you mean "web-0"?)',
    ],
    [{ id: "x", from: "web-0" }, "x: to: is missing: a text is expected"],
    [{ id: "x", ...POD, sport: "80" }, 'x: sport: "80" is not a whole number from 1 to 65535'],
    [{ id: "x", ...POD, ttl: 0 }, "x: ttl: 0 is not a whole number from 1 to 255"],
    [{ id: "x", ...POD, form: "y" }, 'x: form: is no field of a line (did you mean "from"?)'],
    [{ id: "x", ...POD, tcpFlags: "Z" }, 'x: TCP flags: "Z" is no TCP flag: give letters of F S R P A U E C'],
    [
      { id: "x", ...POD, choose: { server: "web-9" } },
      'x: choose.server: there is no host "web-9" (did you mean "web-0"?)',
    ],
    [{ id: "x", step: "wiat", seconds: 1 }, /^x: step: "wiat" is not one of command, wait, close, again/],
    [{ id: "x", step: "wait", seconds: -1 }, /^x: seconds: a number from 0 to/],
    [{ id: "x", step: "close", hold: "c" }, /^x: session: is missing/],
    [{ id: "x", session: "s", step: "again", hold: "c" }, 'x: hold: no connection is held under "c"'],
    [
      { id: "x", from: "web-0", to: "10.96.0.76:80", hold: "c" },
      /^x: hold: only a session holds a connection/,
    ],
    [
      { id: "x", session: "s", from: "web-0", to: "10.96.2.113:53/udp", hold: "c" },
      "x: hold: only a TCP connection can be held open",
    ],
    [{ id: "x", step: "again", hold: "c" }, /^x: session: is missing/],
    [
      { id: "x", step: "command", host: "node9", command: "ip link" },
      'x: host: there is no host "node9" (did you mean "node1"?)',
    ],
  ])("a bad line is answered as such, the others are answered, exit code 2: %j", async (line, message) => {
    const { answers, code, json } = await ask(line, { id: "good", ...POD });
    expect(answers).toHaveLength(2);
    if (typeof message === "string") expect(answers[0]).toBe(message);
    else expect(answers[0]).toMatch(message);
    expect(json[0]).toHaveProperty("error.line", 1);
    expect(answers[1]).toBe("good: DELIVERED answered");
    expect(code).toBe(2);
  });

  it("an unreachable one makes exit code 1", async () => {
    expect((await ask({ from: "laptop", to: "172.18.0.26:31342" })).code).toBe(1);
  });

  it("is one JSON list with -o json, and readable text without", async () => {
    const stdin = `${JSON.stringify({ id: "a", ...POD })}\n${JSON.stringify({ step: "wait", seconds: 1 })}\n{`;
    const list = JSON.parse((await onRecorded(["trace", "--queries", "-", "-o", "json"], { stdin })).out);
    expect(list).toHaveLength(3);
    const { out, code } = await onRecorded(["trace", "--queries", "-", "-q"], { stdin });
    expect(out).toMatch(/^a: DELIVERED {2}web-1 → .*\nq2: wait done\nq3: error in line 3: is no JSON/);
    expect(code).toBe(2);
  });
});

describe("sessions", () => {
  const drop = "iptables -I FORWARD 1 -s 10.244.31.7 ! -d 10.9.9.9 -m comment --comment 'for a test' -j DROP";

  it("a command changes its session's world and no other", async () => {
    const { answers } = await ask(
      { id: "1", session: "s", ...POD },
      { id: "2", session: "s", step: "command", host: "node1", command: drop },
      { id: "3", session: "s", ...POD, flush: true },
      { id: "4", session: "t", ...POD },
      { id: "5", ...POD },
      {
        id: "6",
        session: "s",
        step: "command",
        host: "node1",
        command: drop.replace("-I FORWARD 1", "-D FORWARD"),
      },
      { id: "7", session: "s", ...POD },
    );
    expect(answers).toEqual([
      "1: DELIVERED answered",
      "2: command",
      "3: DROPPED rule-drop",
      "4: DELIVERED answered",
      "5: DELIVERED answered",
      "6: command",
      "7: DELIVERED answered",
    ]);
  });

  it("a step without a session is for all, those to come included", async () => {
    const { answers } = await ask(
      { id: "1", session: "s", ...POD },
      { id: "2", step: "command", host: "node1", command: drop },
      { id: "3", session: "s", ...POD, flush: true },
      { id: "4", ...POD },
      { id: "5", step: "wait", seconds: 2 },
    );
    expect(answers).toEqual([
      "1: DELIVERED answered",
      "2: command",
      "3: DROPPED rule-drop",
      "4: DROPPED rule-drop",
      "5: wait",
    ]);
  });

  it("a session keeps connections until they are flushed: an established one passes a new rule for new ones", async () => {
    const refuse = "iptables -I FORWARD 1 -m conntrack --ctstate NEW -j DROP";
    const same = { session: "s", from: "web-1", to: "host/web-0:5353/udp", sport: 40000 };
    const { answers } = await ask(
      { id: "1", ...same },
      { id: "2", session: "s", step: "command", host: "node1", command: refuse },
      { id: "3", ...same },
      { id: "4", ...same, flush: true },
    );
    expect(answers).toEqual([
      "1: DELIVERED answered",
      "2: command",
      "3: DELIVERED answered",
      "4: DROPPED rule-drop",
    ]);
  });

  it("follows the outcome of the server chosen: the next packet of the flow goes there alone", async () => {
    const flow = { session: "s", from: "web-1", to: "10.96.0.76:80", sport: 40000, hold: "c1" };
    for (const server of ["web-0", "db-0", "client"]) {
      const { json } = await ask({ ...flow, choose: { server } }, flow);
      const servers = json.map((answer) =>
        (answer as unknown as { outcomes: { server?: { host: string } }[] }).outcomes.map(
          (outcome) => outcome.server?.host,
        ),
      );
      expect(servers[0]?.toSorted()).toEqual(["client", "db-0", "web-0"]);
      expect(servers[1]).toEqual([server]);
    }
  });
});

describe("held connections and IPVS", () => {
  const source = ["-f", "fixtures/truth/ipvs-ipip/sched-change-rr.json.gz"];
  const lines = async (...list: readonly object[]): Promise<readonly Line[]> => {
    const stdin = list.map((line) => JSON.stringify({ session: "s", ...line })).join("\n");
    const { out } = await hopscope(["trace", ...source, "--queries", "-", "-o", "ndjson"], { stdin });
    return out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
  };
  interface Line {
    readonly verdict?: { readonly reason: string };
    readonly outcomes?: readonly { readonly server?: { readonly address: string } }[];
    readonly output?: string;
    readonly step?: string;
  }
  const told = ({ verdict, outcomes, output, step }: Line): string =>
    output ?? step ?? `${verdict?.reason} ${outcomes?.[0]?.server?.address}`;
  const query = { from: "client", to: "10.99.0.1:80" };
  const lb = (command: string) => ({ step: "command", host: "lb", command });

  it("a held connection goes on with its server, whatever becomes of the pool, and ends when it is closed", async () => {
    const answers = await lines(
      { ...query, sport: 1000, hold: "a" },
      { ...query, sport: 1001 },
      lb("ipvsadm -e -t 10.99.0.1:80 -r 10.12.0.13:80 -m -w 0"),
      { step: "again", hold: "a" },
      lb("ipvsadm -Ln --nosort"),
      { step: "close", hold: "a" },
      lb("ipvsadm -Ln --nosort"),
    );
    const list = (active: string, inactive: string): string =>
      [
        "IP Virtual Server version 1.2.1 (size=4096)",
        "Prot LocalAddress:Port Scheduler Flags",
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
        "TCP  10.99.0.1:80 rr",
        `  -> 10.12.0.13:80                Masq    0      ${active}          ${inactive}         `,
        "  -> 10.12.0.12:80                Masq    1      0          1         ",
        "  -> 10.12.0.11:80                Masq    1      0          0         ",
        "",
      ].join("\n");
    expect(answers.map(told)).toEqual([
      "answered 10.12.0.13",
      "answered 10.12.0.12",
      "command",
      "answered 10.12.0.13",
      list("1", "0"),
      "close",
      list("0", "1"),
    ]);
  });

  it("one whose server was removed hears nothing, until the time comes to send again", async () => {
    const answers = await lines(
      { ...query, sport: 1000, hold: "a" },
      lb("ipvsadm -d -t 10.99.0.1:80 -r 10.12.0.13:80"),
      { step: "again", hold: "a" },
      lb("ipvsadm -a -t 10.99.0.1:80 -r 10.12.0.13:80 -m"),
      { step: "wait", seconds: 2 },
      { step: "again", hold: "a" },
    );
    expect(answers.map(told)).toEqual([
      "answered 10.12.0.13",
      "command",
      "ipvs-server-gone undefined",
      "command",
      "wait",
      "answered 10.12.0.13",
    ]);
  });

  it("a command that is wrong changes nothing", async () => {
    const [wrong, first] = await lines(lb("ipvsadm -a -t 10.99.0.9:80 -r 10.12.0.13:80 -m"), query);
    expect(wrong).toHaveProperty("error.message", "command: there is no virtual service -t 10.99.0.9:80");
    expect(told(first as Line)).toBe("answered 10.12.0.13");
  });
});
