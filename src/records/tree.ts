/** Where everything stands in the store. Paths are relative to the cluster's root, which the Store prefixes. */
export const tree = {
  nodes: '/nodes',
  node: (name: string) => `/nodes/${name}`,
  session: (name: string) => `/nodes/${name}/session`,
  keepalive: (name: string) => `/nodes/${name}/keepalive`,
  verification: (name: string) => `/nodes/${name}/verification`,
  fencing: '/fencing',
  fence: (name: string) => `/fencing/${name}`,
  fenceLocks: (name: string) => `/fencing/${name}/lock`,
  requests: '/requests',
  maintenance: '/maintenance',
  nodeMaintenance: (name: string) => `/maintenance/${name}`,
  primary: '/primary',
  primaryLock: '/primary/lock',
  transfers: '/transfers',
  transfer: (id: string) => `/transfers/${id}`,
  left: (name: string) => `/nodes/${name}/left`,
  once: '/once',
  history: '/history',
} as const;

/** Made by whoever comes first; all persistent and empty of secrets. */
export const treeRoots = [
  tree.nodes,
  tree.fencing,
  tree.requests,
  tree.maintenance,
  tree.history,
  tree.primary,
  tree.primaryLock,
  tree.transfers,
  tree.once,
] as const;
