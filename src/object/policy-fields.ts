import {
  anything,
  type Fields,
  flag,
  integer,
  list,
  names,
  object,
  optional,
  port,
  portOrName,
  prefix,
  protocol,
  required,
  text,
  texts,
  word,
} from "./field-table.ts";
import { LABEL_SELECTOR } from "./metadata-fields.ts";

/** The policies of Kubernetes, of the network policy API, and of Calico. What needs more than a field's type is in `policy-rules.ts`. */

const SELECTOR = object(LABEL_SELECTOR);
const DIRECTIONS = list(word("Ingress", "Egress"));

const PEERS = list(
  object(
    optional({
      podSelector: SELECTOR,
      namespaceSelector: SELECTOR,
      ipBlock: object({ ...required({ cidr: prefix }), ...optional({ except: list(prefix) }) }),
    }),
  ),
);
const PORTS = list(object(optional({ protocol, port: portOrName, endPort: port })));

export const NETWORK_POLICY_SPEC: Fields = optional({
  podSelector: SELECTOR,
  policyTypes: DIRECTIONS,
  ingress: list(object(optional({ from: PEERS, ports: PORTS }))),
  egress: list(object(optional({ to: PEERS, ports: PORTS }))),
});

const PODS = object(required({ namespaceSelector: SELECTOR, podSelector: SELECTOR }));
const SUBJECT = optional({ namespaces: SELECTOR, pods: PODS });
const ADMIN_PORTS = list(
  object(
    optional({
      portNumber: object(required({ protocol, port })),
      portRange: object({ ...required({ start: port, end: port }), ...optional({ protocol }) }),
      namedPort: text,
    }),
  ),
);
const FROM = required({ from: list(object(SUBJECT)) });
const TO = required({
  to: list(object({ ...SUBJECT, ...optional({ nodes: SELECTOR, networks: list(prefix) }) })),
});

function adminRules(peers: Fields, ...actions: string[]) {
  return list(
    object({
      ...required({ action: word(...actions) }),
      ...peers,
      ...optional({ name: text, ports: ADMIN_PORTS }),
    }),
  );
}

export const ADMIN_POLICY_SPEC: Fields = {
  ...required({ subject: object(SUBJECT), priority: integer(0, 1000, "a whole number from 0 to 1000") }),
  ...optional({
    ingress: adminRules(FROM, "Allow", "Deny", "Pass"),
    egress: adminRules(TO, "Allow", "Deny", "Pass"),
  }),
};

export const BASELINE_POLICY_SPEC: Fields = {
  ...required({ subject: object(SUBJECT) }),
  ...optional({ ingress: adminRules(FROM, "Allow", "Deny"), egress: adminRules(TO, "Allow", "Deny") }),
};

const ENTITY = object(
  optional({
    nets: list(prefix),
    notNets: list(prefix),
    selector: text,
    notSelector: text,
    namespaceSelector: text,
    ports: list(anything),
    notPorts: list(anything),
    serviceAccounts: object(optional({ names: list(text), selector: text })),
    services: object(optional({ name: text, namespace: text })),
  }),
);
const ICMP = object(
  optional({
    type: integer(0, 254, "a type of ICMP from 0 to 254"),
    code: integer(0, 255, "a code of ICMP from 0 to 255"),
  }),
);
const CALICO_RULES = list(
  object({
    ...required({ action: word("Allow", "Deny", "Log", "Pass") }),
    ...optional({
      ipVersion: integer(4, 6, "4 or 6"),
      protocol: anything,
      notProtocol: anything,
      icmp: ICMP,
      notICMP: ICMP,
      source: ENTITY,
      destination: ENTITY,
      http: anything,
      metadata: object(optional({ annotations: texts })),
    }),
  }),
);

export const CALICO_POLICY_SPEC: Fields = {
  ...optional({
    tier: text,
    order: anything,
    selector: text,
    serviceAccountSelector: text,
    types: DIRECTIONS,
    ingress: CALICO_RULES,
    egress: CALICO_RULES,
  }),
  ...names("performanceHints"),
};

export const CALICO_GLOBAL_POLICY_SPEC: Fields = {
  ...CALICO_POLICY_SPEC,
  ...optional({ namespaceSelector: text, doNotTrack: flag, preDNAT: flag, applyOnForward: flag }),
};

export const NETWORK_SET_SPEC: Fields = optional({ nets: list(prefix) });

export const HOST_ENDPOINT_SPEC: Fields = optional({
  node: text,
  interfaceName: text,
  expectedIPs: list(text),
  profiles: list(text),
  ports: list(object(required({ name: text, protocol: anything, port }))),
});

export const TIER_SPEC: Fields = optional({ order: anything, defaultAction: word("Deny", "Pass") });

export const PROFILE_SPEC: Fields = optional({
  ingress: CALICO_RULES,
  egress: CALICO_RULES,
  labelsToApply: texts,
});

export const SERVICE_ACCOUNT: Fields = names("secrets imagePullSecrets automountServiceAccountToken");
