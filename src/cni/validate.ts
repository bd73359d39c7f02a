import { ERROR_CODE, failWith } from "./cni-error.ts";

/** The names of a call, checked as every plugin checks them before it starts. */

/** Of networks and containers. */
export const CONTAINER_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** Letters that the kernel takes (`IFNAMSIZ` without the end). */
export const MAX_INTERFACE_NAME = 15;

export function requireContainerId(id: string): void {
  if (id === "") failWith(ERROR_CODE.badEnvironment, "required env variables [CNI_CONTAINERID] missing");
  if (!CONTAINER_NAME.test(id)) {
    failWith(ERROR_CODE.badEnvironment, "invalid characters in containerID", id);
  }
}

export function requireNetworkName(name: string): void {
  if (name === "") failWith(ERROR_CODE.badConfig, "missing network name");
  if (!CONTAINER_NAME.test(name))
    failWith(ERROR_CODE.badConfig, "invalid characters found in network name", name);
}

export function requireInterfaceName(name: string): void {
  const { badEnvironment } = ERROR_CODE;
  if (name === "") failWith(badEnvironment, "required env variables [CNI_IFNAME] missing");
  if (name.length > MAX_INTERFACE_NAME) {
    failWith(
      badEnvironment,
      "interface name is too long",
      `interface name should be less than ${MAX_INTERFACE_NAME + 1} characters`,
    );
  }
  if (name === "." || name === "..") failWith(badEnvironment, "interface name is . or ..");
  if (/[/:\s]/.test(name)) {
    failWith(badEnvironment, "interface name contains / or : or whitespace characters");
  }
}
