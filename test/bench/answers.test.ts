import { describe, expect, it } from "vitest";
import { Answers } from "../../bench/answers.ts";
import { iptablesSave } from "../../bench/kube-proxy-iptables.ts";
import { Ends, Model } from "../../bench/model.ts";
import { Random } from "../../bench/random.ts";
import { makeServices } from "../../bench/services.ts";
import { packetsTo, TRAFFIC_KINDS, type TrafficKind, targetsOf } from "../../bench/traffic.ts";
import { WrongAnswer } from "../../bench/wrong-answer.ts";

const services = makeServices(60, 4, "mixed");
const model = Model.of(iptablesSave(services), 4);

function sent(kind: TrafficKind) {
  const packets = packetsTo(services, kind, targetsOf(services, kind, "uniform"), 200, new Random(1));
  const ends = new Ends(packets.count);
  model.send(packets, ends);
  return { packets, ends, answers: new Answers(services, kind, model.server) };
}

describe("answers checked beside a measurement", () => {
  it.each(TRAFFIC_KINDS)("are right: %s", (kind) => {
    const { packets, ends, answers } = sent(kind);
    answers.check(packets, ends);
    answers.compareLiteral(model.network, 4, packets);
    expect(answers.checked).toBe(packets.count);
  });

  it("refuse a packet that was lost", () => {
    const { packets, ends, answers } = sent("cluster");
    ends.host[17] = -1;
    expect(() => answers.check(packets, ends)).toThrow(WrongAnswer);
  });

  it("refuse an endpoint of another service", () => {
    const { packets, ends, answers } = sent("cluster");
    ends.dst[17] = (ends.dst[17] as number) + 1;
    expect(() => answers.check(packets, ends)).toThrow(/no endpoint of/);
  });

  it("refuse a source that was not masqueraded", () => {
    const { packets, ends, answers } = sent("nodeport");
    ends.src[17] = packets.src[17] as number;
    expect(() => answers.check(packets, ends)).toThrow(/wrong source/);
  });

  it("refuse a drop where a REJECT is due", () => {
    const { packets, ends, answers } = sent("none");
    ends.reason[17] = (ends.reason[17] as number) + 1;
    expect(() => answers.check(packets, ends)).toThrow(/not rejected/);
  });

  it("refuse a source that changes its endpoint in spite of affinity", () => {
    const { packets, ends, answers } = sent("affinity");
    answers.check(packets, ends);
    const service = services[packets.service[17] as number];
    const other = service?.endpoints.find(({ address }) => address !== ends.dst[17]);
    ends.dst[17] = other?.address as number;
    expect(() => answers.check(packets, ends)).toThrow(/another endpoint before/);
  });

  it("refuse what the real kernel did otherwise", () => {
    const { packets, answers } = sent("none");
    const one = packets.head(1);
    answers.compareReal(one, [{ kind: "icmp", type: 3, code: 3 }]);
    expect(() => answers.compareReal(one, [{ kind: "none" }])).toThrow(WrongAnswer);
  });

  it("refuse shares that are more than 3 % off", () => {
    const { packets, ends, answers } = sent("cluster");
    const head = packets.head(1);
    for (let i = 0; i < 60_000; i++) answers.check(head, ends);
    expect(() => answers.checkShares()).toThrow(/share of/);
  });
});
