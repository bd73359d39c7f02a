import {
  address,
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
  protocol,
  required,
  seconds,
  text,
  texts,
  word,
} from "./field-table.ts";
import { METADATA } from "./metadata-fields.ts";

const CONTAINER_PORT: Fields = {
  ...required({ containerPort: port }),
  ...optional({
    name: text,
    protocol,
    hostIP: address(""),
    // 0 is what old dumps print for none.
    hostPort: integer(0, 65_535, "a port from 1 to 65535"),
  }),
};

const CONTAINER: Fields = {
  ...required({ name: text }),
  ...optional({
    image: text,
    command: list(text),
    args: list(text),
    ports: list(object(CONTAINER_PORT)),
    env: list(object({ ...required({ name: text }), ...optional({ value: text, valueFrom: anything }) })),
    livenessProbe: probe(),
    readinessProbe: probe(),
    startupProbe: probe(),
    restartPolicy: text,
  }),
  ...names(`envFrom imagePullPolicy lifecycle resizePolicy resources restartPolicyRules securityContext stdin
    stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts workingDir
    targetContainerName`),
};

function probe() {
  return object({
    ...optional({
      httpGet: object({
        ...required({ port: portOrName }),
        ...optional({ host: text, path: text, scheme: text, httpHeaders: anything }),
      }),
      tcpSocket: object({ ...required({ port: portOrName }), ...optional({ host: text }) }),
    }),
    ...names(`exec grpc failureThreshold initialDelaySeconds periodSeconds successThreshold
      terminationGracePeriodSeconds timeoutSeconds`),
  });
}

const TOLERATION: Fields = optional({
  key: text,
  operator: word("", "Exists", "Equal", "Lt", "Gt"),
  value: text,
  effect: word("", "NoSchedule", "PreferNoSchedule", "NoExecute"),
  tolerationSeconds: integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, "a whole number"),
});

export const POD_SPEC: Fields = {
  ...required({ containers: list(object(CONTAINER)) }),
  ...optional({
    initContainers: list(object(CONTAINER)),
    ephemeralContainers: list(object(CONTAINER)),
    nodeName: text,
    nodeSelector: texts,
    hostNetwork: flag,
    hostname: text,
    subdomain: text,
    dnsPolicy: word("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
    restartPolicy: word("Always", "OnFailure", "Never"),
    tolerations: list(object(TOLERATION)),
    serviceAccountName: text,
    terminationGracePeriodSeconds: seconds,
    affinity: object(names("nodeAffinity podAffinity podAntiAffinity")),
  }),
  ...names(`activeDeadlineSeconds automountServiceAccountToken dnsConfig enableServiceLinks hostAliases hostIPC
    hostPID hostUsers hostnameOverride imagePullSecrets os overhead preemptionPolicy priority priorityClassName
    readinessGates resourceClaims resources runtimeClassName schedulerName schedulingGates securityContext
    serviceAccount setHostnameAsFQDN shareProcessNamespace topologySpreadConstraints volumes workloadRef`),
};

const CONDITION_REST =
  "lastProbeTime lastTransitionTime lastHeartbeatTime lastUpdateTime message observedGeneration reason";

export const POD_STATUS: Fields = {
  ...optional({
    phase: word("", "Pending", "Running", "Succeeded", "Failed", "Unknown"),
    podIP: address(""),
    podIPs: list(object(optional({ ip: address("") }))),
    hostIP: address(""),
    hostIPs: list(object(optional({ ip: address("") }))),
    conditions: list(object({ ...required({ type: text, status: text }), ...names(CONDITION_REST) })),
  }),
  ...names(`allocatedResources containerStatuses ephemeralContainerStatuses extendedResourceClaimStatus
    initContainerStatuses message nominatedNodeName observedGeneration qosClass reason resize
    resourceClaimStatuses resources startTime`),
};

/** What a workload's `template` holds. */
export const POD_TEMPLATE: Fields = optional({ metadata: object(METADATA), spec: object(POD_SPEC) });
