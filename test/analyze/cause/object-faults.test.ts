import { describe, expect, it } from "vitest";
import { ask, changed, cluster, type Told, withSpec } from "./cluster.ts";
import { kubectl, type Plain } from "./kubectl.ts";

/** A fault is planted in the objects; what is told must name it, and the remedy, applied, must make the trace pass. */

const ports = (port: Plain): Plain => ({ ports: [{ name: "http", ...port }] });
const tomcat = (more: Plain): Plain[] => changed("Service", "tomcat", (service) => withSpec(service, more));

const status = (ready: boolean): Plain => ({
  phase: "Running",
  podIP: "10.244.1.9",
  conditions: [
    { type: "Ready", status: ready ? "True" : "False", reason: ready ? "" : "ContainersNotReady" },
  ],
});

/** A pod of its own behind a Service of its own. */
function single(pod: Plain, service: Plain): Plain[] {
  return [
    ...cluster(),
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "one", labels: { app: "one", tier: "back" } },
      spec: {
        nodeName: "node2",
        containers: [{ name: "c", image: "i", ports: [{ name: "web", containerPort: 8080 }] }],
      },
      status: status(true),
      ...pod,
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "one" },
      spec: {
        clusterIP: "10.96.0.11",
        selector: { app: "one" },
        ports: [{ port: 80, targetPort: 8080 }],
        ...service,
      },
    },
  ];
}

async function passesAfter(
  objects: readonly Plain[],
  told: Told,
  from: string,
  to: string,
  ...more: string[]
) {
  const command = told.remedies.find((remedy) => remedy.command !== undefined)?.command;
  if (command === undefined) throw new Error(`no command: ${JSON.stringify(told.remedies)}`);
  const after = await ask(kubectl(objects, command), from, to, ...more);
  expect(after.verdict.disposition, `${command}: ${after.cause}`).toBe("DELIVERED");
}

const CERTAIN: readonly (readonly [string, Plain[], string, string, RegExp, RegExp])[] = [
  [
    "a wrong targetPort",
    tomcat(ports({ port: 8080, targetPort: 80 })),
    "deploy/nginx",
    "svc/tomcat:8080",
    /^Service default\/tomcat sends to targetPort 80, but its pods listen on 8080$/,
    /^kubectl -n default patch service tomcat -p '\{"spec":\{"ports":\[\{"port":8080,"targetPort":8080\}\]\}\}'$/,
  ],
  [
    "a wrong targetPort, asked by node port from outside",
    changed("Service", "nginx", (service) =>
      withSpec(service, ports({ port: 80, targetPort: 8080, nodePort: 30080 })),
    ),
    "external",
    "node/node1:30080",
    /^Service default\/nginx sends to targetPort 8080, but its pods listen on 80$/,
    /"targetPort":80/,
  ],
  [
    "a wrong targetPort where two ports have the same number",
    tomcat({
      ports: [
        { name: "dns", port: 8080, protocol: "UDP", targetPort: 53 },
        { name: "http", port: 8080, targetPort: 80 },
      ],
    }),
    "deploy/nginx",
    "svc/tomcat:http",
    /targetPort 80, but its pods listen on 8080$/,
    /--type=json -p '\[\{"op":"replace","path":"\/spec\/ports\/1\/targetPort","value":8080\}\]'$/,
  ],
  [
    "a wrong named targetPort",
    tomcat(ports({ port: 8080, targetPort: "htpp" })),
    "deploy/nginx",
    "svc/tomcat:8080",
    /^Service default\/tomcat sends to a port named "htpp", but the ports of its pods are called http$/,
    /"targetPort":"http"/,
  ],
  [
    "a selector with a typing error in its value",
    tomcat({ selector: { app: "tomact" } }),
    "deploy/nginx",
    "svc/tomcat:8080",
    /^the selector app=tomact of Service default\/tomcat matches no pod; Deployment tomcat has app=tomcat$/,
    /'\{"spec":\{"selector":\{"app":"tomcat"\}\}\}'/,
  ],
  [
    "a selector with a typing error in its key",
    tomcat({ selector: { ap: "tomcat" } }),
    "deploy/nginx",
    "svc/tomcat:8080",
    /matches no pod; Deployment tomcat has no ap, app=tomcat$/,
    /"ap":null,"app":"tomcat"/,
  ],
  [
    "a selector of which one label differs",
    single({}, { selector: { app: "one", tier: "front" } }),
    "deploy/nginx",
    "svc/one:80",
    /^the selector app=one,tier=front of Service default\/one matches no pod; pod one has tier=back$/,
    /"selector":\{"tier":"back"\}/,
  ],
  [
    "a Deployment scaled to nothing",
    changed("Deployment", "tomcat", (deployment) => withSpec(deployment, { replicas: 0 })),
    "deploy/nginx",
    "svc/tomcat:8080",
    /^Service default\/tomcat has no endpoints: Deployment tomcat behind it is scaled to 0$/,
    /^kubectl -n default scale deployment tomcat --replicas=1$/,
  ],
  [
    "internalTrafficPolicy Local without an endpoint on the node",
    single({}, { internalTrafficPolicy: "Local" }),
    "node/node1",
    "svc/one:80",
    /^Service default\/one has internalTrafficPolicy Local and no ready endpoint on node1; node2 has one$/,
    /internalTrafficPolicy":"Cluster"/,
  ],
  [
    "externalTrafficPolicy Local without an endpoint on the node",
    single(
      {},
      {
        type: "NodePort",
        externalTrafficPolicy: "Local",
        ports: [{ port: 80, targetPort: 8080, nodePort: 30011 }],
      },
    ),
    "external",
    "node/node1:30011",
    /^Service default\/one has externalTrafficPolicy Local and no ready endpoint on node1; node2 has one$/,
    /externalTrafficPolicy":"Cluster"/,
  ],
];

describe("a fault in the objects is named, and its remedy makes the trace pass", () => {
  it.each(CERTAIN)("%s", async (_, objects, from, to, cause, command) => {
    const told = await ask(objects, from, to);
    expect(told.verdict.disposition).not.toBe("DELIVERED");
    expect(told.cause).toMatch(cause);
    expect(told.remedies).toHaveLength(1);
    expect(told.remedies[0]?.command).toMatch(command);
    await passesAfter(objects, told, from, to);
  });

  it("loadBalancerSourceRanges", async () => {
    const objects = single({}, { type: "LoadBalancer", loadBalancerSourceRanges: ["198.51.100.0/24"] }).map(
      (object) =>
        object.kind === "Service" && (object.metadata as Plain).name === "one"
          ? { ...object, status: { loadBalancer: { ingress: [{ ip: "192.0.2.80" }] } } }
          : object,
    );
    const question = [
      "203.0.113.10",
      "192.0.2.80:80",
      "--at",
      "node/node1:eth0",
      "--tcp-flags",
      "S",
    ] as const;
    const told = await ask(objects, ...question);
    expect(told.cause).toBe("203.0.113.10 is in none of the loadBalancerSourceRanges of Service default/one");
    await passesAfter(objects, told, ...question);
  });

  it("a pod that is not Ready: no command makes it so; once it is, the trace passes", async () => {
    const told = await ask(single({ status: status(false) }, {}), "deploy/nginx", "svc/one:80");
    expect(told.cause).toBe(
      "Service default/one has no ready endpoint: its pod one is not Ready (ContainersNotReady)",
    );
    expect(told.remedies).toHaveLength(1);
    expect(told.remedies[0]?.text).toContain("Make a pod of it Ready (one)");
    expect((await ask(single({}, {}), "deploy/nginx", "svc/one:80")).verdict.disposition).toBe("DELIVERED");
  });

  it("a node port asked on an address that kube-proxy was not given", async () => {
    const withAddresses = (list: string) =>
      changed("ConfigMap", "kube-proxy", (object) => {
        const data = object.data as { readonly "config.conf": string };
        return { ...object, data: { "config.conf": `${data["config.conf"]}nodePortAddresses: [${list}]\n` } };
      });
    const told = await ask(withAddresses("10.0.0.0/8"), "external", "node/node1:30080");
    expect(told.cause).toMatch(
      /^no address of node1 is among kube-proxy's nodePortAddresses, so node port 30080 of Service default\/nginx/,
    );
    expect(told.remedies[0]?.text).toContain("192.168.50.11/32");
    const after = await ask(withAddresses("10.0.0.0/8, 192.168.50.11/32"), "external", "node/node1:30080");
    expect(after.verdict.disposition).toBe("DELIVERED");
  });

  it("a cluster IP asked from outside: a node port first, then that is asked", async () => {
    const told = await ask(cluster(), "external", "svc/tomcat:8080");
    expect(told.cause).toMatch(/cluster IP of Service default\/tomcat: only nodes and pods know it/);
    const objects = kubectl(cluster(), told.remedies[0]?.command as string);
    const again = await ask(objects, "external", "svc/tomcat:8080");
    const [, place = ""] = /any node: ([\d.]+:\d+)/.exec(again.remedies[0]?.text ?? "") ?? [];
    expect((await ask(objects, "external", place)).verdict.disposition).toBe("DELIVERED");
  });
});

describe("what was asked wrongly is said, with what would be right", () => {
  it.each([
    [
      "a port that the Service does not have",
      "svc/tomcat:8081",
      /^Service default\/tomcat has no port 8081\/tcp, only 8080\/tcp \(http\)$/,
      /^Ask (\S+), or/,
    ],
    [
      "the right number, the wrong protocol",
      "svc/tomcat:8080/udp",
      /^Service default\/tomcat has no port 8080\/udp/,
      /^Ask TCP: (\S+)\.$/,
    ],
    [
      "a ping to a cluster IP",
      "svc/tomcat/icmp",
      /^10.96.0.88 is an address of Service default\/tomcat, which answers on its ports only/,
      /^Ask a port instead: (\S+)\.$/,
    ],
    [
      "an address that no Service has",
      "10.96.0.89:8080",
      /^10.96.0.89 lies in the Services' range, but no Service has it$/,
      /^Ask (\S+), the address of Service default\/tomcat/,
    ],
  ])("%s", async (_, to, cause, remedy) => {
    const told = await ask(cluster(), "deploy/nginx", to);
    expect(told.cause).toMatch(cause);
    const [, right = ""] = remedy.exec(told.remedies[0]?.text ?? "") ?? [];
    expect(right, told.remedies[0]?.text).not.toBe("");
    const asked = /^\d/.test(right) ? `${right}:8080` : right;
    expect((await ask(cluster(), "deploy/nginx", asked)).verdict.disposition).toBe("DELIVERED");
  });

  it("a selector with nothing near it gets no command, and other namespaces are looked at", async () => {
    const objects = [
      ...tomcat({ selector: { app: "payments" } }),
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "pay", namespace: "shop", labels: { app: "payments" } },
        spec: { containers: [{ name: "c", image: "i" }] },
      },
    ];
    const told = await ask(objects, "deploy/nginx", "svc/tomcat:8080");
    expect(told.cause).toMatch(/matches no pod; pod shop\/pay would match, in another namespace$/);
    expect(told.remedies.map(({ command }) => command)).toEqual([undefined]);
  });

  it("a NetworkPolicy that nothing enforces is told as without effect", async () => {
    const policy = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "deny", namespace: "default" },
      spec: { podSelector: {}, policyTypes: ["Ingress"] },
    };
    const told = await ask([...cluster(), policy], "deploy/nginx", "svc/tomcat:8080");
    expect(told.verdict.disposition).toBe("DELIVERED");
    expect(told.assumptions).toContainEqual(
      expect.stringMatching(/^NetworkPolicy default\/deny has no effect: flannel/),
    );
  });
});
