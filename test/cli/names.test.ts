import { describe, expect, it } from "vitest";
import { hopscope, words } from "./cli.ts";

const NMT = "-f fixtures/nmt";

describe("a name that does not exist gets the nearest that does", () => {
  it.each([
    ["node/n1 svc/tomcat", 'from "node/n1": there is no node "n1" (did you mean node/node1?)'],
    ["node/node4 svc/tomcat", 'from "node/node4": there is no node "node4" (did you mean node/node1?)'],
    ["nginx svc/tomcat", 'from "nginx": there is no host "nginx" (did you mean deploy/nginx?)'],
    ["zzz svc/tomcat", /^from "zzz": there is no host "zzz": the hosts are (\S+, ){5}\S+ and 7 more$/],
    [
      "deploy/ngnix svc/tomcat",
      'from "deploy/ngnix": there is no Deployment "ngnix" in namespace default (did you mean "nginx"?)',
    ],
    [
      "deploy/nginx svc/tomact",
      'to "svc/tomact": there is no Service "tomact" in namespace default (did you mean "tomcat"?)',
    ],
    [
      "sts/nginx svc/tomcat",
      'from "sts/nginx": there is no StatefulSet "nginx" in namespace default (there is a Deployment of that name)',
    ],
    [
      "deploy/defualt/ngnix svc/tomcat",
      'from "deploy/defualt/ngnix": there is no Deployment "ngnix" in namespace defualt (did you mean namespace "default"?)',
    ],
    [
      "deploy/nginx tomact.default:8080",
      'to "tomact.default:8080": "tomact.default" is no name of the cluster\'s DNS as namespace default asks it (did you mean "tomcat.default"?): give the address for a name outside',
    ],
    [
      "node/node1 tomcat:8080",
      'to "tomcat:8080": node1 does not ask the cluster\'s DNS: only pods resolve "tomcat"; give svc/NAMESPACE/NAME or an address',
    ],
  ])("trace %s", async (question, message) => {
    const { out, err, code } = await hopscope(words(`trace ${question} ${NMT}`));
    expect({ out, code }).toEqual({ out: "", code: 2 });
    const [, told] = /^error: (.*)\n$/.exec(err) ?? [];
    if (typeof message === "string") expect(told).toBe(message);
    else expect(told).toMatch(message);
  });
});

describe("names of the cluster's DNS, as a pod asks for them", () => {
  it.each([
    "tomcat:8080",
    "tomcat:http",
    "tomcat",
    "tomcat.default:8080",
    "tomcat.default.svc:8080",
    "tomcat.default.svc.cluster.local:8080",
    "tomcat.default.svc.cluster.local.:8080",
    "tomcat:8080/tcp",
  ])("%s", async (to) => {
    const { out, code } = await hopscope(words(`trace deploy/nginx ${to} ${NMT} -o json`));
    expect(code).toBe(0);
    const { query, assumptions } = JSON.parse(out);
    expect(query.to).toBe("10.96.0.88:8080/tcp");
    expect(assumptions[0]).toMatch(
      / is tomcat\.default\.svc\.cluster\.local to the cluster's DNS, which is not walked to$/,
    );
  });

  it("in another namespace the same short name is another Service, or none", async () => {
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p", namespace: "shop" },
      spec: { containers: [{ name: "c", image: "i" }] },
    };
    const stdin = JSON.stringify(pod);
    const { err } = await hopscope(words(`trace pod/shop/p tomcat:8080 ${NMT} -f -`), { stdin });
    expect(err).toMatch(
      /"tomcat" is no name .* as namespace shop asks it \(did you mean "tomcat.default"\?\)/,
    );
    const { code } = await hopscope(words(`trace pod/shop/p tomcat.default:8080 ${NMT} -f - -q`), { stdin });
    expect(code).toBe(0);
  });

  it("a headless Service is its pods", async () => {
    const service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "each" },
      spec: { clusterIP: "None", selector: { app: "tomcat" }, ports: [{ port: 8080 }] },
    };
    const stdin = JSON.stringify(service);
    const { out, code } = await hopscope(words(`trace deploy/nginx each:8080 ${NMT} -f - -q`), { stdin });
    expect(code).toBe(0);
    expect(out).toMatch(/^DELIVERED {2}deploy\/nginx → each:8080 {2}answered by pod default\/tomcat-/);
  });
});

describe("every pod, and any client", () => {
  it("--all-pods asks each pod of FROM for each of TO", async () => {
    const { out, code } = await hopscope(words(`trace deploy/nginx deploy/tomcat:8080 ${NMT} --all-pods`));
    expect(code).toBe(0);
    const lines = out.trimEnd().split("\n");
    expect(new Set(lines).size).toBe(6);
    for (const line of lines)
      expect(line).toMatch(/^DELIVERED {2}pod\/default\/nginx-\S+ → pod\/default\/tomcat-\S+:8080/);
  });

  it("--all-pods shows the first that does not arrive whole", async () => {
    const { out, code } = await hopscope(
      words(`trace deploy/nginx svc/tomcat -f fixtures/nmt-mistake --all-pods`),
    );
    expect(code).toBe(1);
    expect(out.match(/^REFUSED/gm)).toHaveLength(3);
    expect(out.match(/^ {2}fix /gm)).toHaveLength(1);
    const json = await hopscope(words(`trace deploy/nginx svc/tomcat ${NMT} --all-pods -o json`));
    expect(JSON.parse(json.out).map(({ id }: { id: string }) => id)).toEqual(["q1", "q2"]);
  });

  it("a client outside may have any address", async () => {
    const { out, code } = await hopscope(
      words(`trace external/198.51.100.7 node/node1:30080 ${NMT} -o json`),
    );
    expect(code).toBe(0);
    const { outcomes } = JSON.parse(out);
    expect(outcomes[0].frames[0].ip.src).toBe("198.51.100.7");
  });
});
